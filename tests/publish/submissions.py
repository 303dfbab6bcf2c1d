"""Good submissions that tests make others of: `tiny` on two tasks, and `random` on the whole suite with its mean."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mbench.core.results import safe_name
from mbench.core.types import LoadOptions
from mbench.data.catalog import Catalog
from mbench.publish.submission import Judge, Others, Report
from mbench.publish.submission.packing import pack
from mbench.run.settings import RunSettings
from mbench.run.suite import Outcome, run

MODELS = {"tiny": ["emoji-vqa", "emoji-union"], "random": ["emoji"]}


class Silent:
    """Tells nothing."""

    def begin(self, model: str, task: str) -> None:
        """Nothing."""

    def start(self, phase: str, total: int) -> None:
        """Nothing."""

    def advance(self, items: int) -> None:
        """Nothing."""

    def end(self, outcome: Outcome) -> None:
        """Nothing but a failure."""
        if outcome.error is not None:
            raise outcome.error

    def note(self, message: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Good:
    """Where the good submissions and the results behind them are, a judge that keeps the tasks' data, and what lies
    beside each submission, read once.
    """

    submissions: Path
    results: Path
    judge: Judge
    others: Mapping[str, Others]

    def check(self, folder: Path) -> Report:
        """Check a copy against the other model's submission, which was read before."""
        return self.judge.check(folder, self.others["random" if folder.name == "random" else "tiny"])

    def copy(self, place: Path, *models: str) -> Path:
        """Copy the submissions below `place`, those of `models` so that they may be changed; return the first's."""
        for model in MODELS:
            target = place / "submissions" / safe_name(model)
            copy = shutil.copyfile if model in models else os.link
            shutil.copytree(self.submissions / safe_name(model), target, copy_function=copy)
        return place / "submissions" / safe_name(models[0])


def make(place: Path) -> None:
    """Run the models and pack their results below `place`."""
    catalog = Catalog.read()
    settings = RunSettings(output=place / "results", offline=True)
    for model, names in MODELS.items():
        run([model], catalog.tasks(names), catalog.groups_of(names), catalog, LoadOptions(), settings, Silent())
        pack(model, place / "results", place / "submissions", catalog)
    (place / "done").touch()
