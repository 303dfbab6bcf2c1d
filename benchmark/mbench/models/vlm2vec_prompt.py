"""What VLM2Vec reads of an item: the strings of MMEB, byte by byte, and their like for other tasks.

Source: `process_input_text` and the demos of https://github.com/TIGER-AI-Lab/VLM2Vec.
"""

from __future__ import annotations

from mbench.core.types import Item

MMEB_MARKER = "<|image_1|>"
"""Where the picture stands in the strings of MMEB; the official code puts the model's own marker there."""
PICTURE_ALONE = "Represent the given image."
"""The official words for a picture without others."""
NOTHING = "  "
"""The official code reads two spaces where an item is empty; of an empty string there would be no last token."""


def prompt_of(item: Item, marker: str) -> str | None:
    """Return the prompt with the model's `marker` where the picture stands; None for neither picture nor words.

    Instruction and text are joined, and the marker is put before them: with a space between, unless there is white
    space already, as there is in MMEB, whose strings are so restored. Words that bring the marker themselves keep it
    in its place. Empty words are no words.
    """
    words = joined(item.instruction or "", item.text or "")
    if item.image is None:
        return None if item.instruction is None and item.text is None else words or NOTHING
    words = (words or PICTURE_ALONE).replace(MMEB_MARKER, marker)
    return words if marker in words else joined(marker, words)


def joined(first: str, second: str) -> str:
    """Return both, with a space between them if neither is empty nor brings white space there."""
    touch = first[-1:] + second[:1]
    return f"{first} {second}" if len(touch) == 2 and not any(one.isspace() for one in touch) else first + second
