"""Which tasks' data a site may look into: those whose pictures may be shown, and all others only for private use."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mbench.core.errors import MbenchError
from mbench.core.types import EvalData
from mbench.data.catalog import Catalog, Task
from mbench.data.loading import load


@dataclass(frozen=True, slots=True)
class Openings:
    """The data of tasks, each loaded once.

    Without `private`, only tasks that ship with their data and whose licence lets their pictures be shown are opened.
    With it, every task is whose data lie below `data_root`: such a site is for its builder alone.
    """

    catalog: Catalog
    data_root: Path | None = None
    private: bool = False
    _loaded: dict[str, EvalData | None] = field(default_factory=dict, repr=False, compare=False)

    def data(self, task_id: str) -> EvalData | None:
        """Return the data of a task; None where it may not be shown, or is not there and need not be.

        Raises DataError for data that ship with their task and are damaged.
        """
        if task_id not in self._loaded:
            task = self.catalog.all_tasks.get(task_id)
            self._loaded[task_id] = None if task is None else self._load(task)
        return self._loaded[task_id]

    def _load(self, task: Task) -> EvalData | None:
        if task.spec.pictures_public and task.spec.source.shipped:
            return load(task, self.data_root)
        try:
            return load(task, self.data_root) if self.private else None
        except MbenchError:
            return None
