"""Checks of what an adapter makes of unusual texts and pictures, and of items that it cannot embed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, get_args

from mbench.core.errors import MbenchError
from mbench.core.specs import Modality
from mbench.core.types import Item, Role
from mbench.models.conformance_items import (
    BLANK_TEXTS,
    PICTURES,
    TEXTS,
    WORDS,
    drawing,
    of_modality,
    pictured,
    turned,
    worded,
)
from mbench.models.conformance_subject import (
    LEAST_EFFECT,
    Check,
    Finding,
    MisbehaviourError,
    Subject,
    failed,
    noted,
    passed,
    skipped,
)

if TYPE_CHECKING:
    from PIL.Image import Image

NO_PICTURE = "the card lists no modality with a picture"
CLEAR = 100
"""How many times nearer a vector must be to one of two others than these are to each other."""


def strange_text(subject: Subject, name: str) -> Finding:
    """A text that careless code breaks on: a vector, or a refusal that names the item."""
    blank = name in BLANK_TEXTS
    item = worded(subject.card, f"check-{name}", BLANK_TEXTS[name] if blank else TEXTS[name])
    if item is None:
        return skipped("the card lists no modality with a text")
    return _vector_or_refusal(subject, item, "query", may_be_blank=blank)


def empty_instruction(subject: Subject) -> Finding:
    """An instruction of no letters beside an ordinary item."""
    item = replace(of_modality(subject.card.modalities[0], "check-empty-instruction"), instruction="")
    return _vector_or_refusal(subject, item, "query", may_be_blank=False)


def nothing(subject: Subject) -> Finding:
    """An item without text, picture and instruction."""
    return _vector_or_refusal(subject, Item("check-nothing-at-all"), "query", may_be_blank=True)


def strange_picture(subject: Subject, name: str) -> Finding:
    """A picture that careless code breaks on: a vector, or a refusal that names the item."""
    item = pictured(subject.card, f"check-{name}", PICTURES[name]())
    return skipped(NO_PICTURE) if item is None else _vector_or_refusal(subject, item, "candidate", may_be_blank=False)


def left_alone(subject: Subject) -> Finding:
    """An adapter does not change the pictures that it is given: other models and threads hold them, too."""
    pictures = [drawing(7, 330, 90), turned(drawing(8)), *(make() for make in PICTURES.values())]
    for place, picture in enumerate(pictures):
        item = pictured(subject.card, f"check-picture-{place}", picture)
        if item is None:
            return skipped(NO_PICTURE)
        before = _state(picture)
        # What an adapter cannot embed is told by the checks above; it may still have changed it.
        with suppress(MbenchError, MisbehaviourError, MemoryError):
            subject.returned([item], "candidate")
        after = _state(picture)
        if after != before:
            size = "{} x {}".format(*before.size)
            return failed(f"changed {_difference(before, after)} of a picture of {size} in {before.mode}")
    return passed(f"{len(pictures)} pictures as they were")


def exif(subject: Subject) -> Finding:
    """Whether a picture is turned as its EXIF flag says: as the card tells."""
    from PIL.ImageOps import exif_transpose

    stored = drawing(9)
    flagged = turned(stored)
    items = [pictured(subject.card, "turned", one) for one in (flagged, stored, exif_transpose(flagged))]
    if items[0] is None:
        return skipped(NO_PICTURE)
    found, plain, upright = (subject.alone(item, "candidate") for item in items if item is not None)
    apart = subject.gap(plain, upright)
    if apart <= LEAST_EFFECT:
        return skipped("the model does not tell a picture from the same one turned")
    gaps = {"ignored": subject.gap(found, plain), "applied": subject.gap(found, upright)}
    done = min(gaps, key=gaps.__getitem__)
    if gaps[done] * CLEAR > apart:
        return failed("a flagged picture is embedded neither as it is stored nor as it is turned", gap=gaps[done])
    declared = subject.card.exif_orientation
    return passed(done) if done == declared else failed(f"{done}; the card says exif_orientation: {declared}")


def unsupported(subject: Subject) -> Finding:
    """An item of a modality that the card does not list is refused by name; a number would be scored."""
    lacking = [one for one in get_args(Modality) if one not in subject.card.modalities]
    if not lacking:
        return skipped("the card lists every modality")
    for modality in lacking:
        item = of_modality(modality, f"check-unsupported-{modality}", text=WORDS[0])
        try:
            subject.alone(item)
        except MbenchError as error:
            if item.id not in str(error):
                return failed(f"{modality}: refused without the item's id: {error}")
            continue
        return failed(
            f"{modality}: returned a vector, though the card does not list it; raise UnsupportedModalityError"
        )
    return passed(f"{', '.join(lacking)}: refused by name")


@dataclass(frozen=True, slots=True)
class PictureState:
    """All that an adapter could change of a picture."""

    size: tuple[int, int]
    mode: str
    pixels: bytes
    info: str


def _state(picture: Image) -> PictureState:
    return PictureState(picture.size, picture.mode, picture.tobytes(), repr(sorted(picture.info.items())))


def _difference(before: PictureState, after: PictureState) -> str:
    for name in PictureState.__slots__:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            return f"the {name}" + (f" (to {new})" if name in ("size", "mode") else "")
    return "nothing"


def _vector_or_refusal(subject: Subject, item: Item, role: Role, *, may_be_blank: bool) -> Finding:
    try:
        vector = subject.alone(item, role)
    except MemoryError:
        return skipped("memory ran out with this item on this machine")
    except MbenchError as error:
        if item.id not in str(error):
            return failed(f"refused without the item's id: {error}")
        return passed(f"refused by name: {error}")
    if vector.any() or subject.card.similarity == "dot":
        return passed()
    if may_be_blank:
        return noted("a zero vector: a run that meets such an item stops with an EncodingError that names it")
    return failed("a zero vector, which has no direction")


CHECKS = (
    *(Check("texts", name, partial(strange_text, name=name)) for name in (*BLANK_TEXTS, *TEXTS)),
    Check("texts", "an empty instruction", empty_instruction),
    Check("texts", "nothing at all", nothing),
    *(Check("pictures", name, partial(strange_picture, name=name)) for name in PICTURES),
    Check("pictures", "EXIF orientation", exif),
    Check("pictures", "left as they are", left_alone),
    Check("modalities", "unsupported ones", unsupported),
)
