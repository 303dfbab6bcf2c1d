"""The wordings that training sees: the open templates, our own paraphrases by a small grammar, and noise.

`[a|b|]` stands for one of its alternatives; `{field}` is filled later. No sentence of HELD_OUT_* is ever produced:
the sentences are unseen, though not each of their words.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from tools.emoji import templates

OPEN_SHARE = 0.4  # open templates, verbatim; the rest comes from the grammar, half of it with noise
NOISE_SHARE = 0.5
DROP, REPLACE, INSERT = 0.08, 0.08, 0.05

_P: Final = "[picture|image|drawing|photo|icon|illustration]"
_T: Final = "[text|name|label|words|title|caption]"
_FIND: Final = "[find|retrieve|get|fetch|look for|give me|select|i want|return]"
_SAY: Final = "[say|state|name|give|write|describe|identify|tell me|choose]"
_THING: Final = "[thing|object|item|emoji|symbol]"
_ONLY_P: Final = (
    f"[just|only|nothing but] [a|the] {_P}",
    f"[a|the] {_P} [only|alone]",
    f"[a|the] {_P}, [no|not a|never a] {_T}",
    f"[a|the] {_P} [without|with no|lacking] [any|a|] {_T}",
)
_ONLY_T: Final = (
    f"[just|only|nothing but] [a|the] {_T}",
    f"[a|the] {_T} [only|alone]",
    f"[a|the] {_T}, [no|not a|never a] {_P}",
    f"[a|the] {_T} [without|with no|lacking] [any|a|] {_P}",
)
_PAIR: Final = (
    f"[a|the] {_P} [with|and|together with|plus|having] [its|a|the] {_T}",
    f"[a|the] {_T} [with|and|together with|plus] [its|a|the] {_P}",
    f"both [a|the] {_P} and [a|the] {_T}",
    f"[a|the] [captioned|labelled|titled|named] {_P}",
)
_SAME: Final = "[the same|this|the same thing|what is shown here]"


def _wanted(forms: Sequence[str], before: str, after: str) -> tuple[str, ...]:
    return tuple(f"{before} {form} {after}".strip() for form in forms)


GRAMMAR: Final[Mapping[str, tuple[str, ...]]] = {
    "position": (
        f"[what|which {_THING}] [is|stands|sits|lies|can be seen|is shown|is drawn] [in|at|on] the {{position}} "
        "[corner|cell|part|side|]",
        f"{_SAY} [the|what is] [{_THING}|] [in|at|of] the {{position}} [corner|cell|part|]",
        f"[in|at] the {{position}} [corner|cell|part|]: [what is it|what is this|what do we see|which {_THING}]",
        "[look at|see|consider] the {position} [corner|cell|part|]: [what is it|what is this|name it]",
        "{position}",
    ),
    "conjunction": (
        f"{_SAY} [which|what|the] {{category}} [is|stands|sits|lies|] {{side}}",
        "[of|among|between] the two, [what|which] is the {category} {side}",
        "[what|which] {category} [is it|do we see|can be seen|is shown|is drawn] {side}",
        "{side}: [what|which] {category} [is it|is this|do we see|is there]",
        "[the|that] {category} {side}",
    ),
    "category": (
        f"[what|which] {{category}} [is it|do we see|can be seen|is in the {_P}|is drawn]",
        f"{_SAY} [which|what|the] {{category}} [in the {_P}|shown|]",
        f"[here is|the {_P} shows] {{a}} {{category}}: [what is it|which one]",
        "[the|that] {category}",
    ),
    "cir-tone": (
        "[give it|show it with|make it|now|but|only] {value}",
        "{value} [please|now|]",
        "[other|new] skin: {value}",
    ),
    "cir-gender": (
        "[show|draw|turn it into|now|but|replaced by] {value}",
        "{value} [please|now|]",
        "[of] {value} doing this",
    ),
    "cir-hair": (
        "[show|give|add|draw|now|but] {value}",
        "{value} [please|now|]",
        "this [person|one] [having|wearing] {value}",
    ),
    "cir-direction": (
        "[looking|turned|heading|going|moving|flipped] [to the|towards the|] {value}",
        "[the|its] mirror image, {value}",
        "{value} [please|now|]",
    ),
    "cir-age": (
        "[show|draw|turn it into|when|now|but|grown] {value}",
        "{value} [please|now|]",
        "[other|new] age: {value}",
    ),
    "cir-role": (
        "[working as|dressed as|being|employed as|now|but] {value}",
        "{value} [please|now|]",
        "[other|new] work: {value}",
    ),
    "cir-style": (
        "[drawn|shown|painted|rendered|in the style of|in the form of] [as|like|] {value}",
        "{value} [please|now|]",
        "[other|new] style: {value}",
    ),
    "cir": (
        f"{_FIND} the {_P} [after|with|that results from] the [change|edit|modification|difference]",
        f"[change|edit|modify|alter] the {_P} as [told|described|the text tells] and {_FIND} [it|the result]",
        "[how would it look|what does it look like] [then|with this change]",
    ),
    "cls-category": (
        f"[which|what] [category|kind|sort|class] does [this|the {_P}] [show|belong to]",
        f"[classify|sort|assign] [this|the {_P}|the {_THING}] by [its|] [category|broad category]",
        "[category|broad category|general category|the category of this]",
    ),
    "cls-subgroup": (
        f"[which|what] [subgroup|fine subgroup|small group] does [this|the {_P}] [show|belong to]",
        f"[classify|sort|assign] [this|the {_P}|the {_THING}] by [its|] [subgroup|fine subgroup|exact subgroup]",
        "[subgroup|fine subgroup|exact subgroup|the subgroup of this]",
    ),
    "vqa": (
        f"[answer|reply|respond|give an answer|find the answer] [to this|from the {_P}|by looking at the {_P}|]",
        f"[which|what] [answer|reply] is [right|correct|true] for [this|the] {_P}",
        f"[use|read|see] the {_P} to answer [the question|what is asked|]",
    ),
    "count-all": (
        f"[how many|number of|what is the number of] [{_THING}s|things|objects] [there|in the {_P}|here|]",
        "how many [are there|are shown|are drawn] [in all|altogether|in total]",
    ),
    "count-category": (
        f"[how many|number of|what is the number of] {{plural}} [are there|in the {_P}|here|are shown|can you see|]",
        "{plural}: how many",
    ),
    "presence-category": (
        f"[is|can you see|do we see|does the {_P} show|does the {_P} contain] [there|] {{a}} {{category}} [here|]",
        "any {category} [here|there|]",
    ),
    "presence-label": (
        f"[is there|can you see|do we see|does the {_P} show|does the {_P} contain]: {{label}} [here|]",
        "{label}: is it [here|there|shown]",
    ),
    "position-where": (
        "[in which|what] [corner|place|cell|part] [is|stands|has]: {label}",
        "{label}: where is it",
        "[place|position|corner|location] of this: {label}",
    ),
    "compare-number": (
        "[what is there more of|which are there more of], {plural} or {other_plural}",
        "[is the number of|are] {plural} or [of|] {other_plural} [greater|larger|higher]",
        "more [of|]: {plural} or {other_plural}",
    ),
    "compare-place": (
        "[from|relative to|compared with] this: {other_label}, where is this: {label}",
        "[in which direction|to which side] from this: {other_label}, do we find this: {label}",
        "where does this: {label} lie, as seen from this: {other_label}",
    ),
    "i2t": (
        f"{_SAY} [what is shown|what this is|the {_THING}] [in the {_P}|here|]",
        f"[what|which {_THING}] [is this|is shown|does the {_P} show]",
        f"{_FIND} the {_T} [of|for|that belongs to] this {_P}",
    ),
    "t2i": (
        f"{_FIND} [a|the] {_P} [of|for|that shows|with] [this|it|the {_THING}]",
        f"[how does this look|show me this|draw this|which {_P} fits]",
    ),
    "union-text-image": _wanted(_ONLY_P, _FIND, "[of|for|showing] this"),
    "union-text-pair": _wanted(_PAIR, _FIND, "[of|for|showing] this"),
    "union-image-text": _wanted(_ONLY_T, f"[{_FIND}|{_SAY}]", "[of|for|naming] this"),
    "union-image-image": _wanted(_ONLY_P, f"{_FIND} [another|]", f"[of|for|showing] {_SAME}"),
    "union-image-pair": _wanted(_PAIR, f"{_FIND} [another|]", f"[of|for|showing] {_SAME}"),
    "union-question-text": _wanted(_ONLY_T, "[answer|reply|respond] [to the question|] [with|by|using|in]", ""),
    "union-question-image": _wanted(_ONLY_P, "[answer|reply|respond] [to the question|] [with|by|using|in]", ""),
    "union-question-pair": _wanted(_PAIR, "[answer|reply|respond] [to the question|] [with|by|using|in]", ""),
}


def _open_templates() -> dict[str, tuple[str, ...]]:
    found = {
        "position": templates.TRAIN_POSITION,
        "conjunction": templates.TRAIN_CONJUNCTION,
        "category": templates.TRAIN_CATEGORY,
        "cir": templates.TRAIN_CIR_INSTRUCTION,
        "vqa": templates.TRAIN_VQA_INSTRUCTION,
        "i2t": templates.TRAIN_I2T,
        "t2i": templates.TRAIN_T2I,
    }
    families = (
        ("cir-", templates.TRAIN_CIR),
        ("cls-", templates.TRAIN_CLS),
        ("", templates.TRAIN_VQA),
        ("union-", templates.TRAIN_UNION),
    )
    for prefix, family in families:
        found |= {prefix + kind: wordings for kind, wordings in family.items()}
    return found


def _sentences(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _sentences(tuple(value.values()))
    elif isinstance(value, Iterable):
        for one in value:
            yield from _sentences(one)


OPEN: Final = _open_templates()
HELD_OUT: Final = frozenset(
    sentence for name, value in vars(templates).items() if name.startswith("HELD_OUT") for sentence in _sentences(value)
)
_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")


def expand(pattern: str, rng: random.Random) -> str:
    """One sentence of a pattern: innermost alternatives are chosen first, surplus blanks removed."""
    while match := _CHOICE.search(pattern):
        pattern = pattern[: match.start()] + rng.choice(match[1].split("|")) + pattern[match.end() :]
    return " ".join(pattern.split())


def noisy(template: str, rng: random.Random) -> str:
    """Words outside the fields dropped, replaced by meaningless ones, or joined by them: unknown words will come."""
    kept: list[str] = []
    for word in template.split():
        draw = rng.random() if "{" not in word else 1.0
        if draw >= DROP:
            kept.append(_nonsense(rng) if draw < DROP + REPLACE else word)
        if rng.random() < INSERT:
            kept.append(_nonsense(rng))
    return " ".join(kept) or template


def _nonsense(rng: random.Random) -> str:
    return f"x{rng.randrange(10**6)}"


def wording(kind: str, rng: random.Random) -> str:
    """A template of a kind that is not held out."""
    if rng.random() < OPEN_SHARE:
        return rng.choice(OPEN[kind])
    template = expand(rng.choice(GRAMMAR[kind]), rng) if kind in GRAMMAR else rng.choice(OPEN[kind])
    template = noisy(template, rng) if rng.random() < NOISE_SHARE else template
    return template if template not in HELD_OUT else rng.choice(OPEN[kind])


def say(kind: str, rng: random.Random, **fields: str) -> str:
    """A sentence of a kind, its fields filled."""
    return templates.fill(wording(kind, rng), **fields)
