"""The search's loops: the bits of numpy and torch, and measures that the filters' proof may build on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
import torch
from tests.retrieval.brute_force import KINDS, embeddings

from mbench.core.types import Rows, Vectors
from mbench.retrieval.filters import BF16, FP32
from mbench.retrieval.int8 import LARGEST
from mbench.retrieval.rounded import MEASURING, SMALLEST, RoundedTile
from mbench.retrieval.search_loops import converted, opened
from mbench.retrieval.survivors import BLOCK
from mbench.retrieval.tiles import Tile, load_tile, widened
from mbench.retrieval.vectors import Corpus, bits_of
from mbench.retrieval.workers import Room

pytestmark = pytest.mark.usefixtures("loops")
HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
"""All numbers of float16, its infinities, and all NaN."""


class Converted(NamedTuple):
    """What the loop makes of rows."""

    bits: np.ndarray
    norms: Vectors
    residuals: Vectors


def in_loop(corpus: Corpus, rows: Rows, centre: Vectors | None, *, half: bool) -> Converted:
    """Convert rows to bfloat16, or else to float32."""
    shape = (len(rows), corpus.shape[1])
    norms, residuals = np.zeros((2, len(rows)), dtype=np.float32)
    found = Converted(np.empty(shape, dtype=np.int16 if half else np.int32), norms, residuals)
    middle = np.zeros(0, dtype=np.float32) if centre is None else centre
    converted(bits_of(corpus), rows, middle, np.empty((2, shape[1]), dtype=np.float32), *found)
    return found


def in_loop_opened(numbers: Corpus) -> Vectors:
    line = np.empty(len(numbers), dtype=np.float32)
    opened(bits_of(numbers), line)
    return line


@pytest.fixture
def flushing() -> Iterator[None]:
    """The processor takes denormal numbers for 0, as torch may have been told for speed."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush denormal numbers")
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(params=["denormal numbers are kept", "denormal numbers are flushed"])
def both_modes(request: pytest.FixtureRequest) -> None:
    if "flushed" in request.param:
        request.getfixturevalue("flushing")


FINITE = np.ascontiguousarray(HALVES[np.isfinite(HALVES)])
FINITE_BITS = FINITE.astype(np.float32).view(np.int32)
"""Widened while nothing is flushed."""


@pytest.mark.usefixtures("both_modes")
@pytest.mark.parametrize("length", [1, 7, 31, 64, 1000, len(FINITE)])
def test_every_finite_float16_is_opened_to_its_own_bits_of_float32(length: int) -> None:
    for start in range(0, len(FINITE), max(length, len(FINITE) // 50)):
        part = slice(start, start + length)
        assert np.array_equal(in_loop_opened(FINITE[part]).view(np.int32), FINITE_BITS[part])


def test_infinity_and_nan_of_float16_mark_their_row_wherever_they_stand_and_no_other_number_does() -> None:
    for nth, bad in enumerate(HALVES[~np.isfinite(HALVES)]):
        row = np.resize(FINITE[-40:], 33 + nth % 9)
        row[nth % len(row)] = bad
        assert np.isnan(in_loop_opened(row)[0])
    assert np.isfinite(in_loop_opened(FINITE)).all()


@pytest.mark.usefixtures("both_modes")
def test_the_bits_of_float32_are_copied_be_they_denormal_or_nan() -> None:
    bits = np.random.default_rng(0).integers(-(1 << 31), 1 << 31, 5003).astype(np.int32)
    bits[:8] = np.array([0, 1, 0x7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0x80000000], "u4").view("i4")
    bits[8:1000] &= np.int32(-0x7F800001)
    assert np.array_equal(in_loop_opened(bits.view(np.float32)).view(np.int32), bits)


def to_round() -> Vectors:
    """Numbers of all sizes: halfway between two of bfloat16, just beside that, and anywhere."""
    rng = np.random.default_rng(1)
    tops = rng.integers(0, 0x7F80, (3, 500)) << 16
    ends = np.array([[0x8000], [0x7FFF], [0x8001]])
    signs = rng.integers(0, 2, (3, 500)) << 31
    largest = [0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0, 1, 0x8000, 0x8001, 0x18000]
    anywhere = rng.integers(0, 0x7F800000, 508)
    bits = np.concatenate([((tops + ends) | signs).ravel(), largest, anywhere])
    numbers: Vectors = bits.astype(np.uint32).view(np.float32)
    return np.where(np.isnan(numbers), np.float32(1), numbers).reshape(-1, 16)


def test_bfloat16_is_rounded_to_the_nearest_and_halves_to_even_as_torch_rounds() -> None:
    corpus = to_round()
    rows = np.random.default_rng(2).permutation(len(corpus))
    expected = torch.from_numpy(corpus[rows]).to(torch.bfloat16).view(torch.int16).numpy()
    assert np.array_equal(in_loop(corpus, rows, None, half=True).bits, expected)


SPOILED = KINDS | {
    "one large": lambda queries, corpus: (queries, np.where(np.arange(corpus.shape[1]) == 0, 1, 2.0**-13 + 0 * corpus)),
    "underflown": lambda queries, corpus: (queries, 2.0**-63 * np.sign(corpus)),
    "near overflow": lambda queries, corpus: (queries, 2.0**59.9 * np.sign(corpus) / np.sqrt(corpus.shape[1])),
    "halfway": lambda queries, corpus: (queries, np.sign(corpus) * (1 + 2.0**-8)),
    "nearly halfway": lambda queries, corpus: (queries, 1 + 2.0**-8 - 2.0**-20 * np.abs(np.sign(corpus))),
    "one row": lambda queries, corpus: (queries, corpus * np.where(np.arange(len(corpus)) % 16 == 5, 100, 1)[:, None]),
}
"""More that measures may fail on: squares lost beside a large one, below the least and near the largest of float32."""


def spoiled(kind: str, n: int, d: int, half: bool) -> Corpus:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, kind, SPOILED[kind])
        return embeddings(kind, 1, n, d, half=half, seed=d)[1]


@pytest.mark.parametrize("kind", SPOILED)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("d", [1, 7, 768])
def test_rows_are_converted_as_torch_does_and_their_lengths_measured_short_by_no_more_than_is_added(
    kind: str, half: bool, d: int
) -> None:
    corpus = spoiled(kind, 40, d, half)
    rows = np.random.default_rng(d).choice(40, 25, replace=False)
    for centre in (None, corpus.astype(np.float64).mean(axis=0).astype(np.float32)):
        exact = corpus[rows].astype(np.float32) - (np.float32(0) if centre is None else centre)
        short = torch.from_numpy(exact).to(torch.bfloat16)
        norms = np.linalg.norm(exact.astype(np.float64), axis=1)
        for bf16, bits in ((True, short.view(torch.int16).numpy()), (False, exact.view(np.int32))):
            found = in_loop(corpus, rows, centre, half=bf16)
            assert np.array_equal(found.bits, bits)
            assert_measured(found.norms, norms, d)
        lost = np.linalg.norm(exact.astype(np.float64) - short.double().numpy(), axis=1)
        assert_measured(in_loop(corpus, rows, centre, half=True).residuals, lost, d)


def assert_measured(found: Vectors, true: np.ndarray, d: int) -> None:
    """What is widened is not too small; nor is it far too large, where squares do not overflow."""
    precise = true < 2.0**60
    most = widened(found.astype(np.float64), d, BF16)
    assert (most >= true).all()
    assert (most[precise] <= true[precise] * (1 + d * 2.0**-22) + d * 2.0**-61).all()
    assert (found[~precise] >= 2.0**59).all()


@pytest.mark.parametrize("largest", [0, 20, 39])
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("precision", [BF16, FP32], ids=lambda one: one.name)
def test_a_tile_is_measured_by_its_largest_row_wherever_that_is(largest: int, half: bool, precision) -> None:
    _, corpus = embeddings("plain", 1, 40, 48, half=half, seed=3)
    corpus[largest] *= 9
    rows, centre, room = np.arange(40), np.full(48, 0.25, dtype=np.float32), Room(loops=True)
    tile = load_tile(corpus, rows, precision, centre, "cpu", room)
    plain = load_tile(corpus, rows, precision, centre, "cpu", Room())
    assert torch.equal(tile.vectors, plain.vectors)
    exact, kept = corpus.astype(np.float64) - 0.25, tile.vectors.double().numpy()
    assert tile.norm >= np.linalg.norm(kept, axis=1).max()
    if precision is BF16:
        assert tile.residual >= np.linalg.norm(kept - exact, axis=1).max()
    assert (tile.norm, tile.residual) == pytest.approx((plain.norm, plain.residual), rel=1e-4)


ROUNDED = {kind: SPOILED[kind] for kind in SPOILED if kind not in ("huge", "mixed norms")} | {
    "mixed norms": lambda queries, corpus: (queries, corpus * 10.0 ** np.linspace(-30, 16, len(corpus))[:, None]),
    "one number": lambda queries, corpus: (queries, 1e-3 * corpus + np.where(corpus == corpus.max(), 2.0**40, 0)),
    "below the least unit": lambda queries, corpus: (queries, corpus * SMALLEST),
    "halves of a unit": lambda queries, corpus: (queries, np.where(np.arange(corpus.shape[1]), 63.5, 127) + 0 * corpus),
}


@pytest.mark.parametrize("kind", ROUNDED)
@pytest.mark.parametrize("d", [1, 8, 770])
def test_what_a_row_loses_in_int8_is_within_the_residual_of_its_block(
    kind: str, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, kind, ROUNDED[kind])
    rows = embeddings(kind, 1, 6 * BLOCK, d, half=False, seed=d)[1]
    exact = rows.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1)
    tile = Tile(torch.from_numpy(rows), float(widened(norms, d, FP32).max()), 0.0)
    found, plain = (RoundedTile.of(tile, Room(loops=loops)) for loops in (True, False))
    whole = found.vectors.double().numpy()
    assert np.abs(whole).max() <= LARGEST and not whole[:, d:].any()
    assert torch.equal(found.vectors, plain.vectors) and np.array_equal(found.units, plain.units)
    left = exact - whole[:, :d] * found.units.repeat(BLOCK)[:, None]
    lost = np.linalg.norm(left, axis=1).reshape(-1, BLOCK).max(axis=1)
    assert (found.residuals >= lost).all()
    assert (found.residuals <= lost * (1 + d * 2.0**-22) + 3 * MEASURING * tile.norm + d * 2.0**-61).all()
    assert found.norm == tile.norm
