"""The tokens of BLIP's text encoder: lower-case WordPiece over BERT's vocabulary, and BLIP's two marks.

Follows the tokenizer of Google's BERT (https://github.com/google-research/bert) as transformers 4 has it in Python,
which UniIR uses. The one in Rust, all that transformers 5 has, drops characters that are younger than its own tables.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mbench.core.errors import CheckpointError, listed
from mbench.core.types import Rows

PAD, UNKNOWN, BEGIN, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
BLIP_MARKS = ("[DEC]", "[ENC]")
"""Appended to BERT's vocabulary; UniIR puts neither into its texts."""
LONGEST_WORD = 100
CJK = re.compile(
    "([\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff"
    "\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f])"
)
ASCII_SIGNS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids [n, t] of texts, padded to the longest of them, and [n, t] which of them are not padding."""

    ids: Rows
    present: np.typing.NDArray[np.bool_]


class WordPiece:
    """Turns texts into token ids. `length` is the most that a text may have, begin and end included."""

    def __init__(self, vocabulary: Path, length: int) -> None:
        try:
            lines = vocabulary.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{vocabulary}: no vocabulary that can be read: {error}") from None
        words = lines[:-1] if lines[-1] == "" else lines
        self.ids = {word: place for place, word in enumerate(words)}
        missing = [mark for mark in (PAD, UNKNOWN, BEGIN, END) if mark not in self.ids]
        if missing:
            raise CheckpointError(f"{vocabulary}: no vocabulary of BERT; it lacks {listed(missing)}.")
        for mark in BLIP_MARKS:
            self.ids.setdefault(mark, len(self.ids))
        self.length = length
        marks = [re.escape(mark) for mark in (PAD, UNKNOWN, BEGIN, END, MASK, *BLIP_MARKS)]
        self._marks = re.compile(f"({'|'.join(marks)})")

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of `texts`; what is too long is cut before its end mark."""
        rows = [[self.ids[BEGIN], *self.tokens(text)[: self.length - 2], self.ids[END]] for text in texts]
        ids = np.full((len(rows), max(map(len, rows))), self.ids[PAD], dtype=np.int64)
        for line, row in zip(ids, rows, strict=True):
            line[: len(row)] = row
        lengths = np.array([len(row) for row in rows])
        return Tokens(ids, np.arange(ids.shape[1]) < lengths[:, None])

    def tokens(self, text: str) -> list[int]:
        """Return the ids of the text's own tokens. A mark that is written out in the text is that mark."""
        found: list[int] = []
        for place, part in enumerate(self._marks.split(text)):
            if place % 2:
                found.append(self.ids.get(part, self.ids[UNKNOWN]))
            else:
                found += [one for word in words_of(part) for one in self._pieces(word)]
        return found

    def _pieces(self, word: str) -> list[int]:
        """Return the longest pieces that the vocabulary has, from left to right; one unknown where they do not fit."""
        pieces: list[int] = []
        start = 0
        while start < len(word) <= LONGEST_WORD:
            prefix = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if prefix + word[start:end] in self.ids), None)
            if end is None:
                return [self.ids[UNKNOWN]]
            pieces.append(self.ids[prefix + word[start:end]])
            start = end
        return pieces or [self.ids[UNKNOWN]]


def words_of(text: str) -> Iterator[str]:
    """Yield words and single signs, in lower case and without accents. Each Chinese character is a word."""
    # Letter by letter: a sigma at the end of a word has no lower case of its own here.
    lower = "".join(letter.lower() for letter in text)
    clean = "".join(" " if _is_blank(letter) else letter for letter in lower if not _is_dropped(letter))
    for word in unicodedata.normalize("NFC", CJK.sub(r" \1 ", clean)).split():
        bare = "".join(one for one in unicodedata.normalize("NFD", word.lower()) if unicodedata.category(one) != "Mn")
        yield from "".join(f" {one} " if _is_sign(one) else one for one in bare).split()


def _is_blank(letter: str) -> bool:
    return letter in " \t\n\r" or unicodedata.category(letter) == "Zs"


def _is_dropped(letter: str) -> bool:
    if letter in "\t\n\r":
        return False
    return letter in "\0\ufffd" or unicodedata.category(letter).startswith("C")


def _is_sign(letter: str) -> bool:
    return letter in ASCII_SIGNS or unicodedata.category(letter).startswith("P")
