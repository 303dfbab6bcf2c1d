"""What is there already: a result that would come out the same is kept, and none is replaced by another unasked."""

from __future__ import annotations

from pathlib import Path

from mbench.core.errors import MbenchError, UserError
from mbench.core.files import read_json
from mbench.core.results import RANKINGS, SCORES, ModelRef, TaskResult, read_result
from mbench.data.catalog import Task
from mbench.data.loading import unpinned
from mbench.run.extras import holds
from mbench.run.model import Loaded
from mbench.run.provenance import model_ref, shares_cache
from mbench.run.settings import RunSettings


def existing(path: Path, model: Loaded, task: Task, settings: RunSettings) -> TaskResult | None:
    """Return the result at `path` if its scores are what would be computed now: task, data, model and settings agree.

    A model that does not say what its embeddings depend on (`identity`) is evaluated again. Raises UserError rather
    than replace a complete official result of the same task by another one.
    """
    there = None if settings.overwrite else _read(path)
    if there is None or there.task.fingerprint != task.fingerprint:
        return None
    ref = model_ref(model.encoder, model.options)
    differs = _differences(there, ref, settings)
    same_data = there.run.get("data") == unpinned(task, settings.data_root) and _whole_pool(there, task)
    if not differs:
        return there if same_data and shares_cache(model.encoder) else None
    if not there.partial and not there.variant and same_data:
        raise UserError(
            f"{path} holds a complete official result of {', '.join(differs)}; this run would replace it. "
            "Choose another --output, or say --overwrite."
        )
    return None


def is_finished(path: Path, there: TaskResult, settings: RunSettings) -> bool:
    """Tell whether nothing is left to do: the evidence is there, and all that is asked for beside the scores."""
    return _has_evidence(path) and holds(there, settings.extras)


def drop_stale_groups(folder: Path, task: str) -> None:
    """Remove the means that hold an earlier result of `task`: they are written again when their group is run."""
    for path in folder.glob("*.json"):
        try:
            value = read_json(path)
        except MbenchError:
            continue
        if isinstance(value, dict) and "group" in value and task in value.get("tasks", ()):
            path.unlink(missing_ok=True)


def _read(path: Path) -> TaskResult | None:
    if not path.is_file():
        return None
    try:
        there = read_result(path)
    except MbenchError:
        return None
    return there if isinstance(there, TaskResult) else None


def _differences(there: TaskResult, ref: ModelRef, settings: RunSettings) -> list[str]:
    """Say in what the result at hand differs from the one that is asked for."""
    found = []
    if there.model.fingerprint != ref.fingerprint:
        found.append("another model fingerprint (arguments, dtype or weights)")
    if there.run.get("seed") != settings.seed:
        found.append(f"seed {there.run.get('seed')}")
    if there.run.get("limit") != settings.limit:
        found.append("all queries" if there.run.get("limit") is None else f"{there.run.get('limit')} queries")
    if there.variant != settings.variant:
        found.append(there.variant or "the task's own instructions")
    return found


def _has_evidence(path: Path) -> bool:
    return all(path.with_name(path.stem + ending).is_file() for ending in (RANKINGS, SCORES))


def _whole_pool(there: TaskResult, task: Task) -> bool:
    sizes = task.spec.sizes
    return sizes is None or there.counts.candidates == sizes.candidates
