"""Names that look alike: two names with one skeleton cannot be told apart at a glance.

The skeleton of a name is what is left when compatibility forms (NFKC), case, accents, separators and look-alike letters
are levelled. The tables hold the Greek and Cyrillic letters that look like Latin ones, and the Latin letters, digits
and pairs that look like others. Source of the method: Unicode Technical Standard 39, section 4 (confusable detection);
its full table has thousands of entries, most of them for scripts in which nobody names a model.
"""

from __future__ import annotations

import re
import unicodedata


def _table(pairs: str) -> dict[str, str]:
    """Read "Аa Вb": each letter and what it looks like."""
    return {pair[0]: pair[1] for pair in pairs.split()}


CAPITALS = _table("Αa Βb Εe Ζz Ηh Ιi Κk Μm Νn Οo Ρp Τt Υy Χx")
"""Greek capitals look otherwise than their small letters: Ν like N, but ν like v."""
GREEK = _table("αa βb γy εe ζz ηn ιi κk μu νv οo ρp σo ςc τt υu χx ωw ϲc ϳj")
CYRILLIC = _table("аa вb гr еe зz иu іi јj кk мm нh оo пn рp сc тt уy хx ьb ѕs һh ԁd ԛq ԝw ѵv ӏl ґr")
LATIN = _table("ıi ɪi ɩi łl ʟl øo đd ðd ħh ɑa ɡg ƒf ŋn")
LEVELLED = _table("il 1l 0o 5s")
PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
SEPARATOR = re.compile(r"(?<![0-9])[\W_]+|[\W_]+(?![0-9])")
"""Between two digits a separator tells versions apart: 1.5 is not 15."""

_LETTERS = GREEK | CYRILLIC | LATIN


def skeleton(name: str) -> str:
    """Return what `name` looks like; names with equal skeletons are refused beside each other."""
    capitals = "".join(CAPITALS.get(c, c) for c in unicodedata.normalize("NFKC", name))
    bare = (c for c in unicodedata.normalize("NFKD", capitals.casefold()) if not unicodedata.combining(c))
    latin = SEPARATOR.sub("", "".join(_LETTERS.get(c, c) for c in bare))
    levelled = "".join(LEVELLED.get(c, c) for c in latin)
    for pair, single in PAIRS:
        levelled = levelled.replace(pair, single)
    return levelled
