"""The Qwen2-VL backbone: every tensor arrives, positions and attention are as asked, batches change nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.models.tiny_qwen2vl import CONFIG, VOCABULARY, WEIGHTS, change, save_tiny_base, truncate

from mbench.core.errors import CheckpointError, DataError, ModelError
from mbench.models.device import Placement
from mbench.models.qwen2vl import Prompted, Qwen2VL, mrope
from mbench.models.qwen2vl_image import Budget
from mbench.models.qwen2vl_load import renamed

CPU = Placement("cpu", "fp32")
SMALL = (Budget.tokens(4, 16),)
PLACE = "<|image_pad|>"
SEEN = "a <|vision_start|><|image_pad|><|vision_end|> b"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny_base(tmp_path / "base")


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Qwen2VL]:
    """By whether attention is causal."""
    base = save_tiny_base(tmp_path_factory.mktemp("qwen2vl") / "base")
    return {causal: Qwen2VL(base, CPU, causal=causal) for causal in (False, True)}


def picture(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def inputs(model: Qwen2VL) -> list[Prompted]:
    return [
        model.read("one"),
        model.read(SEEN, picture(60, 40), SMALL),
        model.read("a much longer text!"),
        model.read(SEEN + " and more", picture(150, 60), SMALL),
    ]


@pytest.mark.parametrize("causal", [False, True])
def test_hidden_states_do_not_depend_on_the_batch_or_its_order(backbones: dict[bool, Qwen2VL], causal: bool) -> None:
    model = backbones[causal]
    given = inputs(model)
    alone = [model.hidden([one])[0] for one in given]
    for batch in (model.hidden(given), model.hidden(given[::-1])[::-1]):
        for found, expected in zip(batch, alone, strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("causal", [False, True])
def test_only_bidirectional_attention_lets_a_token_see_what_follows(
    backbones: dict[bool, Qwen2VL], causal: bool
) -> None:
    model = backbones[causal]
    padded = [model.hidden([model.read(text), model.read("a longer one")])[0][0] for text in ("ab", "ac")]
    assert torch.allclose(*padded, atol=1e-6) == causal


def test_a_library_that_ignores_the_wish_for_bidirectional_attention_is_found_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS as FUNCTIONS

    def causal(module: Any, query: Any, key: Any, value: Any, mask: Any, **_: Any) -> Any:
        key, value = (one.repeat_interleave(module.num_key_value_groups, 1) for one in (key, value))
        found = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return found.transpose(1, 2), None

    monkeypatch.setitem(FUNCTIONS, "sdpa", causal)
    Qwen2VL(folder, CPU, causal=True)
    with pytest.raises(ModelError, match="attention of Qwen2-VL bidirectional"):
        Qwen2VL(folder, CPU, causal=False)


def test_the_picture_takes_its_place_token_by_token(backbones: dict[bool, Qwen2VL]) -> None:
    found = backbones[False].read(SEEN, picture(60, 90), SMALL)
    assert found.patches is not None
    assert (found.patches.rows, found.patches.columns) == (6, 4)
    expected = backbones[False].read(SEEN.replace(PLACE, PLACE * 6))
    assert found.ids == expected.ids


def test_the_place_of_a_picture_in_a_text_is_refused_beside_a_picture_only(backbones: dict[bool, Qwen2VL]) -> None:
    model = backbones[False]
    with pytest.raises(DataError, match="2 places for one picture"):
        model.read(SEEN + PLACE, picture(60, 60), SMALL)
    assert model.hidden([model.read(SEEN), model.read(SEEN, picture(60, 60), SMALL)])[0].isfinite().all()


def test_long_texts_are_not_cut_by_a_limit_in_the_tokenizer_file(folder: Path) -> None:
    assert json.loads((folder / "tokenizer.json").read_text())["truncation"]["max_length"] == 8
    assert len(Qwen2VL(folder, CPU, causal=False).read("x" * 500).ids) == 500


@pytest.mark.parametrize(("start", "rows", "columns", "behind"), [(0, 1, 1, 1), (3, 2, 5, 4), (7, 6, 2, 0)])
def test_mrope_counts_as_transformers_does(
    backbones: dict[bool, Qwen2VL], start: int, rows: int, columns: int, behind: int
) -> None:
    length = start + rows * columns + behind
    ids = torch.ones(1, length, dtype=torch.long)
    kinds = torch.zeros(1, length, dtype=torch.int)
    kinds[:, start : start + rows * columns] = 1
    grid = torch.tensor([[1, 2 * rows, 2 * columns]])
    expected, _ = backbones[False].model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=grid)
    assert torch.equal(mrope(length, start, rows, columns), expected[:, 0])


def test_positions_change_pictures_and_not_texts(folder: Path, backbones: dict[bool, Qwen2VL]) -> None:
    given = inputs(backbones[False])
    plain, other = backbones[False].hidden(given), Qwen2VL(folder, CPU, causal=False, positions="mrope").hidden(given)
    same = [torch.allclose(one, two, atol=1e-5) for one, two in zip(plain, other, strict=True)]
    assert same == [True, False, True, False]


def test_weights_are_those_of_the_file_in_the_wanted_precision(folder: Path) -> None:
    model = Qwen2VL(folder, Placement("cpu", "bf16"), causal=False).model
    stored = load_file(folder / WEIGHTS)
    assert stored.pop("lm_head.weight").shape == (VOCABULARY, 16)
    arrived = model.state_dict()
    assert arrived.keys() == {renamed(name) for name in stored}
    for name, tensor in stored.items():
        assert torch.equal(arrived[renamed(name)], tensor.bfloat16())
    assert all(tensor.dtype == torch.bfloat16 for tensor in [*model.parameters(), *model.buffers()])


def test_rotary_frequencies_are_those_of_transformers(backbones: dict[bool, Qwen2VL]) -> None:
    from transformers import AutoModel

    expected = dict(AutoModel.from_config(backbones[False].model.config).named_buffers())
    found = dict(backbones[False].model.named_buffers())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_shards_and_the_names_of_transformers_5_load_the_same_model(
    folder: Path, tmp_path: Path, backbones: dict[bool, Qwen2VL]
) -> None:
    stored = load_file(folder / WEIGHTS)
    names = {f"model.{renamed(name)}" if name != "lm_head.weight" else name: name for name in sorted(stored)}
    (folder / WEIGHTS).unlink()
    shards = {name: f"model-0000{at % 2 + 1}-of-00002.safetensors" for at, name in enumerate(names)}
    for shard in set(shards.values()):
        save_file({new: stored[old] for new, old in names.items() if shards[new] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    model = Qwen2VL(folder, CPU, causal=False)
    for found, expected in zip(model.hidden(inputs(model)), backbones[False].hidden(inputs(model)), strict=True):
        torch.testing.assert_close(found, expected)


TENSOR = "model__layers__1__mlp__up_proj__weight"


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        (TENSOR, None, r"1 missing: language_model\.layers\.1\.mlp\.up_proj\.weight"),
        (TENSOR, torch.zeros(32, 17), r"1 of another shape: model\.layers\.1\.mlp\.up_proj\.weight is \[32, 17\]"),
        ("visual__patch_embed__proj__weight", None, r"missing: visual\.patch_embed\.proj\.weight"),
        ("model__layers__2__mlp__up_proj__weight", torch.zeros(32, 16), r"1 unexpected: model\.layers\.2"),
        ("lm_head__weight", None, r"1 missing: lm_head\.weight"),
        ("lm_head__weight", torch.zeros(4, 16), r"of another shape: lm_head\.weight is \[4, 16\]"),
        ("model__language_model__norm__weight", torch.zeros(16), "same tensor of the model"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(folder: Path, name: str, tensor: Any, said: str) -> None:
    change(folder / WEIGHTS, **{name: tensor})
    with pytest.raises(CheckpointError, match=said):
        Qwen2VL(folder, CPU, causal=False)


def test_tied_weights_need_no_output_layer(folder: Path) -> None:
    change(folder / WEIGHTS, lm_head__weight=None)
    (folder / "config.json").write_text(json.dumps(CONFIG | {"tie_word_embeddings": True}))
    assert Qwen2VL(folder, CPU, causal=False).dimension == 16


def test_a_truncated_file_is_named(folder: Path) -> None:
    truncate(folder / WEIGHTS)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged or truncated"):
        Qwen2VL(folder, CPU, causal=False)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model_type": "qwen2"}, "type 'qwen2'"),
        ({"num_hidden_layers": 1}, r"unexpected: model\.layers\.1"),
        ({"hidden_size": 32}, "of another shape"),
        ({"hidden_size": "16"}, r"config\.json: no network"),
        ({"num_attention_heads": 3}, r"config\.json: no network"),
        ({"image_token_id": 5}, r"image_token_id of config\.json is 5"),
        ({"vocab_size": 100}, "of another shape"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rotary positions of the type 'linear'"),
    ],
)
def test_a_configuration_of_another_model_is_refused(folder: Path, changed: Any, said: str) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | changed))
    with pytest.raises(CheckpointError, match=said):
        Qwen2VL(folder, CPU, causal=False)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "preprocessor_config.json", WEIGHTS])
def test_a_file_that_is_not_there_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(CheckpointError, match=file.replace(".", r"\.")):
        Qwen2VL(folder, CPU, causal=False)


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: not a tokenizer"):
        Qwen2VL(folder, CPU, causal=False)
