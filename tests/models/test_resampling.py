"""The compiled resize: Pillow's bytes, every one, or none at all."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import PIL._imaging as core
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbench.core.compiled import available
from mbench.models import resampling
from mbench.models.resampling import LARGEST, PICTURES, REACH, resized_middle
from mbench.models.resampling_loops import Bytes, Pixels, Weights

Size = tuple[int, int]
BICUBIC = 3
SIDES = st.integers(1, 150)
SIZES = st.tuples(SIDES, SIDES)


@pytest.fixture(scope="module", autouse=True)
def loops() -> Iterator[None]:
    """Loops are worth it from the first picture on."""
    if not available():
        pytest.skip("numba is not installed, or switched off: every picture is resized by Pillow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PICTURES, "enough", -1)
        yield


def photo(size: Size, seed: int = 0, steps: int = 256) -> PIL.Image.Image:
    """Noise in as many steps of brightness; two are black and white, which go furthest beyond a byte."""
    levels = np.random.default_rng(seed).integers(0, steps, (size[1], size[0], 3), dtype=np.uint16)
    return PIL.Image.fromarray((levels * 255 // (steps - 1)).astype(np.uint8))


def by_pillow(picture: PIL.Image.Image, size: Size, crop: Size, resample: int) -> PIL.Image.Image:
    left, top = (size[0] - crop[0]) // 2, (size[1] - crop[1]) // 2
    whole = picture.resize(size, PIL.Image.Resampling(resample))
    return whole.crop((left, top, left + crop[0], top + crop[1]))


def assert_as_pillow(picture: PIL.Image.Image, size: Size, crop: Size, resample: int) -> None:
    found, expected = resized_middle(picture, size, crop, resample), by_pillow(picture, size, crop, resample)
    assert found is not None
    assert (found.mode, found.size) == (expected.mode, expected.size)
    assert found.tobytes() == expected.tobytes()


def left_to_pillow(size: Size, wanted: Size) -> bool:
    return size[1] > 4 * size[0] or size[1] - wanted[1] > max(0, 2 * (size[0] - wanted[0]))


@settings(max_examples=250)
@given(SIZES, SIZES, st.sampled_from(sorted(REACH)), SIZES, st.sampled_from([2, 3, 256]), st.integers(0, 9))
def test_all_sizes_crops_and_filters_give_the_bytes_of_pillow(
    size: Size, wanted: Size, resample: int, crop: Size, steps: int, seed: int
) -> None:
    crop = min(crop[0], wanted[0]), min(crop[1], wanted[1])
    picture = photo(size, seed, steps)
    if left_to_pillow(size, wanted):
        assert resized_middle(picture, wanted, crop, resample) is None
    else:
        assert_as_pillow(picture, wanted, crop, resample)


ODD: list[tuple[Size, Size, Size]] = [
    ((1, 1), (7, 5), (7, 5)),
    ((1, 1), (1, 1), (1, 1)),
    ((3000, 1), (50, 40), (40, 40)),
    ((1, 4), (4, 5), (4, 5)),
    ((2, 8), (300, 299), (1, 1)),
    ((640, 480), (299, 224), (224, 224)),
    ((480, 640), (224, 299), (224, 224)),
    ((100, 130), (100, 170), (99, 151)),
    ((130, 100), (50, 100), (50, 3)),
    ((65, 63), (64, 64), (64, 64)),
    ((64, 64), (65, 64), (65, 64)),
    ((60, 129), (20, 49), (20, 49)),
    ((2047, 2049), (37, 40), (37, 37)),
    ((10000, 3), (224, 2), (224, 2)),
]
"""One pixel and lines, photographs, one direction alone, strips of lines and one over, the tallest, the largest."""


@pytest.mark.parametrize("resample", REACH)
@pytest.mark.parametrize(("size", "wanted", "crop"), ODD)
def test_odd_shapes_give_the_bytes_of_pillow(size: Size, wanted: Size, crop: Size, resample: int) -> None:
    assert_as_pillow(photo(size, steps=2), wanted, crop, resample)


def test_pictures_from_files_and_in_pieces_of_memory_give_the_bytes_of_pillow() -> None:
    file = io.BytesIO()
    photo((90, 70)).save(file, "JPEG")
    assert_as_pillow(PIL.Image.open(file), (40, 31), (31, 31), BICUBIC)
    before = core.get_block_size()
    core.set_block_size(4096)
    try:
        pieces = photo((90, 70))
    finally:
        core.set_block_size(before)
    assert_as_pillow(pieces, (40, 31), (31, 31), BICUBIC)


def test_a_picture_that_was_resized_keeps_its_bytes() -> None:
    picture = photo((90, 70))
    before = picture.tobytes()
    first = resized_middle(picture, (40, 31), (31, 31), BICUBIC)
    assert first is not None
    kept = first.tobytes()
    resized_middle(photo((90, 70), 1), (40, 31), (31, 31), BICUBIC)
    assert (picture.tobytes(), first.tobytes()) == (before, kept)


def test_threads_resize_at_once() -> None:
    """Each has memory of its own to work in."""
    sizes = [((500 + i % 7, 400 + i % 5), (140 + i % 4, 150 + i % 3), sorted(REACH)[i % 3]) for i in range(30)]
    works = [(photo(size, i, 2), wanted, resample) for i, (size, wanted, resample) in enumerate(sizes)]
    expected = [by_pillow(picture, wanted, wanted, resample).tobytes() for picture, wanted, resample in works]
    resampling._weights.cache_clear()

    def made(work: tuple[PIL.Image.Image, Size, int]) -> bytes | None:
        found = resized_middle(work[0], work[1], work[1], work[2])
        return None if found is None else found.tobytes()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(made, 3 * works)) == 3 * expected


@pytest.mark.parametrize(
    ("picture", "wanted", "crop", "resample"),
    [
        (PIL.Image.new("RGBA", (50, 40)), (20, 20), (20, 20), BICUBIC),
        (PIL.Image.new("L", (50, 40)), (20, 20), (20, 20), BICUBIC),
        (PIL.Image.new("RGB", (50, 40)), (20, 20), (20, 20), PIL.Image.Resampling.NEAREST),
        (PIL.Image.new("RGB", (50, 40)), (20, 20), (20, 20), PIL.Image.Resampling.BOX),
        (PIL.Image.new("RGB", (50, 40)), (20, 20), (20, 20), PIL.Image.Resampling.HAMMING),
        (PIL.Image.new("RGB", (50, 40)), (20, 20), (21, 20), BICUBIC),
        (PIL.Image.new("RGB", (50, 40)), (20, 20), (20, 21), BICUBIC),
        (PIL.Image.new("RGB", (5, 0)), (20, 20), (20, 20), BICUBIC),
        (PIL.Image.new("RGB", (20, 81)), (10, 80), (10, 80), BICUBIC),
        (PIL.Image.new("RGB", (50, 61)), (40, 40), (40, 40), BICUBIC),
        (PIL.Image.new("RGB", (LARGEST // 1024 + 1, 1024)), (20, 20), (20, 20), BICUBIC),
        (PIL.Image.new("RGB", (30_000, 40)), (224, 224), (224, 224), BICUBIC),
        (PIL.Image.new("RGB", (LARGEST, 1)), (224, 224), (224, 224), BICUBIC),
    ],
)
def test_what_is_not_known_to_be_the_same_or_takes_much_memory_is_left_to_pillow(
    picture: PIL.Image.Image, wanted: Size, crop: Size, resample: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "_weights", lambda *lengths: pytest.fail("weights were asked for"))
    assert resized_middle(picture, wanted, crop, resample) is None


def test_nothing_is_compiled_for_few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PICTURES, "done", 0)
    monkeypatch.setattr(PICTURES, "enough", 2)
    found = [resized_middle(photo((50, 40)), (20, 16), (16, 16), BICUBIC) for _ in range(4)]
    assert [one is None for one in found] == [True, True, False, False]


summed, weights, part = resampling._summed, resampling._weights, resampling._part


def columns_first(pixels: Pixels, across: Weights, down: Weights) -> Bytes:
    return np.ascontiguousarray(summed(np.ascontiguousarray(pixels.T), down, across).transpose(1, 0, 2))


def a_little_lighter(length: int, wanted: int, resample: int) -> Weights:
    first, values = weights(length, wanted, resample)
    return Weights(first, values - np.int32(1 << 12))


def without_small_ones(length: int, wanted: int, resample: int) -> Weights:
    first, values = weights(length, wanted, resample)
    return Weights(first, np.where(abs(values) < 1 << 15, 0, values).astype(np.int32))


def one_pixel_on(some: Weights, start: int, length: int) -> Weights:
    first, values = part(some, start, length)
    return Weights(np.maximum(first - 1, 0, dtype=np.int32), values)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("_summed", columns_first),
        ("_weights", a_little_lighter),
        ("_weights", without_small_ones),
        ("_part", one_pixel_on),
    ],
)
def test_loops_that_are_not_as_pillow_are_noticed_and_not_used(
    name: str, changed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    resampling._as_pillow.cache_clear()
    assert resampling._as_pillow()
    monkeypatch.setattr(resampling, name, changed)
    resampling._as_pillow.cache_clear()
    try:
        assert not resampling._as_pillow()
        assert resized_middle(photo((50, 40)), (20, 16), (16, 16), BICUBIC) is None
    finally:
        resampling._as_pillow.cache_clear()
