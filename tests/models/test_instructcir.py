"""InstructCIR: the official embeddings, item by item, whatever an item is batched with."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import noise
from tests.models.tiny_phi3 import IDS, SHORT_LENGTH, rewrite, save_tiny_instructcir

from mbench.core.errors import DataError, UnsupportedModalityError
from mbench.core.types import Item, LoadOptions
from mbench.models.instructcir import InstructCir
from mbench.models.instructcir_prompt import DESCRIBE, message_of

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden" / "instructcir"
TOLERANCE = 1e-4
golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the golden embeddings are not at {GOLDEN}")
WITHOUT_BOS = (
    "{% for m in messages %}{{'<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n'}}{% endfor %}<|assistant|>\n"
)


def load(folder: Path, **options: Any) -> InstructCir:
    return InstructCir.load(
        LoadOptions(args={"checkpoint": str(folder)}, **{"device": "cpu", "dtype": "fp32", **options})
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_instructcir(tmp_path_factory.mktemp("instructcir") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> InstructCir:
    return load(folder)


def items() -> list[Item]:
    """Both kinds of input, in no order, of very different lengths: some with positions of long inputs."""
    return [
        Item("picture", image=noise(60, 40)),
        Item("both", image=noise(40, 60), text="make it red"),
        Item("long", image=noise(30, 30), text="the quick brown fox! " * 20),
        Item("empty", image=noise(31, 47), text=""),
        Item("tiny", image=noise(1, 1), text="naïve 日本語 🐱"),
        Item("wide", image=noise(400, 3)),
    ]


class Golden:
    """The official embeddings with their inputs."""

    def __init__(self) -> None:
        self.arrays: Mapping[str, Any] = np.load(GOLDEN / "golden.npz")
        self.ids = [str(one) for one in self.arrays["ids"]]
        self.entries = {one["id"]: one for one in json.loads((GOLDEN / "inputs/inputs.json").read_text())["items"]}

    def items(self) -> list[Item]:
        return [
            Item(key, text=self.entries[key]["text"], image=Image.open(GOLDEN / "inputs" / self.entries[key]["image"]))
            for key in self.ids
        ]


@pytest.fixture(scope="module")
def official() -> Golden:
    return Golden()


@pytest.fixture(scope="module")
def loaded() -> InstructCir:
    return load(GOLDEN / "checkpoint")


def ids_of(model: InstructCir, item: Item) -> list[int]:
    read = model.read(item, "query")
    return [*read.before, model.image_id, *read.behind]


@golden
def test_token_ids_and_pixels_are_the_official_ones(official: Golden, loaded: InstructCir) -> None:
    for item in official.items():
        assert ids_of(loaded, item) == official.arrays[f"input_ids/{item.id}"].ravel().tolist(), item.id
        assert item.image is not None
        found = loaded.pixels([item.image]).numpy()[..., ::32, ::32]
        np.testing.assert_allclose(found.ravel(), official.arrays[f"pixel_sample/{item.id}"].ravel(), atol=1e-6)


@golden
@pytest.mark.parametrize("batched", [False, True])
def test_embeddings_are_the_official_ones(official: Golden, loaded: InstructCir, batched: bool) -> None:
    given = official.items()[::-1]
    batches = [given] if batched else [[item] for item in given]
    found = np.concatenate([loaded.encode(batch, role="query") for batch in batches])[::-1]
    np.testing.assert_allclose(found, official.arrays["emb"], atol=TOLERANCE)
    assert np.einsum("nd,nd->n", found, official.arrays["emb"]).min() >= 0.99999


@golden
def test_three_characters_are_cut_off_a_template_that_has_no_bos(official: Golden, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(GOLDEN / "checkpoint", tmp_path / "copy", copy_function=shutil.copyfile))
    path = copy / "tokenizer_config.json"
    rewrite(path, chat_template=json.loads(path.read_text())["chat_template"].removeprefix("{{ bos_token }}"))
    found = load(copy)
    for item in official.items():
        expected = official.arrays[f"input_ids_nobos_template/{item.id}"].ravel().tolist()
        assert ids_of(found, item) == expected, item.id
    expected = official.arrays["emb_nobos_template"]
    np.testing.assert_allclose(found.encode(official.items(), role="query"), expected, atol=TOLERANCE)


def test_embeddings_do_not_depend_on_the_batch_its_order_or_the_role(model: InstructCir) -> None:
    given = items()
    alone = np.concatenate([model.encode([item], role="query") for item in given])
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(model.encode(given, role="candidate"), alone, atol=1e-5)
    np.testing.assert_allclose(model.encode(given[::-1], role="query")[::-1], alone, atol=1e-5)
    np.testing.assert_allclose(model.encode(given[1:4], role="query"), alone[1:4], atol=1e-5)
    assert model.encode([], role="query").shape == (0, model.card.dimension)


def test_the_items_reach_positions_of_both_lengths(model: InstructCir) -> None:
    lengths = [len(ids_of(model, item)) + 3 for item in items()]
    assert min(lengths) <= SHORT_LENGTH < max(lengths)


@pytest.mark.parametrize(
    ("text", "instruction", "role", "words"),
    [
        ("make it red", None, "query", "make it red"),
        ("make it red", "Find the picture, changed as the text says.", "query", "make it red"),
        (None, "the same in red", "query", "the same in red"),
        (None, "Represent the given image.", "candidate", None),
        ("a caption", "Represent the given image.", "candidate", "a caption"),
        ("", None, "query", ""),
        (None, None, "query", None),
        ('add "sale" in {red} {0} %s', None, "query", 'add "sale" in {red} {0} %s'),
    ],
)
def test_the_prompt_follows_what_the_item_holds(
    text: str | None, instruction: str | None, role: Any, words: str | None
) -> None:
    expected = DESCRIBE
    if words is not None:
        expected = f'<image>Modify this image with "{words}", desribe modified image in one word:'
    assert message_of(Item("x", text=text, instruction=instruction, image=noise(4, 4)), role) == expected


def test_words_that_look_like_a_template_are_not_rendered(model: InstructCir) -> None:
    words = "{{ 7 * 7 }} {% raw %} {0}"
    assert words in model.template.prompt(message_of(Item("x", text=words, image=noise(4, 4)), "query"))


def test_tokens_strip_white_space_as_the_tokenizer_settings_say(model: InstructCir) -> None:
    ids = model.tokens.ids("<|user|>\n  a<|end|>\n")
    assert ids == [IDS["<s>"], IDS["<|user|>"], IDS["▁"], IDS["a"], IDS["<|end|>"]]


def test_the_padding_token_in_a_text_is_zero_as_in_the_official_code(model: InstructCir) -> None:
    words = model.network._words([IDS["a"], IDS["<|endoftext|>"], IDS["b"]])
    assert (words.abs().sum(dim=1) > 0).tolist() == [True, False, True]


@pytest.mark.parametrize("name", sorted(STRANGE))
def test_every_kind_of_picture_has_an_embedding(model: InstructCir, name: str) -> None:
    found = model.encode([Item(name, image=STRANGE[name])], role="candidate")
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_transparency_is_dropped(model: InstructCir) -> None:
    given = noise(40, 30, "RGBA")
    found, expected = model.encode([Item("a", image=given), Item("b", image=given.convert("RGB"))], role="candidate")
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("item", "error", "said"),
    [
        (Item("q1"), UnsupportedModalityError, "query 'q1' has no picture"),
        (Item("q1", text="a dog"), UnsupportedModalityError, "query 'q1' has no picture"),
        (Item("q1", image=Image.new("RGB", (9, 9)), text="<image>"), DataError, "'q1': there are 2 places"),
    ],
)
def test_an_item_that_cannot_be_embedded_is_named(model: InstructCir, item: Item, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        model.encode([Item("fine", image=noise(9, 9)), item], role="query")


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_low_precision_stays_close(folder: Path, model: InstructCir, dtype: str) -> None:
    low = load(folder, dtype=dtype)
    kinds = {str(one.dtype) for one in low.network.parameters()}
    assert kinds == {{"bf16": "torch.bfloat16", "fp16": "torch.float16"}[dtype]}
    found = low.encode(items(), role="query")
    assert found.dtype == np.float32
    assert np.einsum("nd,nd->n", found, model.encode(items(), role="query")).min() > 0.98


def test_a_worker_can_be_sent_the_model(model: InstructCir) -> None:
    sent = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(sent.encode(items(), role="query"), model.encode(items(), role="query"))


def test_the_card_tells_what_was_loaded_and_no_path(model: InstructCir) -> None:
    assert (model.card.checkpoint, model.card.dimension, model.card.license) == ("tiny", 16, "not stated")
    assert model.card.parameters == sum(one.numel() for one in model.network.parameters())
    assert not any("lm_head" in name for name, _ in model.network.named_parameters())


def test_the_card_counts_the_weights_of_the_published_architecture() -> None:
    from mbench.models.instructcir_net import LlavaPhi

    text = {
        "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32,
    }  # fmt: skip
    vision = {
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
        "image_size": 224, "patch_size": 14,
    }  # fmt: skip
    with torch.device("meta"):
        network = LlavaPhi({"text_config": text, "vision_config": vision}, Path("config.json"))
    assert sum(one.numel() for one in network.parameters()) == InstructCir.card.parameters
