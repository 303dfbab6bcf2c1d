"""What the site shows of a submission in which something is wrong: its sound results, or nothing.

A file that was cut off on its way says nothing about the others. A number that does not come out again, a link or
markup in a name does: whoever changed one file may have changed more than a check can find. So the rule names the few
ways in which a file can be broken by accident; everything else keeps the whole submission off the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from mbench.publish.submission.folder import RESULTS
from mbench.publish.submission.notes import MOST
from mbench.publish.submission.records import Finding, Report, Submitted

BY_ACCIDENT = frozenset({"json", "result-schema", "unreadable", "empty-file", "parquet-unreadable", "evidence-missing"})
"""A result or its evidence cannot be read, follows another schema, or is not there: that result alone is left out."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """The results of a submission that may be shown, and the errors that keep the others, or all, off the site."""

    results: tuple[Submitted, ...]
    problems: tuple[Finding, ...]


def trusted(report: Report) -> Trusted:
    """Return what of a submission may be shown: all of a good one; where files are broken by accident, the rest.

    Nothing where anything may have been changed on purpose, where the card is not sound, or where there are more
    findings than a report keeps.
    """
    broken = tuple(one for one in report.problems if _by_accident(one))
    others = [one for one in report.problems if one not in broken and not _follows(one, broken)]
    if others or report.card is None or len(report.findings) >= MOST:
        return Trusted((), report.problems)
    refused = {one.place for one in report.tasks if one.status == "refused"}
    return Trusted(tuple(one for one in report.results if one.place not in refused), broken)


def _by_accident(one: Finding) -> bool:
    return one.code in BY_ACCIDENT and one.file.startswith(f"{RESULTS}/")


def _follows(one: Finding, broken: Sequence[Finding]) -> bool:
    """Tell whether an error is there only because of a broken file.

    What lies beside a result that cannot be read seems to belong to none; the means of a group that it is part of
    cannot be compared, and are shown nowhere; it may be all that the newest revision had.
    """
    folder, task = _place(one.file)
    beside = {name for where, name in (_place(other.file) for other in broken) if where == folder}
    excused = {"stray-file": task in beside, "group-differs": bool(beside), "revision-differs": bool(broken)}
    return excused.get(one.code, False)


def _place(file: str) -> tuple[str, str]:
    """Return the folder of a file, and the task in its name."""
    path = PurePosixPath(file)
    return str(path.parent), path.name.partition(".")[0]
