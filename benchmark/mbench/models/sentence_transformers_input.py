"""What enters a model of sentence-transformers at once, and what an instruction becomes there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

INSTRUCT = re.compile(r"(Instruct(?:ion)?: ?).*?(\s*\n\s*Query: ?)", re.DOTALL)
"""A prompt with an instruction in it (E5, Qwen3-Embedding, ...); the two groups frame the instruction."""


@dataclass(frozen=True, slots=True)
class Words:
    """A text and what comes before it; the model's own prompt where that is None."""

    text: str
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """What enters the model at once: a picture, words, or both."""

    image: Image | None
    words: Words | None

    @property
    def kind(self) -> Kind:
        """What inputs of one call have in common."""
        return Kind(self.image is None, self.words is None, self.words.prompt if self.words else None)


@dataclass(frozen=True, slots=True)
class Kind:
    """What inputs of one call have in common: a call has one modality and one prompt."""

    blind: bool
    mute: bool
    prompt: str | None


def instructed(own: str, instruction: str, chats: bool, template: str | None) -> str:
    """Return the prompt with an instruction in it, where `own` is the model's prompt for queries.

    As `template` says (`--model-args prompt=`); else the instruction alone for a model of chats, whose prompt is its
    system message; else in the place of the instruction that the own prompt has; else behind the own prompt.
    """
    if template is not None:
        return template.replace("\\n", "\n").replace("{prompt}", own).replace("{instruction}", instruction)
    if chats:
        return instruction
    framed = INSTRUCT.fullmatch(own)
    return f"{framed[1]}{instruction}{framed[2]}" if framed else f"{own}{instruction} "


def media_places(processor: object) -> tuple[str, ...]:
    """Return the signs that stand for pictures and other media in the texts of a model of chats."""
    found = [getattr(processor, f"{kind}_token", None) for kind in ("image", "video", "audio", "boi", "eoi")]
    return tuple(one for one in found if isinstance(one, str) and len(one) > 1)


def without_places(text: str, places: Iterable[str]) -> str:
    """Return a text in which those signs are nothing but letters: the library would look for a picture to each."""
    for place in places:
        text = text.replace(place, f"{place[0]} {place[1:]}")
    return text
