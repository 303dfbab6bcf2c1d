"""The texts of MMEB, which hold the marker of a picture, an instruction and the text proper in one string.

`<|image_1|>\\nRepresent the given image with the following question: What is it?\\n` becomes the instruction
`\\nRepresent the given image with the following question: ` and the text `What is it?\\n`. No character is lost: the
string of the file is the marker (where there is a picture), the instruction and the text, one after the other. An
adapter that wants the official bytes puts its own image token in the marker's place and joins the three; white space
that the file has between them stays at the ends of the instruction. Any other adapter strips both and uses them, or
drops the instruction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mbench.core.errors import DataError, listed

MARKER = "<|image_1|>"
"""Where the picture stands: always first, if at all. The token of Phi-3.5-vision, for which the data were made."""

WORD = re.compile(r"\w")
CLOSING = re.compile(r"(?!\w)[.:]?\s*")
"""What may follow an instruction and belongs to it; no letter, which would make another word of its last one."""
SHOWN = 80

Unlisted = Literal["refuse", "keep"]


@dataclass(frozen=True, slots=True)
class Words:
    """What a string of the file says: each None where there is nothing of it."""

    instruction: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Reader:
    """How the strings of one side (queries or targets) are read.

    instructions: what they may begin with, with or without the full stop or colon behind it; none for bare texts.
    bare: whether a string that is nothing but an instruction has no text, rather than an empty one.
    unlisted: what becomes of a string that begins with none of them: an error, or a text without instruction.
    """

    instructions: Sequence[str]
    bare: bool
    unlisted: Unlisted = "refuse"

    def read(self, string: str, pictured: bool, where: str) -> Words:
        """Take a string apart; `pictured` says whether a picture belongs to it, `where` stands in messages.

        A marker without a picture is dropped with the white space behind it: some strings of WebQA and EDIS have one.
        Raises DataError for a marker in another place and, with `refuse`, for an instruction that is not listed.
        """
        body = _unmarked(string, pictured, where)
        if not self.instructions or not body.strip():
            return Words(None, body if body.strip() else None)
        end = self._end(body)
        if end is None:
            if self.unlisted == "keep":
                return Words(None, body)
            raise DataError(
                f"{where} begins with {body.strip()[:SHOWN]!r}, but the task declares "
                f"{listed(map(repr, self.instructions))} as instruction. Is it another version of the data? "
                "`unlisted: keep` in source.options of a task of your own takes such texts as they are."
            )
        if self.bare and not WORD.search(body, end):
            return Words(body, None)
        return Words(body[:end], body[end:])

    def _end(self, body: str) -> int | None:
        """Return where the text proper begins; None when no instruction stands first."""
        begin = len(body) - len(body.lstrip())
        for one in sorted(self.instructions, key=len, reverse=True):
            closing = CLOSING.match(body, begin + len(one))
            if body.startswith(one, begin) and closing:
                return closing.end()
        return None


def _unmarked(string: str, pictured: bool, where: str) -> str:
    body = string.removeprefix(MARKER)
    if MARKER in body:
        raise DataError(f"{where}: {MARKER} must stand first and once; found {string[:SHOWN]!r}.")
    return body if pictured or body == string else body.lstrip()
