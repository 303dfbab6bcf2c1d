"""The command that makes a model's results again, as a reader can paste it into a shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from mbench.core.results import TaskResult
from mbench.core.specs import ModelCard
from mbench.data.catalog import Catalog

UNVERSIONED = ModelCard.model_fields["revision"].default


def run_command(results: Sequence[TaskResult], catalog: Catalog) -> str:
    """Return `mbench run` for the model and the tasks of `results`, which are of one revision, newest first.

    Groups stand for their tasks. The options are those of the newest run that can change a score.
    """
    newest = results[0]
    parts = ["mbench", "run", "-m", newest.model.id, "-t", ",".join(_tasks([one.task.id for one in results], catalog))]
    card = newest.model.card
    if card.checkpoint and newest.model.revision != UNVERSIONED:
        parts += ["--model-revision", newest.model.revision]
    arguments = _arguments(newest.run.get("model_args"))
    parts += ["--model-args", arguments] if arguments else []
    seed = newest.run.get("seed")
    parts += ["--seed", str(seed)] if isinstance(seed, int) and not isinstance(seed, bool) and seed else []
    return shlex.join(parts)


def _arguments(given: JsonValue) -> str:
    if not isinstance(given, dict):
        return ""
    return ",".join(f"{key}={value}" for key, value in sorted(given.items()) if isinstance(value, str))


def _tasks(ids: Sequence[str], catalog: Catalog) -> list[str]:
    """Return the ids in which each group that is there as a whole stands for its tasks, the largest groups first."""
    left, named = dict.fromkeys(ids), []
    for group, members in sorted(_groups(catalog).items(), key=lambda one: (-len(one[1]), one[0])):
        if members and all(member in left for member in members):
            named.append(group)
            for member in members:
                del left[member]
    return [*named, *left]


def _groups(catalog: Catalog) -> Mapping[str, list[str]]:
    return {name: [task.id for task in catalog.tasks([name])] for name in catalog.all_groups}
