"""One lazy registry for everything that is chosen by name: models, loaders, engines."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from mbench.core.declared import cause
from mbench.core.errors import MissingDependencyError, ModelError, UnknownNameError, UserError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names and where they are defined ("package.module:attribute"); a module is imported when its name is asked for.

    `group` names the entry points by which other distributions add names; a name that is already taken is refused.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str], group: str | None = None) -> None:
        self.kind = kind
        self._targets = dict(builtin)
        self._group = group
        self._plugins: dict[str, EntryPoint] | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._all()))

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def get(self, name: str) -> T:
        """Import and return what `name` stands for.

        Raises UnknownNameError with the nearest names, MissingDependencyError when a package is not installed, and
        ModelError with the cause when the module is broken.
        """
        if name not in self._all():
            raise UnknownNameError(self.kind, name, self._all(), f"`mbench {self.kind}s` lists all.")
        target = self._targets.get(name)
        try:
            if target is None:
                return cast(T, self._entry_points()[name].load())
            module, _, attribute = target.partition(":")
            return cast(T, getattr(importlib.import_module(module), attribute))
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"{self.kind} {name!r} needs the Python package {error.name!r}: pip install {error.name}"
            ) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise ModelError(f"{self.kind} {name!r} cannot be imported: {cause(error)}") from error

    def _all(self) -> list[str]:
        return [*self._targets, *self._entry_points()]

    def _entry_points(self) -> dict[str, EntryPoint]:
        if self._plugins is None:
            found: dict[str, EntryPoint] = {}
            for point in entry_points(group=self._group) if self._group else ():
                if point.name in self._targets or point.name in found:
                    raise UserError(
                        f"The entry point {point.value!r} wants the name {point.name!r}, which another {self.kind} "
                        "has; uninstall one of the two packages."
                    )
                found[point.name] = point
            self._plugins = found
        return self._plugins
