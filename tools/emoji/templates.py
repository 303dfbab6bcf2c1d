"""Every wording that a question or an instruction can take.

TRAIN_* are open to training and are used in a part of the evaluation; HELD_OUT_* mean the same and are used in the
evaluation alone, so that a model that learnt our phrases and a model that understands them come apart.
Fields in braces are filled by `fill`.
"""

from __future__ import annotations

from typing import Final

POSITIONS: Final = ("top left", "top right", "bottom left", "bottom right")
SIDES: Final = ("on the left", "on the right", "at the top", "at the bottom")

# emoji-ctrl: the instruction asks, the answer is a label.
TRAIN_POSITION: Final = (
    "what is in the {position} corner?",
    "name the thing at the {position}",
    "what do you see {position}?",
)
HELD_OUT_POSITION: Final = (
    "look at the {position} quarter of the picture and say what is there",
    "tell me which thing stands {position}",
    "{position}: what is drawn in this place?",
)
TRAIN_CONJUNCTION: Final = (
    "what is the {category} {side}?",
    "name the {category} {side}",
    "which {category} is {side}?",
)
HELD_OUT_CONJUNCTION: Final = (
    "there is more than one {category} here: identify the one {side}",
    "{side} there is {a} {category}; tell me which",
    "look {side} and say what {category} you see",
)
TRAIN_CATEGORY: Final = (
    "what is the {category}?",
    "which {category} is shown?",
    "name the {category}",
    "find the {category} in the picture",
)
HELD_OUT_CATEGORY: Final = (
    "tell me what {category} you see here",
    "of all the things drawn, say which one is the {category}",
    "identify the {category}",
)

# emoji-cir: the text says what changes; the instruction is general.
TONES: Final = (
    "the default yellow skin",
    "light skin",
    "medium-light skin",
    "medium skin",
    "medium-dark skin",
    "dark skin",
)
HAIRS: Final = {"1f9b0": "red hair", "1f9b1": "curly hair", "1f9b2": "no hair, bald", "1f9b3": "white hair"}
AGES: Final = ("a child", "an adult", "an old person")
STYLES: Final = {"flat": "a flat drawing", "3d": "a shaded 3D picture", "high-contrast": "a black and white drawing"}
TRAIN_CIR: Final = {
    "tone": ("with {value}", "the same with {value}", "change the skin tone: {value}"),
    "gender": ("as {value}", "the same, but {value}", "make it {value}"),
    "hair": ("with {value}", "the same person with {value}", "change the hair: {value}"),
    "direction": ("facing {value}", "the same, facing {value}", "turn it to face {value}"),
    "age": ("as {value}", "the same, but {value}", "change the age: {value}"),
    "role": ("as {value}", "the same person as {value}", "change the job: {value}"),
    "style": ("as {value}", "the same thing as {value}", "redraw it as {value}"),
}
HELD_OUT_CIR: Final = {
    "tone": ("now give this one {value}", "keep everything else, {value} instead"),
    "gender": ("now show {value} in this role", "swap the person for {value}"),
    "hair": ("now give this person {value}", "keep the face, {value} instead"),
    "direction": ("now let it look to the {value}", "mirror it so that it points {value}"),
    "age": ("now show how this person looks as {value}", "swap the person for {value}"),
    "role": ("now let this person work as {value}", "keep the person, show {value} instead"),
    "style": ("now let me see it as {value}", "keep what is shown, but in the manner of {value}"),
}
TRAIN_CIR_INSTRUCTION: Final = (
    "find the picture changed as the text says",
    "retrieve the picture that shows this with the change described",
)
HELD_OUT_CIR_INSTRUCTION: Final = ("apply the described modification and search for the resulting picture",)
# Appended to a change of gender or role: then every tone of the new picture is right.
TRAIN_ANY_TONE: Final = (", any skin tone", ", in any skin tone")
HELD_OUT_ANY_TONE: Final = (", whatever the skin tone", ", no matter which skin tone")

# emoji-cls: picture and instruction -> name of a class.
TRAIN_CLS: Final = {
    "category": ("what category is this?", "name the category of the thing in the picture"),
    "subgroup": ("what subgroup is this?", "name the subgroup of the thing in the picture"),
}
HELD_OUT_CLS: Final = {
    "category": ("sort this drawing into one of the broad categories", "say which broad class this belongs to"),
    "subgroup": ("sort this drawing into one of the fine subgroups", "say which fine class this belongs to"),
}

# emoji-vqa: the text asks, the gallery holds the answers; the instruction is general.
TRAIN_VQA_INSTRUCTION: Final = ("answer the question about the picture", "give the answer to the question")
HELD_OUT_VQA_INSTRUCTION: Final = ("look at the picture and pick the reply that is true",)
TRAIN_VQA: Final = {
    "count-all": ("how many things are in the picture?", "how many things do you see?"),
    "count-category": ("how many {plural} are in the picture?", "how many {plural} do you see?"),
    "presence-category": ("is there {a} {category} in the picture?", "do you see {a} {category}?"),
    "presence-label": ("is this in the picture: {label}?", "do you see this: {label}?"),
    "position-label": TRAIN_POSITION,
    "position-where": ("where is this: {label}?", "in which corner do you see this: {label}?"),
    "compare-number": (
        "are there more {plural} or more {other_plural}?",
        "which are more, {plural} or {other_plural}?",
    ),
    "compare-place": (
        "where is this: {label}, seen from this: {other_label}?",
        "on which side of this: {other_label}, is this: {label}?",
    ),
}
HELD_OUT_VQA: Final = {
    "count-all": ("count everything that is drawn here", "give the number of drawings"),
    "count-category": ("count the {plural} that are drawn here", "give the number of {plural}"),
    "presence-category": (
        "does any corner show {a} {category}?",
        "say whether {a} {category} is among the things drawn",
    ),
    "presence-label": ("can this be found here: {label}?", "{label}: is it among the things drawn?"),
    "position-label": HELD_OUT_POSITION,
    "position-where": ("tell me the place of this: {label}", "{label}: which quarter of the picture shows it?"),
    "compare-number": (
        "compare the number of {plural} with the number of {other_plural}",
        "{plural} against {other_plural}: say which side has the greater number",
    ),
    "compare-place": (
        "starting from this: {other_label}, which way lies this: {label}?",
        "tell me the way to this: {label}, from this: {other_label}",
    ),
}

# emoji-i2t and emoji-t2i.
TRAIN_I2T: Final = ("name the thing in the picture", "find the name of this picture")
HELD_OUT_I2T: Final = ("which words describe what is drawn here?", "say what this drawing shows")
TRAIN_T2I: Final = ("find the picture of this", "retrieve the picture that shows this")
HELD_OUT_T2I: Final = ("search for a drawing that these words describe", "show me what is meant here")

# emoji-union: `<what the query is>-<what is wanted>`; the instruction names the modality that is wanted.
TRAIN_UNION: Final = {
    "text-image": ("find a picture of this, a picture only",),
    "text-pair": ("find a picture with its name for this",),
    "image-text": ("find the name of this picture, a text only",),
    "image-image": ("find another picture of the same thing, a picture only",),
    "image-pair": ("find another picture of the same thing with its name",),
    "question-text": ("answer the question about the picture with a name, a text only",),
    "question-image": ("answer the question about the picture with a picture only",),
    "question-pair": ("answer the question about the picture with a picture and its name",),
}
HELD_OUT_UNION: Final = {
    "text-image": ("search for a drawing without words that shows this", "show me this in a drawing without a caption"),
    "text-pair": ("search for a captioned drawing that shows this", "show me this in a drawing that has its caption"),
    "image-text": ("search for words without a drawing that say what this is", "say in mere words what this shows"),
    "image-image": (
        "search for a drawing without words that shows the same as this one",
        "show me the same in another drawing without a caption",
    ),
    "image-pair": (
        "search for a captioned drawing that shows the same as this one",
        "show me the same in another drawing that has its caption",
    ),
    "question-text": ("reply to the question in words, without a drawing", "reply in mere words to what is asked"),
    "question-image": (
        "reply to the question by a drawing without words",
        "reply to what is asked by a drawing without a caption",
    ),
    "question-pair": (
        "reply to the question by a captioned drawing",
        "reply to what is asked by a drawing that has its caption",
    ),
}


def fill(template: str, **fields: str) -> str:
    """The template with its fields; `{a}` becomes the article that `category` takes."""
    return template.format(a=article(fields.get("category", "x")), **fields)


def article(noun: str) -> str:
    """`a` or `an`, as the sound of our category and role names has it."""
    return "an" if noun[0].lower() in "aeio" else "a"
