"""The tokens of OpenAI's CLIP: byte-pair encoding of cleaned, lower-case text (https://github.com/openai/CLIP).

transformers' CLIP tokenizer leaves broken Unicode and HTML entities as they are; the official one repairs them first.
The vocabulary is the official file, which comes with its MIT licence.
"""

from __future__ import annotations

import gzip
import html
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mbench.core.types import Rows

VOCABULARY = Path(__file__).parent / "clip_vocabulary" / "bpe_simple_vocab_16e6.txt.gz"
MERGES = 49152 - 256 - 2
"""How many lines of the file CLIP uses: its vocabulary has 49152 units of bytes and merges, two for begin and end."""
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
MOST_KNOWN = 200_000


class ClipTokenizer:
    """Turns texts into token ids. `length` is the number of positions of the text tower."""

    def __init__(self, length: int) -> None:
        import regex  # type: ignore[import-untyped]

        with gzip.open(VOCABULARY, "rt", encoding="utf-8") as file:
            merges = [tuple(line.split()) for line in file.read().split("\n")[1 : MERGES + 1]]
        letters = _letters()
        units = [*letters.values(), *(letter + WORD_END for letter in letters.values()), *map("".join, merges)]
        self.length = length
        self.ids = {unit: place for place, unit in enumerate([*units, BEGIN, END])}
        self._letters = letters
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}
        self._words: Any = regex.compile(WORDS, regex.IGNORECASE)
        self._known: dict[str, list[int]] = {mark: [self.ids[mark]] for mark in (BEGIN, END)}

    def encode(self, texts: Sequence[str]) -> Rows:
        """Return [n, length]: begin, tokens, end, zeros. What is too long is cut, and its last token is the end."""
        rows = np.zeros((len(texts), self.length), dtype=np.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = [self.ids[BEGIN], *self.tokens(text), self.ids[END]][: self.length]
            ids[-1] = self.ids[END]
            row[: len(ids)] = ids
        return rows

    def tokens(self, text: str) -> list[int]:
        """Return the ids of the text's own tokens."""
        return [one for word in self._words.findall(cleaned(text)) for one in self._of_word(word)]

    def _of_word(self, word: str) -> Iterable[int]:
        if word in self._known:
            return self._known[word]
        found = [self.ids[unit] for unit in self._units("".join(self._letters[byte] for byte in word.encode()))]
        if len(self._known) < MOST_KNOWN:
            self._known[word] = found
        return found

    def _units(self, word: str) -> list[str]:
        units = [*word[:-1], word[-1] + WORD_END]
        while len(units) > 1:
            best = min(pairwise(units), key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            units = _merged(units, best)
        return units


def cleaned(text: str) -> str:
    """Return `text` with its encoding repaired, HTML entities resolved (twice), single blanks and lower case."""
    import ftfy
    import regex

    resolved = html.unescape(html.unescape(ftfy.fix_text(text)))
    return str(regex.sub(r"\s+", " ", resolved.strip())).strip().lower()


def _merged(units: Sequence[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    place = 0
    while place < len(units):
        fits = tuple(units[place : place + 2]) == pair
        merged.append("".join(pair) if fits else units[place])
        place += 2 if fits else 1
    return merged


def _letters() -> dict[int, str]:
    """Return the letter that stands for each byte, printable ones for themselves, in the vocabulary's order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}
