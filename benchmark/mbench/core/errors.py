"""Every way in which mbench can fail, by name, with the exit code that the command line returns for it.

A message names the file, key or item, what was expected and what was found, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_DONE = 0
EXIT_CHECK_FAILED = 1
EXIT_USER = 2
EXIT_UNAVAILABLE = 3
EXIT_INTERRUPTED = 130


class MbenchError(Exception):
    """Base of all errors that are meant for the user; printed as one message without a traceback."""

    exit_code: int = EXIT_USER


class UserError(MbenchError):
    """A wrong argument, flag or combination of them."""


class UnknownNameError(UserError):
    """A name that no task, model, metric, format, ... has; the message carries the nearest names."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        near = nearest(name, known)
        guess = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        super().__init__(f"Unknown {kind} {name!r}.{guess}{' ' + hint if hint else ''}")


class SpecError(UserError):
    """A task, group or card file that does not follow its schema."""


class OutputError(UserError):
    """A result, cache or site folder that cannot be written."""


class UnsupportedModalityError(UserError):
    """A model that cannot embed what a task asks for."""


class DataError(MbenchError):
    """Data that is missing, damaged or contradicts itself."""

    exit_code = EXIT_UNAVAILABLE


class DownloadError(DataError):
    """Data that could not be fetched: not found, refused, offline, no space, not what was declared, unsafe."""


class ImageError(DataError):
    """A picture that cannot be opened: absent, damaged, or larger than the limits."""


class PredictionError(UserError):
    """A ranking or server file that does not follow its format or names unknown ids."""


class ModelError(MbenchError):
    """A model that cannot be loaded, or whose adapter raised."""

    exit_code = EXIT_UNAVAILABLE


class CheckpointError(ModelError):
    """Weights that lack tensors, hold unknown ones, or have other shapes than the architecture."""


class MissingDependencyError(ModelError):
    """An optional package that an adapter or format needs and that is not installed."""


class EncodingError(MbenchError):
    """Embeddings that cannot be scored: wrong shape, NaN, infinity, zero norm."""

    exit_code = EXIT_CHECK_FAILED


class CheckFailedError(MbenchError):
    """A verification that ran and found the thing wrong (conformance, submission, comparison)."""

    exit_code = EXIT_CHECK_FAILED


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to `limit` names of `known` that look like `name`, best first; case does not matter."""
    by_lower = {k.lower(): k for k in known}
    return [by_lower[m] for m in difflib.get_close_matches(name.lower(), by_lower, n=limit, cutoff=0.5)]


def listed(names: Iterable[object], limit: int = 5, total: int | None = None) -> str:
    """Join names for a message, `limit` of them, and say how many were left out of all, or of `total`."""
    everything = [str(n) for n in names]
    more = (len(everything) if total is None else total) - limit
    return ", ".join(everything[:limit]) + (f" and {more} more" if more > 0 else "")
