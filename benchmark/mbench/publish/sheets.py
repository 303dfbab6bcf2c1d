"""Scores as other leaderboards hold them: mteb's result folders, metadata of the Hugging Face Hub, MMEB's score sheet.

Only complete results of a task's own protocol leave the house: a sheet has no place to say that a number is less.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mbench.core.errors import UserError, listed
from mbench.core.files import write_json, write_text
from mbench.core.results import GroupResult, TaskResult, safe_name
from mbench.core.specs import ModelCard
from mbench.publish.exported import Exported

LANGUAGES = ["eng-Latn"]
"""All tasks are in English."""


def mteb(exported: Sequence[Exported], folder: Path) -> list[Path]:
    """Write `<org__model>/<revision>/<task>.json` and `model_meta.json`, as mteb's `TaskResult.from_disk` reads them.

    The names of tasks are those of mbench: mteb has tasks of other protocols for the same data.
    """
    written = []
    for one, result in official(exported, "mteb"):
        place = folder / safe_name(result.model.id) / safe_name(result.model.revision)
        write_json(place / f"{one.name}.json", _mteb_result(one, result))
        write_json(place / "model_meta.json", _mteb_model(result.model.card))
        written += [place / f"{one.name}.json", place / "model_meta.json"]
    return list(dict.fromkeys(written))


def hugging_face(exported: Sequence[Exported], folder: Path) -> list[Path]:
    """Write `model-index.yaml`, for the head of a model's README, and `.eval_results/<task>.yaml` where the data are on
    the Hub.
    """
    import yaml

    results = official(exported, "hf")
    entries = [_index_entry(one, result) for one, result in results]
    index = {"model-index": [{"name": _one_model(results).model.id, "results": entries}]}
    texts = {folder / "model-index.yaml": yaml.safe_dump(index, sort_keys=False, allow_unicode=True)}
    for one, result in results:
        if one.task is not None and one.task.spec.source.hub is not None:
            entry = yaml.safe_dump([_eval_result(one, result)], sort_keys=False, allow_unicode=True)
            texts[folder / ".eval_results" / f"{one.name}.yaml"] = entry
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def mmeb(exported: Sequence[Exported], folder: Path) -> list[Path]:
    """Write `<model>.mmeb.json`, the score sheet of MMEB's leaderboard, from the results of MMEB's sets among them.

    Data sets go by their official names; a metric that was not measured has no key. Source: experiments/public of
    https://github.com/TIGER-AI-Lab/VLM2Vec.
    """
    mine = [one for one in exported if one.task is not None and one.task.spec.source.loader == "mmeb"]
    if not mine:
        raise UserError(f"None of {listed(one.name for one in exported)} is a set of MMEB.")
    found = official(mine, "mmeb")
    result = _one_model(found)
    metrics = {_official_name(one): _mmeb_entry(each) for one, each in found}
    path = folder / f"{safe_name(result.model.id)}.mmeb.json"
    write_json(path, {"metadata": _mmeb_model(result), "metrics": {"image": metrics}})
    return [path]


def _official_name(one: Exported) -> str:
    return str(one.task.spec.source.options.get("config", one.name)) if one.task is not None else one.name


def _mmeb_entry(result: TaskResult) -> dict[str, Any]:
    scores: dict[str, Any] = {key: value.value for key, value in result.metrics.items()}
    return scores | {"num_pred": result.counts.queries, "num_data": result.counts.queries}


def _mmeb_model(result: TaskResult) -> dict[str, Any]:
    card = result.model.card
    return {
        "model_name": card.id,
        "model_backbone": card.base_model,
        "model_size": card.parameters,
        "embedding_dimension": card.dimension,
        "max_length_tokens": None,
        "model_release_date": None,
        "data_source": "Self-Reported",
        "url": card.paper,
        "report_generated_date": result.run.get("date"),
    }


def _one_model(found: Sequence[tuple[Exported, TaskResult]]) -> TaskResult:
    names = sorted({result.model.id for _, result in found})
    if len(names) > 1:
        raise UserError(f"The sheet is one model's; these are {listed(names)}.")
    return found[0][1]


def official(exported: Sequence[Exported], name: str) -> list[tuple[Exported, TaskResult]]:
    """Return the results of tasks. Raises UserError for one that is partial, varied or without scores, and for none."""
    found = [(one, one.result) for one in exported if isinstance(one.result, TaskResult)]
    for one, result in found:
        reason = "partial" if result.partial else result.variant or ("" if result.metrics else "without scores")
        if reason:
            raise UserError(f"{one.name}: the result is {reason}; the format {name} has no place to say so.")
    if not found:
        kinds = "results of groups" if any(isinstance(one.result, GroupResult) for one in exported) else "rankings"
        raise UserError(f"{listed(one.name for one in exported)}: only {kinds}; {name} takes results of tasks.")
    return found


def _primary(one: Exported, result: TaskResult) -> str:
    declared = one.task.spec.primary if one.task is not None else ""
    return declared if declared in result.metrics else next(iter(result.metrics))


def _mteb_result(one: Exported, result: TaskResult) -> dict[str, Any]:
    scores = {key.replace("@", "_at_"): value.value for key, value in result.metrics.items()}
    head = {"main_score": result.metrics[_primary(one, result)].value, "hf_subset": "default", "languages": LANGUAGES}
    seconds = result.run.get("seconds")
    return {
        "task_name": one.name,
        "dataset_revision": _revision(one, result),
        "mteb_version": None,
        "scores": {_split(one): [head | scores]},
        "evaluation_time": sum(float(str(part)) for part in seconds.values()) if isinstance(seconds, dict) else None,
        "date": result.run.get("date"),
    }


def _mteb_model(card: ModelCard) -> dict[str, Any]:
    """Return the fields of mteb's ModelMeta; what a card does not tell is null."""
    return {
        "loader": None,
        "name": card.id,
        "revision": card.revision,
        "release_date": None,
        "languages": LANGUAGES,
        "n_parameters": card.parameters,
        "memory_usage_mb": None,
        "max_tokens": None,
        "embed_dim": card.dimension,
        "license": card.license,
        "open_weights": card.open_weights,
        "public_training_code": None,
        "public_training_data": None,
        "framework": [],
        "reference": card.paper,
        "similarity_fn_name": card.similarity,
        "use_instructions": card.uses_instructions,
        "training_datasets": card.training_datasets,
        "adapted_from": card.base_model,
        "modalities": sorted({part for one in card.modalities for part in one.split("+")}),
    }


def _index_entry(one: Exported, result: TaskResult) -> dict[str, Any]:
    spec = one.task.spec if one.task is not None else None
    hub = spec.source.hub if spec is not None else None
    return {
        "task": {"type": spec.kind if spec is not None else "retrieval", "name": one.name},
        "dataset": {
            "type": hub.repo if hub is not None else one.name,
            "name": (spec.title if spec is not None else "") or one.name,
            "split": _split(one),
            "revision": _revision(one, result),
        },
        "metrics": [{"type": key, "name": key, "value": value.value} for key, value in result.metrics.items()],
    }


def _eval_result(one: Exported, result: TaskResult) -> dict[str, Any]:
    hub = one.task.spec.source.hub if one.task is not None else None
    key = _primary(one, result)
    return {
        "dataset": {
            "id": hub.repo if hub is not None else one.name,
            "task_id": one.name,
            "revision": _revision(one, result),
        },
        "value": result.metrics[key].value,
        "date": str(result.run.get("date", ""))[:10],
        "notes": f"{key}, protocol {result.task.protocol}, measured with mbench",
    }


def _split(one: Exported) -> str:
    return one.task.spec.source.split if one.task is not None else "test"


def _revision(one: Exported, result: TaskResult) -> str:
    hub = one.task.spec.source.hub if one.task is not None else None
    return hub.revision if hub is not None else result.task.fingerprint
