"""Declarations: what is accepted, and what the message says about what is not."""

from __future__ import annotations

from typing import Any

import pytest

from mbench.core.declared import spec_from
from mbench.core.errors import SpecError
from mbench.core.specs import GroupSpec, MetricSpec, ModelCard, TaskSpec

TASK: dict[str, Any] = {
    "id": "some-task",
    "version": 1,
    "protocol": "official",
    "description": "A task.",
    "kind": "cir",
    "source": {"loader": "emoji"},
    "query": {"modality": "image+text"},
    "candidates": {"modality": ["image", "text"]},
    "metrics": ["map@5", "recall@5 of target", "recall@1 in subset", "recall@2 of target in subset"],
    "averages": {"avg": ["map@5", "recall_subset@1"]},
    "primary": "map@5",
    "license": "MIT",
    "citation": "Somebody, 2026",
}


def task(**changes: Any) -> TaskSpec:
    spec: TaskSpec = spec_from(TaskSpec, TASK | changes, "some.yaml")
    return spec


def test_metric_keys_name_labels_and_pool() -> None:
    assert task().keys == ["map@5", "recall_target@5", "recall_subset@1", "recall_target_subset@2", "avg"]


def test_one_modality_needs_no_list() -> None:
    assert task().query.modality == ["image+text"]


def test_depth_is_the_deepest_cut() -> None:
    assert task(metrics=["map@5", "map@50"], averages={}).depth == 50


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"primery": "map@5"}, ["some.yaml", "primery", "unknown key", "did you mean 'primary'"]),
        ({"metrics": ["map"]}, ["metrics.0", "'map' is not a metric", "NAME@K"]),
        ({"metrics": ["recal@5"], "primary": "recal@5", "averages": {}}, ["metrics.0.name", "'recall'", "recal"]),
        ({"metrics": ["map@5", "map@5"], "averages": {}}, ["map@5 is listed twice"]),
        ({"metrics": ["map@0"], "averages": {}}, ["metrics.0.k", "greater than or equal to 1"]),
        ({"primary": "map@7"}, ["primary: 'map@7' is none of"]),
        ({"slice_metric": "map@7"}, ["slice_metric: 'map@7'"]),
        ({"averages": {"avg": ["map@9"]}}, ["averages.avg: 'map@9'"]),
        ({"version": "1"}, ["version", "valid integer", "found '1'"]),
        ({"id": "Some Task"}, ["id", "pattern"]),
        ({"kind": "video"}, ["kind", "'cir'", "found 'video'"]),
        ({"query": {"modality": "audio"}}, ["query.modality.0", "'image+text'", "found 'audio'"]),
        ({"source": {"loader": "emoji", "files": [{"path": "a", "sha256": "xyz"}]}}, ["source.files.0.sha256"]),
        ({"reference_scores": [{"model": "m", "metric": "map@5", "value": 10.6, "source": "s"}]}, ["less than or"]),
    ],
)
def test_message_names_file_key_and_expectation(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        task(**changes)
    assert all(word in str(caught.value) for word in ["some.yaml", *words]), str(caught.value)


def test_missing_keys_are_all_named_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        spec_from(TaskSpec, {"id": "x"}, "x.yaml")
    assert "version" in str(caught.value) and "citation" in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_a_file_that_is_no_mapping_is_refused(data: object) -> None:
    with pytest.raises(SpecError, match="expected a mapping"):
        spec_from(GroupSpec, data, "x.yaml")


def test_a_card_without_modality_is_refused() -> None:
    card = {"id": "m", "modalities": [], "uses_instructions": True, "license": "MIT"}
    with pytest.raises(SpecError, match="names no modality"):
        spec_from(ModelCard, card, "card.yaml")


def test_specs_cannot_be_changed_after_construction() -> None:
    with pytest.raises(ValueError, match="frozen"):
        MetricSpec.model_validate("map@5").k = 6  # type: ignore[misc]
