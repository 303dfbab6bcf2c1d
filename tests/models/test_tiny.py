from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.models.strange_pictures import STRANGE, drawing

from mbench.core.errors import CheckpointError, EncodingError, UserError
from mbench.core.files import file_sha256
from mbench.core.types import Item, LoadOptions, Vectors
from mbench.models import tiny_sight
from mbench.models.catalog import load_model
from mbench.models.tiny import WEIGHTS, Tiny
from mbench.models.tiny_input import TEXT_PLACES

NAMES = ("tiny", "tiny-dual")
FILES = {"tiny": "tiny.safetensors", "tiny-dual": "tiny_dual.safetensors"}


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> Tiny:
    loaded = load_model(request.param, LoadOptions(device="cpu"))
    assert isinstance(loaded, Tiny)
    return loaded


@pytest.fixture(scope="module")
def alone(model: Tiny) -> Vectors:
    """Each of the mixed items encoded by itself."""
    return np.concatenate([model.encode([item], role="query") for item in mixed_items()])


@pytest.fixture(scope="module")
def tiny() -> Tiny:
    loaded = load_model("tiny", LoadOptions(device="cpu"))
    assert isinstance(loaded, Tiny)
    return loaded


def mixed_items() -> list[Item]:
    """Every combination of modalities, pictures of both sizes, texts of many lengths."""
    return [
        Item("text", text="dog face"),
        Item("long", text="red " * 40),
        Item("picture", image=drawing(1)),
        Item("scene", image=drawing(2, 144, 144)),
        Item("asked", image=drawing(2, 144, 144), instruction="what is in the top left corner?"),
        Item("asked again", image=drawing(2, 144, 144), instruction="what is in the bottom right corner of this?"),
        Item("all", text="with dark skin", image=drawing(3), instruction="find the picture changed as the text says"),
        Item("pair", text="rocket", image=drawing(4)),
        Item("told", text="rocket", instruction="find the picture of this"),
        Item("instruction", instruction="find anything"),
    ]


def one(model: Tiny, **fields: object) -> Vectors:
    return model.encode([Item("x", **fields)], role="query")[0]  # type: ignore[arg-type]


def test_every_modality_gives_a_unit_vector_of_the_dimension_on_the_card(model: Tiny) -> None:
    found = model.encode(mixed_items(), role="query")
    assert found.shape == (10, 128)
    assert found.dtype == np.float32
    assert model.card.dimension == 128
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert len(np.unique(found.round(4), axis=0)) == 10


def test_nothing_to_encode_gives_no_rows(model: Tiny) -> None:
    assert model.encode([], role="candidate").shape == (0, 128)


def test_loading_twice_gives_the_same_bytes(model: Tiny) -> None:
    fresh = [load_model(model.net_name, LoadOptions(device="cpu")) for _ in range(2)]
    first, second = (one.encode(mixed_items(), role="query") for one in fresh)
    assert first.tobytes() == second.tobytes()


def test_a_picture_is_embedded_alike_whatever_was_seen_before_it() -> None:
    pictures = [Item(str(n), image=drawing(n, 144, 144)) for n in range(9)]
    for name in ("tiny", "tiny-dual"):
        fresh, used = (load_model(name, LoadOptions(device="cpu")) for _ in range(2))
        for start in range(0, 9, 4):
            used.encode(pictures[start : start + 4], role="query")
            used.encode(pictures[: start + 3], role="query")
        assert fresh.encode(pictures, role="query").tobytes() == used.encode(pictures, role="query").tobytes()


def test_the_stem_sees_a_picture_once_whatever_is_asked_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("tiny", LoadOptions(device="cpu"))
    assert isinstance(model, Tiny)
    seen: list[int] = []  # distinct pictures: one alone is shown twice, to be rounded like several
    model.net.stem.register_forward_hook(lambda _module, given, _out: seen.append(len(given[0].unique(dim=0))))
    scene = drawing(2, 144, 144)
    asked = [Item(str(n), image=scene.copy(), instruction=f"question {n}") for n in range(5)]
    model.encode(asked, role="query")
    model.encode([*asked, Item("other", image=drawing(3, 144, 144))], role="query")
    assert seen == [1, 1]
    monkeypatch.setattr(tiny_sight, "REMEMBERED", 3)
    model.encode([Item(str(n), image=drawing(n)) for n in range(10, 20)], role="candidate")
    assert len(model.sight.memory) == 3


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(10)), size=st.integers(1, 10))
def test_a_vector_does_not_depend_on_its_batch_or_place(
    model: Tiny, alone: Vectors, order: list[int], size: int
) -> None:
    items, chosen = mixed_items(), order[:size]
    np.testing.assert_allclose(model.encode([items[n] for n in chosen], role="query"), alone[chosen], atol=1e-6)


def test_many_items_beyond_one_chunk_keep_their_order(tiny: Tiny) -> None:
    items = [Item(str(n), image=drawing(n % 7), instruction=f"question {n}") for n in range(150)]
    found = tiny.encode(items, role="query")
    np.testing.assert_allclose(found[77], tiny.encode([items[77]], role="query")[0], atol=1e-6)
    np.testing.assert_allclose(found[149], tiny.encode([items[149]], role="query")[0], atol=1e-6)


@pytest.mark.parametrize("fields", [{}, {"text": ""}, {"text": " \n", "instruction": ""}])
def test_an_empty_item_is_an_error_that_names_it(model: Tiny, fields: dict[str, str]) -> None:
    with pytest.raises(EncodingError, match=r"candidate 'c7' is empty.*'tiny"):
        model.encode([Item("ok", text="dog"), Item("c7", **fields)], role="candidate")


def test_an_empty_text_beside_a_picture_is_as_no_text(model: Tiny) -> None:
    np.testing.assert_array_equal(one(model, text="", image=drawing(1)), one(model, image=drawing(1)))


@pytest.mark.parametrize("picture", STRANGE.values(), ids=STRANGE.keys())
def test_any_picture_gives_a_unit_vector(model: Tiny, picture: Image.Image) -> None:
    found = one(model, image=picture)
    assert np.isfinite(found).all()
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


def test_words_beyond_the_limit_are_cut(tiny: Tiny) -> None:
    start = "word " * TEXT_PLACES
    np.testing.assert_array_equal(one(tiny, text=start + "dog"), one(tiny, text=start + "cat"))


def test_the_instruction_counts_also_in_words_that_no_training_used(model: Tiny) -> None:
    scene = drawing(2, 144, 144)
    asked = [
        one(model, image=scene, instruction=f"kindly reveal the {place} part") for place in ("top left", "bottom right")
    ]
    assert np.abs(asked[0] - asked[1]).max() > 1e-3
    assert np.abs(asked[0] - one(model, image=scene)).max() > 1e-3


def test_the_picture_and_the_instruction_meet_only_in_the_fused_model() -> None:
    """In the dual model a change of the instruction moves every picture's sum by the same vector."""
    scenes = [drawing(seed, 144, 144) for seed in (2, 3)]
    outputs: dict[str, list[torch.Tensor]] = {name: [] for name in NAMES}
    for name in NAMES:
        model = load_model(name, LoadOptions(device="cpu"))
        assert isinstance(model, Tiny)
        captured = outputs[name]
        heads = [module for key, module in model.net.named_modules() if key.endswith("head")]
        for head in heads:
            head.register_forward_hook(lambda _m, _i, out, captured=captured: captured.append(out[0]))
        for scene in scenes:
            model.encode([Item("q", image=scene, instruction="what is in the top left corner?")], role="query")
    picture_a, text_a, picture_b, text_b = outputs["tiny-dual"]
    torch.testing.assert_close(text_a, text_b)
    assert not torch.allclose(picture_a, picture_b)
    assert len(outputs["tiny"]) == 2


def copy_with(path: Path, **changes: torch.Tensor | None) -> Path:
    tensors = load_file(WEIGHTS / "tiny.safetensors")
    renamed = {name.replace("__", "."): tensor for name, tensor in changes.items()}
    save_file({k: v for k, v in (tensors | renamed).items() if v is not None}, path)
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trunk__cls": None}, r"trunk\.cls"),
        ({"trunk__extra": torch.zeros(2)}, r"trunk\.extra"),
        ({"trunk__cls": torch.zeros(7)}, r"trunk\.cls is \[7\], the model has \[144\]"),
    ],
    ids=["missing", "unexpected", "wrong shape"],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, changes: dict[str, torch.Tensor | None], said: str
) -> None:
    path = copy_with(tmp_path / "w.safetensors", **changes)
    with pytest.raises(CheckpointError, match=said):
        load_model("tiny", LoadOptions(device="cpu", args={"checkpoint": str(path)}))


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes((WEIGHTS / "tiny.safetensors").read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match=re.escape(str(path))):
        load_model("tiny", LoadOptions(device="cpu", args={"checkpoint": str(path)}))


def test_the_weights_of_the_other_model_are_refused() -> None:
    args = {"checkpoint": str(WEIGHTS / FILES["tiny-dual"])}
    with pytest.raises(CheckpointError):
        load_model("tiny", LoadOptions(device="cpu", args=args))


def test_retrained_weights_change_revision_and_identity(tmp_path: Path, tiny: Tiny) -> None:
    shifted = load_file(WEIGHTS / "tiny.safetensors")["trunk.cls"] + 1
    path = copy_with(tmp_path / "w.safetensors", trunk__cls=shifted)
    other = load_model("tiny", LoadOptions(device="cpu", args={"checkpoint": str(path)}))
    assert isinstance(other, Tiny)
    assert other.card.revision == file_sha256(path)[:12] != tiny.card.revision
    assert other.identity != tiny.identity
    assert not np.allclose(one(other, text="dog"), one(tiny, text="dog"))


def test_shipped_weights_that_change_after_their_hash_was_taken_encode_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILES["tiny"]
    path.write_bytes((WEIGHTS / FILES["tiny"]).read_bytes())
    monkeypatch.setattr("mbench.models.tiny.WEIGHTS", tmp_path)
    model = load_model("tiny", LoadOptions(device="cpu"))
    copy_with(path, trunk__cls=load_file(path)["trunk.cls"] + 1)
    with pytest.raises(CheckpointError, match="changed while mbench ran"):
        model.encode([Item("x", text="dog")], role="query")


def test_wrong_arguments_name_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'checkpoint'"):
        load_model("tiny", LoadOptions(args={"checkpiont": "x"}))


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_low_precision_stays_close_to_full(dtype: str, tiny: Tiny) -> None:
    low = load_model("tiny", LoadOptions(device="cpu", dtype=dtype))
    items = mixed_items()
    agreement = (low.encode(items, role="query") * tiny.encode(items, role="query")).sum(1)
    assert agreement.min() > 0.99
