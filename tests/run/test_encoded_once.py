"""Equal contents are embedded once: across queries and candidates, and across the tasks of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.test_coco import PICTURES, coco
from tests.models.tiny_clip import load, save_tiny_clip
from tests.run.helpers import Quiet, data_of, model, ready

from mbench.core.specs import ModelCard
from mbench.core.types import ALL_NEEDS, Item, Role, Vectors
from mbench.retrieval.encode import Tally, embed
from mbench.run.steps import query_vectors

CARD = ModelCard(id="fake", modalities=["text", "image", "image+text"], uses_instructions=True, license="MIT")
N_CAPTIONS, N_PICTURES = 2, 2
"""Distinct ones: two of COCO's three captions here are equal."""


@dataclass
class Counting:
    """Embeds contents by their size, and counts how often it met each."""

    roles_alike: bool
    card: ModelCard = CARD
    needs: frozenset[str] = ALL_NEEDS
    met: Counter[tuple[str | None, bytes]] = field(default_factory=Counter)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        contents = [(one.text, one.image.tobytes() if one.image else b"") for one in items]
        self.met.update(contents)
        return np.array([[len(text or "") + 1, len(picture) + 1] for text, picture in contents], dtype=np.float32)


def met_in_both_directions(counting: Counting, root: Path) -> Counter[tuple[str | None, bytes]]:
    """What a model is shown when COCO's captions and pictures are first queries, then candidates."""
    (root / "coco/val2014").mkdir(parents=True)
    for n, picture in enumerate(PICTURES):
        Image.new("RGB", (4 + n, 4), (n, 0, 0)).save(root / "coco/val2014" / str(picture["file_name"]))
    model = ready(counting)
    for name in ("coco-i2t", "coco-t2i"):
        data, tally = coco(root, name), Tally(8)
        query_vectors(model, data, tally, Quiet())
        embed(counting, data.corpus, "candidate", tally, Quiet(), model.store_for(data.corpus, "candidate"))
    return counting.met


def test_a_model_that_is_alike_in_both_roles_meets_each_content_once(tmp_path: Path) -> None:
    met = met_in_both_directions(Counting(roles_alike=True), tmp_path)
    assert sorted(met.values()) == [1] * (N_CAPTIONS + N_PICTURES)


def test_a_model_that_may_tell_roles_apart_meets_each_once_in_each_role(tmp_path: Path) -> None:
    met = met_in_both_directions(Counting(roles_alike=False), tmp_path)
    assert sorted(met.values()) == [2] * (N_CAPTIONS + N_PICTURES)


def test_an_item_with_an_instruction_is_kept_apart_by_role() -> None:
    loaded = ready(Counting(roles_alike=True))
    data = data_of("emoji-ctrl", 5)
    assert any(data.queries.column("instruction"))
    assert loaded.store_for(data.queries, "query") is loaded.stores["query"]
    bare = data.queries.replaced(instruction=None)
    assert loaded.store_for(bare, "query") is loaded.store_for(data.corpus, "candidate") is loaded.stores["candidate"]


@pytest.mark.parametrize("name", ["tiny", "tiny-dual", "clip"])
def test_models_that_say_so_are_alike_in_both_roles(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    encoder = load(save_tiny_clip(tmp_path_factory.mktemp("clip"))) if name == "clip" else model(name)
    assert encoder.roles_alike  # type: ignore[attr-defined]
    data = data_of("emoji-cir", 4)
    rows = np.arange(4)
    items = data.queries.replaced(instruction=None).items(rows) + data.corpus.items(rows)
    assert (encoder.encode(items, role="query") == encoder.encode(items, role="candidate")).all()
