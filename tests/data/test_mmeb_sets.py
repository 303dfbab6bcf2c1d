"""The 36 declared sets of MMEB: their instructions, as public copies of the data have them, and the published means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.data.mmeb_files import CROP, MEMES, QUESTION, catalog, loaded

from mbench.core.results import Counts, ModelRef, TaskRef, TaskResult, Value
from mbench.core.specs import ModelCard
from mbench.scoring.aggregate import aggregate

IMAGE = "<|image_1|>\nRepresent the given image.\n"
SCENE, CLASS = "Identify the scene shown in the image\n", "Represent the given image for classification\n"
OBJECT, POINT = "Identify the object shown in the image\n", "Select the portion of the image that "
WIKIPEDIA = "<|image_1|>\nRepresent the given Wikipedia image with related text information: a lake\n"
PAIRS = "Retrieve a Wikipedia image-description pair that provides evidence for the question of this image: Where?\n"
QUESTIONS = ["ok-vqa", "a-okvqa", "docvqa", "infographicsvqa", "chartqa", "visual7w"]
QUESTIONS += ["scienceqa", "vizwiz", "gqa", "textvqa"]
SETS: Mapping[str, tuple[str, str]] = {
    "imagenet-1k": (f"<|image_1|>\n{CLASS}", "coucal"),
    "n24news": (
        "<|image_1|>\nRepresent the given news image with the following caption for domain classification: Rome\n",
        "Travel",
    ),
    "hatefulmemes": (MEMES, "Yes"),
    "voc2007": (f"<|image_1|>\n{OBJECT}", "chair"),
    "sun397": (f"<|image_1|>\n{SCENE}", "attic"),
    "place365": (f"<|image_1|>\n{SCENE}", "berth"),
    "imagenet-a": (f"<|image_1|>\n{CLASS}", "bee"),
    "imagenet-r": (f"<|image_1|>\n{CLASS}", "flute"),
    "objectnet": (f"<|image_1|>\n{OBJECT}", "tray"),
    "country211": ("<|image_1|>\nIdentify the country depicted in the image\n", "Fiji"),
    **dict.fromkeys(QUESTIONS, (f"{QUESTION}Which?\n", "this one")),
    "visdial": (
        "Represent the given dialogue about an image, which is used for image retrieval: Q:is it\nA:yes\n",
        IMAGE,
    ),
    "cirr": (
        "<|image_1|>\nGiven an image, find a similar everyday image with the described changes: Fewer.\n",
        IMAGE,
    ),
    "visualnews-t2i": ("Retrieve an image of this news caption. A vote.\n", IMAGE),
    "visualnews-i2t": ("<|image_1|>\nFind a caption for the news in the given photo.\n", "A vote."),
    "mscoco-t2i": ("Find me an everyday image that matches the given caption: A cup.\n", IMAGE),
    "mscoco-i2t": ("<|image_1|>\nFind an image caption describing the given everyday image.\n", "A cup."),
    "nights": ("<|image_1|>\nFind a day-to-day image that looks similar to the provided image.\n", IMAGE),
    "webqa": ("<|image_1|>\nFind a Wikipedia image that answers this question: Is it red?\n", WIKIPEDIA),
    "fashioniq": ("<|image_1|>\nFind an image to match the fashion image and style note: Is red.\n", IMAGE),
    "wiki-ss-nq": (
        "Find the document image that can answer the given query: who was it\n",
        "<|image_1|>\nRepresent the given document screenshot.",
    ),
    "oven": (f"<|image_1|>\n{PAIRS}", WIKIPEDIA),
    "edis": (
        "<|image_1|>\nFind a news image that matches the provided caption: A vote.\n",
        "<|image_1|>\nRepresent the given image with related text information: News\n",
    ),
    "mscoco": ('<|image_1|>\nCrop the image to to isolate the object labeled as "dog"\n', CROP),
    "refcoco": (f'<|image_1|>\n{POINT}follows the language expressions. "left cup"\n', CROP),
    "refcoco-matching": (
        f'<|image_1|>\n{POINT}follows the language expressions: "left cup"\n',
        f'<|image_1|>\n{POINT}follows the language expressions: "small cup"\n',
    ),
    "visual7w-pointing": (f'<|image_1|>\n{POINT}answers the question "Which is it?"\n', CROP),
}
CARD = ModelCard(id="published", modalities=["text"], uses_instructions=True, license="unknown")


@dataclass(frozen=True)
class Cell:
    """A published score of a set."""

    task: str
    value: float

    def result(self) -> TaskResult:
        return TaskResult(
            task=TaskRef(id=self.task, version=1, protocol="mmeb-v1", fingerprint="f"),
            model=ModelRef(id="published", revision="1", fingerprint="e", card=CARD),
            metrics={"hit@1": Value(value=self.value, n=1000)},
            counts=Counts(queries=1000, candidates=1000, judged=1000, skipped=0),
        )


def published(model: str) -> dict[str, float]:
    """The group's scores that follow from what the sets' files say of a model."""
    cells = [
        Cell(task.id, one.value)
        for task in catalog().tasks(["mmeb"])
        for one in task.spec.reference_scores
        if one.model == model
    ]
    results = {cell.task: cell.result() for cell in cells}
    return {name: one.value for name, one in aggregate(catalog().group("mmeb").spec, results, catalog()).items()}


def test_all_sets_and_groups_are_there() -> None:
    assert {task.id for task in catalog().tasks(["mmeb"])} == {f"mmeb-{name}" for name in SETS}
    sizes = {
        kind: len(catalog().tasks([f"mmeb-{kind}"])) for kind in ("classification", "vqa", "retrieval", "grounding")
    }
    assert sizes == {"classification": 10, "vqa": 10, "retrieval": 12, "grounding": 4}
    spec = catalog().group("mmeb").spec
    sizes = {one.name: len(catalog().tasks(one.members or spec.members)) for one in spec.aggregates}
    assert (sizes["in-distribution"], sizes["out-of-distribution"], sizes["overall"]) == (20, 16, 36)


@pytest.mark.parametrize("name", SETS)
def test_instructions_of_a_set_are_recognised_and_modalities_are_right(tmp_path: Path, name: str) -> None:
    """Loading checks the modalities; marker, instruction and text give the strings of the file back."""
    query, target = SETS[name]
    spec = catalog().task(f"mmeb-{name}").spec
    paths = ["", ""] if spec.candidates.modality == ["text"] else ["a.jpg", "b.jpg"]
    image = "" if spec.query.modality == ["text"] else "q.jpg"
    row = {"qry_text": query, "qry_img_path": image, "tgt_text": [target, f"{target} b"], "tgt_img_path": paths}
    if spec.candidates.modality == ["image"]:
        row["tgt_text"] = [target, target]
    data = loaded(tmp_path, row, name=spec.id)
    [asked] = data.queries.items(np.array([0]), images=False)
    marker = "<|image_1|>" if image else ""
    stray = "" if image else "<|image_1|>\n"
    assert marker + (asked.instruction or "") + (asked.text or "") == query.removeprefix(stray)
    assert asked.instruction
    found = data.corpus.items(data.judgments.labels["relevant"][0], images=False)[0]
    assert (found.instruction is None) == (spec.candidates.modality == ["text"])
    marker = "<|image_1|>" if paths[0] else ""
    assert marker + (found.instruction or "") + (found.text or "") == target


def test_overall_is_the_mean_of_the_sets_and_not_of_the_four_kinds() -> None:
    scores = published("CLIP")
    kinds = [scores[name] for name in ("classification", "vqa", "retrieval", "grounding")]
    assert scores["overall"] == pytest.approx(0.37822, abs=5e-6)
    assert sum(kinds) / 4 == pytest.approx(0.39159, abs=5e-6)


@pytest.mark.parametrize("model", ["CLIP", "VLM2Vec (LLaVA-1.6)"])
def test_the_means_of_published_sets_are_the_published_means(model: str) -> None:
    stated = {one.metric: one.value for one in catalog().group("mmeb").spec.reference_scores if one.model == model}
    assert len(stated) == 7
    assert published(model) == pytest.approx(stated, abs=0.00051)
