from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import MEAN, STD, noise
from tests.models.tiny_inversion import ITEMS, Reference, load, phi, save_clip, save_phi, unit

from mbench.core.errors import UnsupportedModalityError
from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.inversion import Inversion
from mbench.models.targetpad import normalised, padded_view


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with the one network phi in its folder."""
    folder = save_clip(tmp_path_factory.mktemp("searle") / "tiny-clip")
    save_phi(folder / "SEARLE_tiny.pt", phi())
    return folder


@pytest.fixture(scope="module")
def searle(tiny: Path) -> Inversion:
    return load("searle", tiny)


@pytest.fixture(scope="module")
def reference(tiny: Path) -> Reference:
    return Reference(tiny, "$", phi())


def pixels(item: Item) -> torch.Tensor:
    assert item.image is not None
    return torch.from_numpy(normalised(padded_view(item.image, 32), MEAN, STD))


def expected(reference: Reference, role: str) -> list[torch.Tensor]:
    _, picture, pair, told, blank, price, long, *_ = ITEMS
    alone = [reference.prompt("a photo of $", pixels(one)) for one in (picture, told, blank)]
    if role == "candidate":
        alone = [reference.image(pixels(one)) for one in (picture, told, blank)]
    return [
        reference.text("a red cat"),
        alone[0],
        reference.prompt("a photo of $ that is a Dog!", pixels(pair)),
        *alone[1:],
        reference.prompt("a photo of $ that costs $ 5 or *", pixels(price)),
        reference.prompt("a photo of $ that " + "cat dog " * 40, pixels(long)),
        reference.text(""),
        reference.text("☃ é 狗"),
    ]


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_vectors_are_those_of_transformers_with_the_word_in_the_slot(
    searle: Inversion, reference: Reference, role: Any
) -> None:
    found = torch.from_numpy(searle.encode(ITEMS, role=role))
    assert torch.allclose(found, torch.stack(expected(reference, role)), atol=1e-5)


def test_a_prompt_depends_on_the_picture_and_on_the_text(searle: Inversion) -> None:
    one, other = noise(50, 40, seed=8), noise(50, 40, seed=9)
    items = [Item("a", text="red", image=one), Item("b", text="red", image=other), Item("c", text="dog", image=one)]
    vectors = unit(searle.encode(items, role="query"))
    assert (vectors @ vectors.T)[np.triu_indices(3, 1)].max() < 0.99999


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_vector_does_not_depend_on_the_batch(searle: Inversion, role: Any) -> None:
    together = searle.encode(ITEMS, role=role)
    alone = np.concatenate([searle.encode([item], role=role) for item in ITEMS])
    backwards = searle.encode(ITEMS[::-1], role=role)[::-1]
    assert together.dtype == np.float32
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(together, backwards, atol=1e-5)


def test_the_text_tower_is_as_before_after_a_prompt(searle: Inversion) -> None:
    text = [Item("t", text="costs $ 5")]
    before = searle.encode(text, role="query")
    searle.encode(ITEMS, role="query")
    assert np.array_equal(searle.encode(text, role="query"), before)


def test_broken_encoding_and_entities_are_repaired_as_by_openais_tokenizer(searle: Inversion) -> None:
    texts = ["dog &amp;amp; cat", "dog & cat", "it’s  a\ndog", "it's a dog"]
    found = searle.encode([Item(str(row), text=text) for row, text in enumerate(texts)], role="candidate")
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[2], found[3])


def test_instructions_are_left_out_unless_asked_for(tiny: Path, searle: Inversion) -> None:
    pair = ITEMS[2]
    assert searle.text_of(pair, "query") == "is a Dog!"
    told = load("searle", tiny, use_instruction="yes")
    assert told.text_of(pair, "query") == "find is a Dog!"
    assert told.text_of(pair, "candidate") == "is a Dog!"
    assert (searle.card.uses_instructions, told.card.uses_instructions) == (False, True)


def test_the_plain_crop_can_be_asked_for(tiny: Path, searle: Inversion) -> None:
    long, square = Item("l", image=noise(90, 31)), Item("s", image=noise(40, 40))
    plain = load("searle", tiny, preprocess="clip")
    found, padded = (model.encode([long, square], role="candidate") for model in (plain, searle))
    assert not np.allclose(found[0], padded[0], atol=1e-3)
    assert np.allclose(found[1], padded[1], atol=1e-6)


@pytest.mark.parametrize("picture", STRANGE.values(), ids=STRANGE)
def test_strange_pictures_have_finite_vectors(searle: Inversion, picture: Any) -> None:
    items = [Item("a", image=picture), Item("b", image=picture, text="red")]
    vectors = searle.encode(items, role="query")
    assert np.isfinite(vectors).all()
    assert (np.linalg.norm(vectors, axis=1) > 0).all()


def test_an_item_without_anything_is_refused_by_name(searle: Inversion) -> None:
    with pytest.raises(UnsupportedModalityError, match="query 'q7' has no picture and no text"):
        searle.encode([ITEMS[0], Item("q7")], role="query")


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_stays_near_and_enters_the_identity(tiny: Path, searle: Inversion, dtype: str) -> None:
    model = load_model("searle", LoadOptions(args={"checkpoint": str(tiny)}, device="cpu", dtype=dtype))
    found, exact = unit(model.encode(ITEMS, role="query")), unit(searle.encode(ITEMS, role="query"))
    assert (found * exact).sum(1).min() > 0.99
    assert getattr(model, "identity", {})["dtype"] == dtype


def test_a_model_can_be_sent_to_another_process(searle: Inversion) -> None:
    sent = pickle.loads(pickle.dumps(searle))
    assert np.array_equal(sent.encode(ITEMS, role="query"), searle.encode(ITEMS, role="query"))
