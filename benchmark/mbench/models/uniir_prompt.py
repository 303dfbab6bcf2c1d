"""What UniIR reads of an item (https://github.com/TIGER-AI-Lab/UniIR, `mbeir_dataset.py` and `format_string`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mbench.core.errors import UnsupportedModalityError
from mbench.core.types import Item, Role

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Content:
    """A text and a picture. A text that is empty is absent, as in the official masks; so is a picture that is None."""

    text: str
    picture: Image | None


def content_of(item: Item, role: Role, model: str) -> Content:
    """Return what the model reads of `item`.

    A query's text is its instruction, a blank and its text, each formatted, then formatted together; a query of a
    picture alone thus becomes a picture with the instruction as its text. Candidates never get an instruction.
    Raises UnsupportedModalityError for an item that has neither text nor picture; a blank text is one.
    """
    text = formatted(item.text)
    if role == "query" and item.instruction is not None:
        text = formatted(f"{formatted(item.instruction)} {item.text or ''}")
    if item.image is None and item.text is None and not text:
        raise UnsupportedModalityError(f"Model {model!r}: {role} {item.id!r} has no picture and no text.")
    return Content(text, item.image)


def formatted(text: str | None) -> str:
    """Return `text` as M-BEIR writes it: a capital first and a stop last, without blanks and double quotes around it.

    Quotes are taken off without regard to their partners, and a colon gets a stop, too: this is what the models were
    trained on.
    """
    bare = (text or "").replace("\r", "").strip().strip('"')
    if not bare:
        return ""
    return bare[0].upper() + bare[1:] + ("" if bare[-1] in ".?!" else ".")
