from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import mteb
import numpy as np
import pytest
from mteb.models import EncoderProtocol
from mteb.models.model_implementations import MODEL_REGISTRY
from mteb.types import PromptType
from tests.models.mteb_emoji import METRICS, mteb_task, scores_of, some_of, table_of
from tests.models.tiny_clip import noise

from mbench.core.errors import MissingDependencyError, UnknownNameError, UnsupportedModalityError
from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.mteb_encoder import MbenchEncoder, items_of, mbench_as_mteb, prompt_of

INSTRUCTION = "find the picture that shows this"


@pytest.fixture(scope="module")
def tiny() -> MbenchEncoder:
    return mbench_as_mteb("tiny", LoadOptions(device="cpu"))


def scores(encoder: Any, task: Any) -> dict[str, float]:
    found = mteb.evaluate(encoder, task, cache=None, show_progress_bar=False).task_results[0].scores["test"][0]
    return {key: found[name] for key, name in METRICS.items()}


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("name", "category", "others"), [("emoji-t2i", "t2i", 150), ("emoji-cir", "it2i", 400)])
def test_a_task_of_mteb_gives_the_scores_of_mbench(tiny: MbenchEncoder, name: str, category: str, others: int) -> None:
    data = some_of(name, 40, others)
    own = scores_of(tiny.encoder, data)
    assert 0.1 < own["recall@1"] < 1
    # mteb rounds to five digits.
    assert scores(tiny, mteb_task(data, category)) == pytest.approx(own, abs=6e-6)


def test_the_prompt_of_a_task_is_the_instruction_of_queries_without_one(tiny: MbenchEncoder) -> None:
    data = some_of("emoji-t2i", 40, 150)
    own = scores_of(tiny.encoder, data)
    asked = replace(data, queries=data.queries.replaced(instruction=[INSTRUCTION] * 40))
    told = scores_of(tiny.encoder, asked)
    assert scores(tiny, mteb_task(data, "t2i", prompt=INSTRUCTION)) == pytest.approx(told, abs=6e-6)
    assert told != own


def test_it_is_an_encoder_with_the_metadata_of_the_card(tiny: MbenchEncoder) -> None:
    meta, card = tiny.mteb_model_meta, tiny.encoder.card
    assert isinstance(tiny, EncoderProtocol)
    assert (meta.name, meta.revision, meta.license) == ("mbench/tiny", card.revision, "apache-2.0")
    assert (meta.n_parameters, meta.embed_dim, meta.modalities) == (card.parameters, 128, ["text", "image"])
    assert meta.training_datasets == {"emoji-train"} and meta.use_instructions
    assert meta.similarity_fn_name is not None and meta.similarity_fn_name.value == "cosine"


def test_similarities_are_those_of_the_card(tiny: MbenchEncoder) -> None:
    a, b = np.eye(2, 3, dtype=np.float32) * 2, np.ones((2, 3), dtype=np.float32)
    assert np.allclose(tiny.similarity(a, b), 3**-0.5)
    assert np.allclose(tiny.similarity_pairwise(a, b), 3**-0.5)
    dot = MbenchEncoder(load_model("random", LoadOptions()), tiny.mteb_model_meta)
    dot.encoder.card = dot.encoder.card.model_copy(update={"similarity": "dot"})
    assert np.allclose(dot.similarity(a, b), 2) and np.allclose(dot.similarity_pairwise(a, b), 2)


def test_batches_of_all_roles_become_items(tiny: MbenchEncoder) -> None:
    picture = noise(40, 40)
    task = mteb_task(some_of("emoji-t2i", 2, 2), "t2i", prompt="the name").metadata
    told = tiny.encoder.encode([Item("a", text="cat", instruction="the name")], role="query")
    plain = tiny.encoder.encode([Item("a", text="cat"), Item("b", image=picture)], role="candidate")
    where: dict[str, Any] = {"task_metadata": task, "hf_split": "test", "hf_subset": "default"}
    batches = [{"text": ["cat"]}]
    assert np.allclose(tiny.encode(batches, prompt_type=PromptType.query, **where), told)
    assert np.allclose(tiny.encode(batches, prompt_type=None, **where), told)
    documents = [{"id": ["a"], "text": ["cat"], "body": ["cat"]}, {"id": ["b"], "image": [picture]}]
    task = mteb_task(some_of("emoji-t2i", 2, 2), "t2i").metadata
    found = tiny.encode(documents, prompt_type=PromptType.document, **where | {"task_metadata": task})
    assert np.allclose(found, plain) and found.dtype == np.float32
    with pytest.raises(UnsupportedModalityError, match="has batches of audio"):
        tiny.encode([{"audio": [1]}], **where)


def test_instructions_are_taken_apart_only_for_models_that_use_them() -> None:
    batch = {"text": ["cat red"], "query": ["cat"], "instruction": ["red"]}
    assert items_of(batch, "task", instructed=True) == [Item("0", text="cat", instruction="red")]
    assert items_of(batch, None, instructed=False) == [Item("0", text="cat red")]


@pytest.mark.parametrize(
    ("prompt", "kind", "expected"),
    [
        (None, PromptType.query, None),
        ("do it", PromptType.query, "do it"),
        ("do it", PromptType.document, None),
        ({"query": "do it"}, PromptType.query, "do it"),
        ({"query": "do it"}, PromptType.document, None),
        ({"query": "do it"}, None, "do it"),
    ],
)
def test_a_task_has_a_prompt_for_both_roles_or_one(prompt: Any, kind: PromptType | None, expected: str | None) -> None:
    task = mteb_task(some_of("emoji-t2i", 2, 2), "t2i").metadata.model_copy(update={"prompt": prompt})
    assert prompt_of(task, kind) == expected


def test_mteb_can_load_it_from_its_metadata(tiny: MbenchEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a name for which mteb does not ask for torchvision."""
    meta = tiny.mteb_model_meta.model_copy(update={"name": "mteb/baseline-tiny"})
    monkeypatch.setitem(MODEL_REGISTRY, "mteb/baseline-tiny", meta)
    again = load_model("mteb:mteb/baseline-tiny", LoadOptions(device="cpu"))
    items = [Item("a", text="cat", instruction="find it"), Item("b", image=noise(40, 40)), Item("c", text="dog")]
    assert np.allclose(again.encode(items, role="query"), tiny.encoder.encode(items, role="query"), atol=1e-6)
    assert again.card.training_datasets == ["emoji-train"]


def test_a_wrong_name_and_a_missing_package_are_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny'"):
        mbench_as_mteb("tinny")
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mbench-eval\[mteb\]'"):
        mbench_as_mteb("tiny")


def test_pictures_reach_the_model_as_their_files_have_them(tiny: MbenchEncoder) -> None:
    data = some_of("emoji-t2i", 2, 2)
    picture = data.corpus.items(np.arange(1))[0].image
    stored = table_of(list(data.corpus.items(np.arange(1))))[0]["image"]
    assert picture is not None and stored.mode == picture.mode
    assert np.array_equal(np.asarray(stored), np.asarray(picture))
