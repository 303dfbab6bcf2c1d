"""The records that every task is made of, and the choice between seen and unseen wordings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from tools.emoji.catalog import Emoji
from tools.emoji.templates import fill

UNSEEN_SHARE = 0.25


@dataclass(frozen=True)
class Candidate:
    """One thing that can be retrieved: a text, a picture (its tiles), or both."""

    id: str
    text: str | None = None
    tiles: tuple[str, ...] | None = None

    @property
    def modality(self) -> str:
        """`text`, `image` or `image,text`."""
        return ",".join(name for name, part in (("image", self.tiles), ("text", self.text)) if part is not None)


@dataclass(frozen=True)
class Query:
    """One question with all its right answers; the fields are described in tasks/emoji/data/README.md."""

    id: str
    relevant: tuple[str, ...]
    target: tuple[str, ...]
    text: str | None = None
    instruction: str | None = None
    tiles: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    gallery: tuple[str, ...] | None = None
    subset: tuple[str, ...] | None = None
    group: str | None = None
    paraphrases: tuple[str, ...] = ()
    opposite: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A task's questions and what they choose from."""

    id: str
    queries: tuple[Query, ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Wording:
    """A chosen template and the other ways to say it that no training sees."""

    template: str
    seen: bool
    others: tuple[str, ...]

    @property
    def tag(self) -> str:
        """Value of the slice `wording`."""
        return "seen" if self.seen else "unseen"

    def say(self, **fields: str) -> str:
        """The question in this wording."""
        return fill(self.template, **fields)

    def paraphrases(self, **fields: str) -> tuple[str, ...]:
        """The same question in the other unseen wordings."""
        return tuple(fill(other, **fields) for other in self.others)


def choose_wording(random: Random, seen: Sequence[str], unseen: Sequence[str]) -> Wording:
    """A wording, unseen in UNSEEN_SHARE of the draws."""
    is_seen = random.random() >= UNSEEN_SHARE
    template = random.choice(seen if is_seen else unseen)
    return Wording(template, is_seen, tuple(other for other in unseen if other != template))


def picture(row: Emoji, style: str = "noto") -> str:
    """Picture id of an emoji in a style."""
    return f"{style}:{row.hex}"


def label_candidate(row: Emoji) -> Candidate:
    """The label of a concept as a text candidate."""
    return Candidate(row.hex, text=row.label)


def unique(values: Iterable[str]) -> tuple[str, ...]:
    """Values without repetition, in their first order."""
    return tuple(dict.fromkeys(values))
