"""ABC: the official embeddings, item by item, whatever an item is batched with."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.tiny_qwen2vl import ADAPTER, change, load_abc, save_tiny_abc

from mbench.core.errors import DataError, ImageError, UnsupportedModalityError
from mbench.core.types import Item
from mbench.models.abc import Abc, words_of
from mbench.models.abc_net import SavedModules

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden" / "abc"
TOLERANCE = 1e-4
golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the golden embeddings are not at {GOLDEN}")


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return save_tiny_abc(tmp_path_factory.mktemp("abc"))


@pytest.fixture(scope="module")
def abc(arguments: dict[str, str]) -> Abc:
    return load_abc(arguments)


@pytest.fixture
def fresh(tmp_path: Path) -> dict[str, str]:
    """A checkpoint to damage."""
    return save_tiny_abc(tmp_path)


def picture(mode: str = "RGB", width: int = 40, height: int = 30) -> Image.Image:
    values = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def items() -> list[Item]:
    """All three kinds of input, in no order, of very different lengths."""
    return [
        Item("text", text="a dog"),
        Item("picture", image=picture()),
        Item("both", image=picture(width=90), instruction="what is left?"),
        Item("empty", text=""),
        Item("long", text="the quick brown fox! " * 20),
        Item("masked", text="!!!"),
        Item("tiny", image=picture(width=1, height=1)),
        Item("empty instruction", image=picture(), instruction=""),
        Item("unicode", text="naïve 日本語 🐱"),
        Item("wide", image=picture(width=400, height=3), text="and", instruction="Find it:"),
    ]


class Golden:
    """The official embeddings with their inputs, and the adapter on the official layout's checkpoint."""

    def __init__(self, **more: str) -> None:
        arguments = {"base": GOLDEN / "base", "pretrain": GOLDEN / "pretrain_adapter"}
        arguments |= {"instruct": GOLDEN / "instruct_adapter"}
        self.model = load_abc({key: str(path) for key, path in arguments.items()} | more)
        self.arrays: Mapping[str, Any] = np.load(GOLDEN / "golden.npz")
        self.ids = [str(one) for one in self.arrays["ids"]]
        self.entries = {one["id"]: one for one in json.loads((GOLDEN / "inputs/inputs.json").read_text())["items"]}

    def item(self, key: str) -> Item:
        entry = self.entries[key]
        image = entry["image"] and Image.open(GOLDEN / "inputs" / entry["image"])
        return Item(key, text=entry["text"], image=image or None)

    def items(self) -> list[Item]:
        return [self.item(key) for key in self.ids]


@pytest.fixture(scope="module")
def official() -> Golden:
    return Golden()


@golden
def test_token_ids_grids_and_pixels_are_the_official_ones(official: Golden) -> None:
    for item in official.items():
        read = official.model._read(item, official.model._kind(item, "query"), "query")
        assert list(read.ids) == official.arrays[f"input_ids/{item.id}"].tolist(), item.id
        if read.patches is not None:
            assert [1, read.patches.rows, read.patches.columns] == official.arrays[f"image_grid_thw/{item.id}"][
                0
            ].tolist()
            head = official.arrays[f"pixel_head/{item.id}"]
            np.testing.assert_allclose(read.patches.values[: len(head)], head, atol=1e-6)


@golden
@pytest.mark.parametrize("batched", [False, True])
def test_embeddings_are_the_official_ones_of_single_items(official: Golden, batched: bool) -> None:
    given = official.items()[::-1]
    batches = [given] if batched else [[item] for item in given]
    found = np.concatenate([official.model.encode(batch, role="query") for batch in batches])[::-1]
    np.testing.assert_allclose(found, official.arrays["emb"], atol=TOLERANCE)
    assert np.einsum("nd,nd->n", found, official.arrays["emb"]).min() >= 0.99999


@golden
def test_mrope_gives_the_official_first_call(official: Golden) -> None:
    found = Golden(positions="mrope").model.encode(official.items(), role="query")
    np.testing.assert_allclose(found, official.arrays["emb_first_call"], atol=TOLERANCE)


def test_embeddings_do_not_depend_on_the_batch_its_order_or_the_role(abc: Abc) -> None:
    given = items()
    alone = np.concatenate([abc.encode([item], role="query") for item in given])
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(abc.encode(given, role="candidate"), alone, atol=1e-5)
    np.testing.assert_allclose(abc.encode(given[::-1], role="query")[::-1], alone, atol=1e-5)
    np.testing.assert_allclose(abc.encode(given[2:7], role="query"), alone[2:7], atol=1e-5)
    assert abc.encode([], role="query").shape == (0, abc.card.dimension)


def test_the_instruct_adapter_works_for_pictures_with_words_alone(fresh: dict[str, str], abc: Abc) -> None:
    before = abc.encode(items(), role="query")
    path = Path(fresh["instruct"]) / ADAPTER
    change(path, base_model__model__model__layers__0__self_attn__q_proj__lora_B__weight=torch.zeros(16, 2))
    after = load_abc(fresh).encode(items(), role="query")
    changed = {item.id for item, one, two in zip(items(), before, after, strict=True) if not np.allclose(one, two)}
    assert changed == {"both", "empty instruction", "wide"}


def test_the_pretrain_adapter_works_for_all(fresh: dict[str, str], abc: Abc) -> None:
    path = Path(fresh["pretrain"]) / ADAPTER
    change(path, base_model__model__model__layers__0__self_attn__q_proj__lora_B__weight=torch.zeros(16, 2))
    differences = np.abs(load_abc(fresh).encode(items(), role="query") - abc.encode(items(), role="query"))
    assert (differences.max(axis=1) > 1e-4).all()


def test_an_exclamation_mark_counts_in_the_divisor_and_not_in_the_sum() -> None:
    torch.manual_seed(0)
    modules = SavedModules(4, 6)
    states = torch.randn(3, 4)
    masked = modules.embed([states], [torch.tensor([7, 0, 8])])
    mean = (states[0] + states[2]) / 3
    expected = torch.nn.functional.normalize(modules.mlp_head(mean[None]), dim=-1)
    torch.testing.assert_close(masked, expected)


@pytest.mark.parametrize(
    ("instruction", "text", "words"),
    [
        (None, None, None),
        (None, "a dog", "a dog"),
        ("what is left?", None, "what is left?"),
        ("Find it:", "make it red", "Find it: make it red"),
        ("Find it: ", "make it red", "Find it: make it red"),
        ("Find it:", "\nmake it red", "Find it:\nmake it red"),
        ("what?", "", "what?"),
        (None, " ", " "),
        ("", "", ""),
    ],
)
def test_words_are_the_instruction_and_the_text(instruction: str | None, text: str | None, words: str | None) -> None:
    assert words_of(Item("x", text=text, instruction=instruction)) == words


def test_words_that_look_like_a_template_are_read_as_they_are(abc: Abc) -> None:
    words = "{words} {0} %s <|im_end|>"
    read = abc._read(Item("x", image=picture(), text=words), "image+text", "query")
    prompt = abc.backbone.tokenizer.decode(list(read.ids), skip_special_tokens=False)
    picture_place = "<|vision_start|>" + "<|image_pad|>" * prompt.count("<|image_pad|>") + "<|vision_end|>"
    assert prompt == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\n{picture_place}Instruction: {words}<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_pictures_of_all_modes_are_embedded_as_their_rgb(abc: Abc, mode: str) -> None:
    given = picture(mode)
    found, expected = abc.encode([Item("a", image=given), Item("b", image=given.convert("RGB"))], role="query")
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("item", "error", "said"),
    [
        (Item("q1"), UnsupportedModalityError, "'q1' has no picture and no text"),
        (Item("q1", image=Image.new("RGB", (8000, 1))), ImageError, "'q1': a picture of 8000 x 1 pixels"),
        (Item("q1", image=Image.new("RGB", (9, 9)), text="<|image_pad|>"), DataError, "'q1': there are 2 places"),
    ],
)
def test_an_item_that_cannot_be_embedded_is_named(abc: Abc, item: Item, error: Any, said: str) -> None:
    with pytest.raises(error, match=said.replace("|", r"\|")):
        abc.encode([Item("fine", text="a"), item], role="query")


def test_the_card_tells_what_was_loaded_and_no_path(abc: Abc) -> None:
    assert abc.card.dimension == 16
    assert (abc.card.checkpoint, abc.card.base_model) == ("instruct", "base")
    weights = [*abc.backbone.model.parameters(), *abc.saved.parameters()]
    assert abc.card.parameters == sum(one.numel() for one in weights)
    assert not any("lm_head" in name for name, _ in abc.backbone.model.named_parameters())


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_low_precision_stays_close(arguments: dict[str, str], abc: Abc, dtype: str) -> None:
    model = load_abc(arguments, dtype=dtype)
    assert {str(one.dtype) for one in model.saved.parameters()} == {
        {"bf16": "torch.bfloat16", "fp16": "torch.float16"}[dtype]
    }
    found = model.encode(items(), role="query")
    assert found.dtype == np.float32
    assert np.einsum("nd,nd->n", found, abc.encode(items(), role="query")).min() > 0.98


def test_a_worker_can_be_sent_the_model(abc: Abc) -> None:
    sent = pickle.loads(pickle.dumps(abc))
    np.testing.assert_array_equal(sent.encode(items(), role="query"), abc.encode(items(), role="query"))
