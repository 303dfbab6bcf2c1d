"""Seen, unseen, unknown: by what is declared, never by a guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.publish.sample import card, task

from mbench.core.errors import SpecError
from mbench.data.catalog import Catalog
from mbench.models.catalog import model_card, model_cards
from mbench.publish.contamination import status, verdict
from mbench.publish.datasets import Vocabulary, read_vocabulary, shipped_vocabulary

TASKS = Catalog.read().all_tasks
KNOWN = Vocabulary.model_validate(
    {
        "datasets": [
            {"name": "coco", "aliases": ["ms-coco"], "contains": ["coco-captions"]},
            {"name": "coco-captions"},
            {"name": "everything", "contains": ["coco", "birds"]},
            {"name": "birds"},
            {"name": "visual-genome"},
            {"name": "crawl", "undisclosed": True},
        ],
        "overlaps": [{"sets": ["coco", "visual-genome"], "reason": "half of the pictures are the same"}],
        "bases": [{"name": "eye", "trained": ["birds"]}, {"name": "brain", "undisclosed": True}],
    }
)


def judged(trained: list[str] | None, wanted: list[str], **keys: Any) -> tuple[str, str]:
    found = verdict(card("it", training_datasets=trained, **keys), task("one", datasets=wanted).spec, KNOWN)
    return found.status, found.reason


@pytest.mark.parametrize(
    ("trained", "wanted", "keys", "expected"),
    [
        (["coco"], ["coco"], {}, ("seen", "trained on coco")),
        (["MS-COCO"], ["coco"], {}, ("seen", "trained on coco")),
        (["coco"], ["ms-coco", "birds"], {}, ("seen", "trained on coco")),
        (["everything"], ["coco-captions"], {}, ("seen", "trained on everything, which holds coco-captions")),
        (["visual-genome"], ["coco"], {}, ("seen", "half of the pictures are the same")),
        (["everything"], ["visual-genome"], {}, ("seen", "overlaps with visual-genome")),
        (["coco-captions"], ["coco-captions", "crawl"], {}, ("seen", "trained on coco-captions")),
        (["birds"], ["coco"], {}, ("unseen", "birds")),
        ([], ["coco"], {}, ("unseen", "none")),
        (None, ["coco"], {}, ("unknown", "the card does not tell")),
        (["birds"], [], {}, ("unknown", "the task does not tell")),
        (["birds", "crawl"], ["coco"], {}, ("unknown", "crawl, whose contents are not published")),
        (["birds", "coco-like"], ["coco"], {}, ("unknown", "nothing is declared about the training data 'coco-like'")),
        (["coco-like"], ["COCO-like"], {}, ("seen", "trained on coco-like")),
        (["birds"], ["coco"], {"base_model": "who/eye"}, ("unseen", "birds")),
        ([], ["birds"], {"base_model": "who/eye"}, ("seen", "trained on birds")),
        (["birds"], ["coco"], {"base_model": "who/brain"}, ("unknown", "who/brain are not published")),
        (["birds"], ["coco"], {"base_model": "who/ear"}, ("unknown", "nothing is declared about the base model")),
        (["coco"], ["coco"], {"base_model": "who/brain"}, ("seen", "trained on coco")),
    ],
)
def test_a_model_passes_for_one_that_has_not_seen_the_task(
    trained: list[str] | None, wanted: list[str], keys: dict[str, Any], expected: tuple[str, str]
) -> None:
    found, reason = judged(trained, wanted, **keys)
    assert found == expected[0] and expected[1] in reason


def test_a_part_stands_for_the_whole() -> None:
    """Captions alone are not everything that holds them."""
    assert judged(["coco-captions"], ["everything"])[0] == "unseen"


def test_shipped_cards_and_tasks_name_data_sets_that_nobody_declared() -> None:
    known = shipped_vocabulary()
    named = {name for one in TASKS.values() for name in one.spec.datasets}
    named |= {name for one in model_cards() for name in one.training_datasets or []}
    assert {name for name in named if known.normal(name) != name or known.find(name) is None} == set()
    bases = [one.base_model for one in model_cards() if one.base_model]
    assert bases and all(known.base(name) for name in bases)
    assert all(one.spec.datasets for one in TASKS.values())


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        ("uniir-clip-sf", "cirr", "seen"),
        ("uniir-clip-sf", "flickr30k-t2i", "unknown"),
        ("vlm2vec", "mmeb-ok-vqa", "seen"),
        ("vlm2vec", "mmeb-imagenet-a", "unknown"),
        ("abc", "ctrlbench", "seen"),
        ("searle", "mmeb-imagenet-1k", "seen"),
        ("blip", "circo", "unseen"),
        ("blip", "mmeb-ok-vqa", "seen"),
        ("clip", "coco-t2i", "unknown"),
        ("tiny", "emoji-cir", "seen"),
        ("tiny", "emoji-ctrl", "unseen"),
        ("random", "coco-t2i", "unseen"),
        ("instructcir", "cirr", "unknown"),
        ("uniir-clip-sf", "mmeb-imagenet-1k", "seen"),
        ("uniir-clip-sf", "mmeb-textvqa", "seen"),
        ("vlm2vec", "mmeb-oven", "seen"),
    ],
)
def test_a_known_model_is_misjudged(model: str, name: str, expected: str) -> None:
    assert status(model_card(model), TASKS[name].spec) == expected


@pytest.mark.parametrize(
    ("trained", "name", "expected"),
    [
        ("coco-captions", "mmeb-refcoco", "seen"),
        ("coco-captions", "mmeb-ok-vqa", "seen"),
        ("refcoco", "coco-t2i", "seen"),
        ("gqa", "ctrlbench", "seen"),
        ("gqa", "ctrlbench-vgqa", "seen"),
        ("infoseek", "mmeb-imagenet-1k", "seen"),
        ("infoseek", "mmeb-textvqa", "unseen"),
        ("refcoco", "genecis-change-object", "unseen"),
        ("coco", "circo", "unseen"),
    ],
)
def test_pictures_that_reached_a_task_by_another_data_set_are_overlooked(
    trained: str, name: str, expected: str
) -> None:
    """RefCOCO's pictures are of train2014: COCO's val2017 holds none of them."""
    assert status(card("it", training_datasets=[trained]), TASKS[name].spec) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("datasets: [{name: a}, {name: b, aliases: [A]}]", "'a' stands for more than one"),
        ("datasets: [{name: a, contains: [c]}]", "'c' is not the name of a declared"),
        (
            "datasets: [{name: a, aliases: [b]}]\noverlaps: [{sets: [a, b], reason: they are alike}]",
            "'b' is not the name",
        ),
        ("datasets: [{name: a}]\nbases: [{name: m, trained: [c]}]", "'c' is not the name of a declared"),
        ("datasets: [{name: a, contains: [b]}, {name: b, contains: [a]}]", "contains itself"),
        ("datasets: [{name: a, more: 1}]", "unknown key"),
    ],
)
def test_a_file_that_contradicts_itself_is_read(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "datasets.yaml").write_text(text)
    with pytest.raises(SpecError, match=words) as caught:
        read_vocabulary(tmp_path / "datasets.yaml")
    assert "datasets.yaml" in str(caught.value)
