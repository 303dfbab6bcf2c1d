"""Agreement with embeddings, tokens and pixels that the official code computed. Absent from a plain clone."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.models.tiny_uniir import NAMES, load, unit

from mbench.core.types import Item, Role
from mbench.models.uniir_base import Uniir
from mbench.models.uniir_prompt import content_of

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
SIDE, STEP = 224, 32

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"golden embeddings are not there: {GOLDEN}")


@cache
def model(name: str) -> Uniir[Any]:
    return load(name, GOLDEN / name)


@cache
def golden(name: str) -> Any:
    return np.load(GOLDEN / name / "golden.npz", allow_pickle=False)


def picture(name: str, file: str | None) -> Image.Image | None:
    return Image.open(GOLDEN / name / "inputs" / file) if file else None


def records(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((GOLDEN / name / "inputs" / "inputs.json").read_text())["items"]
    return found


def item_of(name: str, record: dict[str, Any]) -> Item:
    return Item(record["id"], record["raw_text"], picture(name, record["image"]), record["instruction"])


def role_of(record: dict[str, Any]) -> Role:
    return "candidate" if record["group"] == "cand" else "query"


@pytest.mark.parametrize("name", NAMES)
def test_each_embedding_is_the_official_one(name: str) -> None:
    expected = dict(zip(golden(name)["ids"].tolist(), golden(name)["emb"], strict=True))
    assert len(expected) == len(records(name))
    for record in records(name):
        found = model(name).encode([item_of(name, record)], role=role_of(record))[0]
        assert np.abs(found - expected[record["id"]]).max() < 1e-4, record["id"]
        assert np.abs(unit(found) - unit(expected[record["id"]])).max() < 1e-5, record["id"]


@pytest.mark.parametrize("name", NAMES)
def test_text_tokens_and_pixels_are_the_official_ones(name: str) -> None:
    for record in records(name):
        content = content_of(item_of(name, record), role_of(record), name)
        assert content.text == record["formatted_text"], record["id"]
        tokens: Any = model(name).tokenizer.encode([content.text])  # type: ignore[attr-defined]
        ids = getattr(tokens, "ids", tokens)[0].tolist()
        official = golden(name)[f"input_ids/{record['id']}"].tolist()
        assert ids + [0] * (len(official) - len(ids)) == official, record["id"]
        if content.picture is not None and f"pixel_sample/{record['id']}" in golden(name):
            pixels = model(name)._preprocessed(content.picture)[:, ::STEP, ::STEP]
            np.testing.assert_array_equal(pixels, golden(name)[f"pixel_sample/{record['id']}"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", [1, -1], ids=["in order", "in reverse"])
def test_a_batch_of_all_kinds_agrees_with_the_official_batch(name: str, step: int) -> None:
    lines = (GOLDEN / name / "inputs" / "cand_pool.jsonl").read_text().splitlines()
    pool = [json.loads(line) for line in lines]
    items = [Item(one["did"], one["txt"], picture(name, one["img_path"])) for one in pool]
    found = model(name).encode(items[::step], role="candidate")[::step]
    assert np.abs(unit(found) - unit(golden(name)["batch_emb/cand"])).max() < 1e-5
