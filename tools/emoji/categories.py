"""The 20 everyday categories of scene objects, and what is left out of them: data, written by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A category as questions name it, the CLDR subgroups that make it up, and the labels that do not belong."""

    name: str
    plural: str
    subgroups: tuple[str, ...]
    without: frozenset[str] = frozenset()


def _labels(text: str) -> frozenset[str]:
    return frozenset(label.strip() for label in text.split(",") if label.strip())


CATEGORIES = (
    Category(
        "face",
        "faces",
        (
            *("face-smiling", "face-affection", "face-tongue", "face-hand", "face-neutral-skeptical", "face-sleepy"),
            *("face-unwell", "face-hat", "face-glasses", "face-concerned", "face-negative"),
        ),
        _labels("skull, skull and crossbones"),
    ),
    Category(
        "body part",
        "body parts",
        (
            *("hand-fingers-open", "hand-fingers-partial", "hand-single-finger", "hand-fingers-closed"),
            *("hands", "hand-prop", "body-parts"),
        ),
        _labels("middle finger, selfie, nail polish"),
    ),
    Category(
        "person",
        "people",
        (
            *("person", "person-gesture", "person-role", "person-fantasy", "person-activity", "person-sport"),
            "person-resting",
        ),
        _labels("hairy creature, horse racing"),
    ),
    Category(
        "animal",
        "animals",
        ("animal-mammal", "animal-bird", "animal-amphibian", "animal-reptile", "animal-marine", "animal-bug"),
        _labels("paw prints, pig nose, feather, wing, spiral shell, coral, spider web, microbe"),
    ),
    Category(
        "plant",
        "plants",
        ("plant-flower", "plant-other"),
        _labels("rosette, empty nest, nest with eggs, mushroom"),
    ),
    Category(
        "piece of food",
        "pieces of food",
        ("food-fruit", "food-vegetable", "food-prepared", "food-asian", "food-sweet"),
    ),
    Category("drink", "drinks", ("drink",), _labels("ice, teapot, pouring liquid")),
    Category(
        "vehicle",
        "vehicles",
        ("transport-ground", "transport-water", "transport-air"),
        _labels(
            "station, manual wheelchair, motorized wheelchair, roller skate, bus stop, motorway, railway track,"
            "oil drum, fuel pump, wheel, police car light, horizontal traffic light, vertical traffic light, stop sign,"
            "construction, anchor, ring buoy, parachute, seat, suspension railway, mountain cableway, satellite"
        ),
    ),
    Category(
        "building",
        "buildings",
        ("place-building", "place-religious"),
        _labels("brick, rock, wood, building construction, stadium, wedding, Statue of Liberty, kaaba, love hotel"),
    ),
    Category(
        "sky symbol",
        "sky symbols",
        ("sky-weather",),
        _labels("thermometer, umbrella, closed umbrella, umbrella on ground, fire, droplet, water wave"),
    ),
    Category(
        "piece of clothing",
        "pieces of clothing",
        ("clothing",),
        _labels("folding hand fan, shopping bags, hair pick, prayer beads, lipstick, ring, gem stone"),
    ),
    Category("musical instrument", "musical instruments", ("musical-instrument",)),
    Category(
        "tool",
        "tools",
        ("tool",),
        _labels(
            "dagger, crossed swords, bomb, bow and arrow, boomerang, shield, balance scale, white cane, link,"
            "broken chain, chains, magnet"
        ),
    ),
    Category(
        "household item",
        "household items",
        ("household", "dishware", "lock"),
        _labels("kitchen knife, elevator, fire extinguisher, shopping cart"),
    ),
    Category(
        "leisure item",
        "leisure items",
        ("sport", "game"),
        _labels(
            "water pistol, crystal ball, magic wand, mirror ball, nesting dolls, piñata, spade suit, heart suit,"
            "diamond suit, club suit, running shirt, martial arts uniform"
        ),
    ),
    Category("celebration item", "celebration items", ("event", "award-medal"), _labels("moon viewing ceremony")),
    Category(
        "office item",
        "office items",
        ("office", "writing", "book-paper", "mail"),
        _labels("label, crayon, paintbrush"),
    ),
    Category(
        "electronic device",
        "electronic devices",
        ("computer", "phone", "light-video"),
        _labels(
            "abacus, candle, red paper lantern, diya lamp, film frames, clapper board, magnifying glass tilted left,"
            "magnifying glass tilted right, light bulb"
        ),
    ),
    Category("heart", "hearts", ("heart",), _labels("love letter")),
    Category("sign", "signs", ("transport-sign", "warning", "zodiac")),
)

# Two of these never share a scene that asks by category: a person might put one thing into either.
CONFUSABLE = frozenset(
    frozenset(pair)
    for pair in (
        ("face", "person"),
        ("face", "animal"),
        ("face", "heart"),
        ("person", "body part"),
        ("heart", "body part"),
        ("person", "leisure item"),
        ("person", "vehicle"),
        ("person", "sign"),
        ("plant", "piece of food"),
        ("plant", "celebration item"),
        ("piece of food", "drink"),
        ("piece of food", "animal"),
        ("piece of food", "household item"),
        ("drink", "household item"),
        ("celebration item", "sky symbol"),
        ("piece of clothing", "leisure item"),
        ("tool", "household item"),
        ("tool", "office item"),
        ("household item", "office item"),
        ("household item", "electronic device"),
        ("office item", "electronic device"),
        ("leisure item", "electronic device"),
        ("leisure item", "vehicle"),
        ("leisure item", "celebration item"),
        ("animal", "sign"),
        ("animal", "leisure item"),
        ("animal", "celebration item"),
        ("musical instrument", "electronic device"),
        ("face", "sky symbol"),
        ("face", "celebration item"),
        ("person", "celebration item"),
        ("person", "sky symbol"),
        ("sign", "electronic device"),
        ("sign", "vehicle"),
        ("sign", "drink"),
        ("heart", "celebration item"),
    )
)

# What a class of one CLDR subgroup is called where the subgroup's own words, hyphens to spaces, read badly.
SUBGROUP_NAMES = {
    "face-smiling": "smiling face",
    "face-affection": "affectionate face",
    "face-tongue": "face with tongue",
    "face-hand": "face with hands",
    "face-neutral-skeptical": "neutral or skeptical face",
    "face-sleepy": "sleepy face",
    "face-unwell": "unwell face",
    "face-concerned": "concerned face",
    "face-negative": "angry or evil face",
    "face-costume": "costumed face",
    "emotion": "emotion mark",
    "hand-fingers-open": "open hand",
    "hand-fingers-partial": "partly closed hand",
    "hand-single-finger": "hand with a single finger",
    "hand-fingers-closed": "closed hand",
    "hands": "two hands",
    "person": "plain person",
    "person-gesture": "person making a gesture",
    "person-role": "person with a job or role",
    "person-fantasy": "fantasy person",
    "person-activity": "person in motion",
    "person-sport": "person doing sport",
    "person-resting": "person resting",
    "family": "family or couple",
    "person-symbol": "symbol of people",
    "animal-mammal": "mammal",
    "animal-bird": "bird",
    "animal-reptile": "reptile",
    "animal-marine": "marine animal",
    "animal-bug": "bug",
    "plant-flower": "flower",
    "food-fruit": "fruit",
    "food-vegetable": "vegetable",
    "food-prepared": "prepared food",
    "food-asian": "Asian food",
    "food-sweet": "sweet food",
    "place-map": "map or globe",
    "place-geographic": "landscape",
    "place-building": "building",
    "place-religious": "religious building",
    "transport-ground": "ground transport",
    "transport-water": "water transport",
    "transport-air": "air transport",
    "time": "clock or time",
    "sky-weather": "sky and weather",
    "award-medal": "award or medal",
    "arts-crafts": "arts and crafts",
    "sound": "sound device",
    "light-video": "light and video",
    "book-paper": "book or paper",
    "transport-sign": "public sign",
    "warning": "warning sign",
    "religion": "religious symbol",
    "zodiac": "zodiac sign",
    "av-symbol": "media player button",
    "math": "mathematical sign",
    "punctuation": "punctuation mark",
    "geometric": "geometric shape",
}

# Not a target of any question: letters in boxes, and flags of which one package has eight and the other none.
NO_TARGET_GROUPS = frozenset({"flags"})
NO_TARGET_SUBGROUPS = frozenset({"keycap", "alphanum"})
# Labels that candidates may have, but that no question asks for: weapons and rude gestures.
NOT_ASKED = _labels("middle finger, dagger, crossed swords, bomb, bow and arrow, water pistol")
