"""Pictures for Qwen2-VL: the pixels of the slow official processor, in its order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.models.tiny_qwen2vl import PREPROCESSING

from mbench.core.errors import CheckpointError, ImageError
from mbench.models.qwen2vl_image import Budget, Patches, Preprocessor, target_size

NARROW = Budget.tokens(4, 16)
ABC = Budget.tokens(256, 1024)
FETCHED = Budget.tokens(4, 16384)


def preprocessor(folder: Path, **changed: Any) -> Preprocessor:
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING | changed))
    return Preprocessor.of(folder)


def noise(mode: str, width: int, height: int) -> Image.Image:
    """A picture of any mode, drawn with a fixed seed."""
    values = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(values[..., :2].copy().view(np.uint16)[..., 0])
    return Image.fromarray(values).convert(mode) if mode != "RGBA" else Image.fromarray(values)


def oracle(picture: Image.Image, budget: Budget) -> Patches:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": budget.least, "longest_edge": budget.most})
    found = processor(picture, return_tensors="np")
    return Patches(found["pixel_values"], *found["image_grid_thw"][0][1:].tolist())


@pytest.mark.parametrize("size", [(1, 1), (28, 28), (47, 33), (90, 300), (224, 224), (4000, 20), (13, 900)])
def test_pixels_grid_and_order_of_patches_are_those_of_the_official_processor(tmp_path: Path, size: Any) -> None:
    picture = noise("RGB", *size)
    # The processor of transformers refuses sides under half a token; the official reader's resize comes before it.
    ready = picture.resize(target_size(*size, factor=28, budget=FETCHED), Image.Resampling.BICUBIC)
    expected = oracle(ready, NARROW)
    found = preprocessor(tmp_path).patches(picture, (FETCHED, NARROW))
    assert (found.rows, found.columns) == (expected.rows, expected.columns)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)


def test_a_second_resize_is_not_skipped(tmp_path: Path) -> None:
    made = preprocessor(tmp_path)
    picture = noise("RGB", 90, 300)
    once, twice = made.patches(picture, (ABC,)), made.patches(picture, (FETCHED, ABC))
    assert once.values.shape != twice.values.shape or not np.allclose(once.values, twice.values)


def test_transparency_is_dropped_and_not_blended(tmp_path: Path) -> None:
    made = preprocessor(tmp_path)
    picture = noise("RGB", 60, 60)
    clear = picture.copy()
    clear.putalpha(0)
    np.testing.assert_array_equal(made.patches(clear, (NARROW,)).values, made.patches(picture, (NARROW,)).values)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_pictures_of_all_modes_become_three_channels(tmp_path: Path, mode: str) -> None:
    found = preprocessor(tmp_path).patches(noise(mode, 40, 30), (NARROW,))
    assert found.values.shape == (found.rows * found.columns, 3 * 2 * 14 * 14)
    assert found.values.dtype == np.float32
    assert np.isfinite(found.values).all()


def test_each_patch_holds_the_same_frame_twice(tmp_path: Path) -> None:
    found = preprocessor(tmp_path).patches(noise("RGB", 56, 84), (NARROW,))
    frames = found.values.reshape(-1, 3, 2, 14 * 14)
    np.testing.assert_array_equal(frames[:, :, 0], frames[:, :, 1])


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([NARROW, ABC, FETCHED, Budget.tokens(4, 1280)]))
def test_sizes_are_whole_tokens_within_the_budget(width: int, height: int, budget: Budget) -> None:
    if max(width, height) > 200 * min(width, height):
        return
    wide, high = target_size(width, height, factor=28, budget=budget)
    assert wide % 28 == high % 28 == 0
    assert min(wide, high) >= 28
    if budget is not NARROW:
        # A strip of one token's height cannot be as small as 16 tokens.
        assert budget.least <= wide * high <= budget.most


@pytest.mark.parametrize("size", [(8000, 1), (1, 201)])
def test_a_picture_that_the_official_code_refuses_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=f"{size[0]} x {size[1]} pixels.*200 times"):
        preprocessor(tmp_path).patches(Image.new("RGB", size), (FETCHED, ABC))


def test_a_picture_at_the_limit_of_proportions_is_taken(tmp_path: Path) -> None:
    found = preprocessor(tmp_path).patches(Image.new("RGB", (200, 1)), (FETCHED, ABC))
    assert 256 <= found.rows * found.columns // 4 <= 1024


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"do_normalize": False}, "do_normalize is False"),
        ({"resample": 2}, "resample is 2"),
        ({"image_mean": [0.5]}, "not a list of three numbers"),
        ({"patch_size": "14"}, "not a positive whole number"),
    ],
)
def test_settings_that_would_change_pixels_are_not_ignored(tmp_path: Path, changed: Any, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        preprocessor(tmp_path, **changed)


def test_a_checkpoint_without_preprocessing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json.*a Qwen2-VL checkpoint has one"):
        Preprocessor.of(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
        Preprocessor.of(tmp_path)
