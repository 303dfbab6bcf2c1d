"""What is declared about data sets: spellings, what they are made of, what they share (leaderboard/datasets.yaml)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from pydantic import Field

from mbench.core import resources
from mbench.core.declared import spec_from
from mbench.core.errors import SpecError, listed
from mbench.core.specs import Strict
from mbench.data.yaml import read_yaml


class DataSet(Strict):
    """A data set by the name to be used, its other spellings, and the data sets that it holds, all of them.

    Nobody outside can tell what is in an `undisclosed` one.
    """

    name: str
    aliases: list[str] = Field(default_factory=list)
    contains: list[str] = Field(default_factory=list)
    undisclosed: bool = False


class Overlap(Strict):
    """Data sets that share pictures or texts, and how."""

    sets: list[str] = Field(min_length=2)
    reason: str = Field(min_length=10)


class Base(Strict):
    """What a base model was trained on, by the last part of its name; or that it was not published."""

    name: str
    trained: list[str] = Field(default_factory=list)
    undisclosed: bool = False


class Vocabulary(Strict):
    """The whole file."""

    datasets: list[DataSet]
    overlaps: list[Overlap] = Field(default_factory=list)
    bases: list[Base] = Field(default_factory=list)

    @cached_property
    def _by_name(self) -> dict[str, DataSet]:
        return {spelled.casefold(): one for one in self.datasets for spelled in (one.name, *one.aliases)}

    def find(self, name: str) -> DataSet | None:
        """Return the data set of that name or alias; case does not matter."""
        return self._by_name.get(name.casefold())

    def normal(self, name: str) -> str:
        """Return the name to be used for a data set, or its lower case where it is not declared."""
        found = self.find(name)
        return found.name if found else name.casefold()

    def normals(self, spelled: Sequence[str]) -> list[str]:
        """Return the names to be used, each once, in the order given."""
        return list(dict.fromkeys(self.normal(name) for name in spelled))

    def parts(self, name: str) -> set[str]:
        """Return a data set with all that it is made of, directly or by its parts."""
        found = self.find(name)
        return {self.normal(name)}.union(*(self.parts(part) for part in found.contains)) if found else {name.casefold()}

    def base(self, name: str) -> Base | None:
        """Return what is declared about a base model, by its whole name or the last part of it."""
        return next((one for one in self.bases if one.name in (name, name.rpartition("/")[2])), None)

    def problems(self) -> list[str]:
        """Return what contradicts itself: names that stand twice or are not declared, sets that hold themselves."""
        spelled = [name.casefold() for one in self.datasets for name in (one.name, *one.aliases)]
        found = [
            f"{name!r} stands for more than one data set" for name in sorted(set(spelled)) if spelled.count(name) > 1
        ]
        named = [part for one in self.datasets for part in one.contains]
        named += [name for one in self.overlaps for name in one.sets] + [
            name for one in self.bases for name in one.trained
        ]
        found += [
            f"{name!r} is not the name of a declared data set" for name in dict.fromkeys(named) if not self._is(name)
        ]
        return found or [f"{one.name!r} contains itself" for one in self.datasets if self._circular(one.name, ())]

    def _is(self, name: str) -> bool:
        found = self.find(name)
        return found is not None and found.name == name

    def _circular(self, name: str, above: tuple[str, ...]) -> bool:
        found = self.find(name)
        below = found.contains if found else []
        return name in above or any(self._circular(part, (*above, name)) for part in below)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a file of data sets. Raises SpecError for one that does not follow the schema or contradicts itself."""
    document = read_yaml(path)
    found: Vocabulary = spec_from(Vocabulary, document.value, str(path), document.lines)
    problems = found.problems()
    if problems:
        raise SpecError(f"{path}: {listed(problems)}.")
    return found


@lru_cache(maxsize=1)
def shipped_vocabulary() -> Vocabulary:
    """Return what ships with mbench."""
    return read_vocabulary(resources.folder("leaderboard") / "datasets.yaml")
