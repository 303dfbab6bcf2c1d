"""Numbers for a ranking that mbench did not make itself."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from mbench.core.files import file_sha256
from mbench.core.results import Counts, ModelRef, TaskRef, TaskResult
from mbench.core.specs import ModelCard
from mbench.core.types import MAIN_POOL
from mbench.data.catalog import Task
from mbench.data.checks import is_partial
from mbench.data.loading import load
from mbench.data.predictions import ranked_part, read_predictions
from mbench.run import provenance
from mbench.scoring.diagnostics import diagnose
from mbench.scoring.score import score


def score_predictions(task: Task, path: Path, data_root: Path | None, seed: int = 0) -> TaskResult:
    """Score a TREC run, a server file or a ranking Parquet with the task's judgments.

    A file that ranks one of several pools gets the metrics of that one. The model is named after the file and its
    revision is the file's hash. Raises PredictionError for a file that does not follow its format, lacks queries or
    names unknown ids, DataError when the task's data is missing.
    """
    data = load(task, data_root)
    rankings = read_predictions(path, data)
    spec = ranked_part(task.spec, rankings)
    scores = score(spec, data.judgments, rankings, seed=seed)
    left_out: list[JsonValue] = [key for key in task.spec.keys if key not in spec.keys]
    digest = file_sha256(path)
    card = ModelCard(
        id=path.stem,
        description="A ranking made elsewhere.",
        modalities=["text", "image", "image+text"],
        uses_instructions=True,
        license="unknown",
        revision=digest[:12],
    )
    return TaskResult(
        task=TaskRef(id=spec.id, version=spec.version, protocol=spec.protocol, fingerprint=task.fingerprint),
        model=ModelRef(id=card.id, revision=card.revision, fingerprint=digest[:16], card=card),
        partial=is_partial(task.spec, data),
        metrics=scores.metrics,
        slices=scores.slices,
        counts=Counts(
            queries=len(data.queries), candidates=len(data.corpus), judged=scores.judged, skipped=scores.skipped
        ),
        diagnostics=diagnose(spec, data, rankings[MAIN_POOL]) if MAIN_POOL in rankings else {},
        run={
            "date": provenance.now(),
            "predictions": path.name,
            "seed": seed,
            "left_out": left_out,
            "versions": provenance.versions(),
        },
    )
