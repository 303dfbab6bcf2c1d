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
        "hand or body part",
        "hands or body parts",
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
        "food",
        "foods",
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
        "building or place",
        "buildings or places",
        ("place-geographic", "place-building", "place-religious", "place-other"),
        _labels("brick, rock, wood, foggy, hot springs, carousel horse, barber pole, building construction"),
    ),
    Category(
        "weather or sky symbol",
        "weather or sky symbols",
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
        "sports or game item",
        "sports or game items",
        ("sport", "game"),
        _labels(
            "water pistol, crystal ball, magic wand, mirror ball, nesting dolls, piñata, spade suit, heart suit,"
            "diamond suit, club suit, running shirt, martial arts uniform"
        ),
    ),
    Category("party or award item", "party or award items", ("event", "award-medal"), _labels("moon viewing ceremony")),
    Category(
        "office item",
        "office items",
        ("office", "writing", "book-paper", "mail", "money"),
        _labels("treasure chest, label, crayon, paintbrush"),
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
        ("person", "hand or body part"),
        ("heart", "hand or body part"),
        ("person", "sports or game item"),
        ("person", "vehicle"),
        ("person", "sign"),
        ("plant", "food"),
        ("plant", "party or award item"),
        ("food", "drink"),
        ("food", "animal"),
        ("food", "household item"),
        ("drink", "household item"),
        ("building or place", "weather or sky symbol"),
        ("building or place", "plant"),
        ("party or award item", "weather or sky symbol"),
        ("piece of clothing", "sports or game item"),
        ("tool", "household item"),
        ("tool", "office item"),
        ("household item", "office item"),
        ("household item", "electronic device"),
        ("office item", "electronic device"),
        ("sports or game item", "electronic device"),
        ("sports or game item", "vehicle"),
        ("sports or game item", "party or award item"),
        ("animal", "sign"),
        ("animal", "sports or game item"),
        ("animal", "party or award item"),
        ("musical instrument", "electronic device"),
    )
)

# Not a target of any question: letters in boxes, and flags of which one package has eight and the other none.
NO_TARGET_GROUPS = frozenset({"flags"})
NO_TARGET_SUBGROUPS = frozenset({"keycap", "alphanum"})
