"""Compiled loops: the same numbers, and a run that goes on where numba, its switch or its folder is in the way."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from mbench.core.compiled import Loop, Part, Payoff, available, compiled, compiled_exactly
from mbench.core.types import Floats, Rows


@compiled
def doubled(values: Rows, found: Rows) -> None:
    """Write twice the values."""
    for place in range(len(values)):
        found[place] = 2 * values[place]


@compiled
def doubled_twice(values: Rows, found: Rows) -> None:
    """Write four times the values, by a loop that calls a loop."""
    doubled(values, found)
    doubled(found, found)


@Part
def tripled() -> Any:
    """Return a function that adds a number up three times."""
    from numba.core import types
    from numba.extending import intrinsic

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.fadd(builder.fadd(given[0], given[0]), given[0])

    def tripled(typing: Any, value: Any) -> Any:
        return types.float64(types.float64), code

    return intrinsic(tripled)


@compiled
def three_times(values: Floats, found: Floats) -> None:
    """Write three times the values, by a part."""
    for place in range(len(values)):
        found[place] = tripled(values[place])


@compiled_exactly
def squares_added_up(rows: Floats, found: Floats) -> None:
    """Write the sums of the squares of each row, from the first to the last."""
    for row in range(len(rows)):
        total = 0.0
        for place in range(rows.shape[1]):
            total += rows[row, place] * rows[row, place]
        found[row] = total


@pytest.fixture
def numba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library, which keeps what it compiles in a folder of the test."""
    if not available():
        pytest.skip("numba is not installed, or switched off")
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return numba


@pytest.fixture
def unasked() -> Iterator[None]:
    """Nobody has asked yet whether loops can be compiled; nor has anybody afterwards."""
    available.cache_clear()
    yield
    available.cache_clear()


def fresh() -> Loop[[Rows, Rows]]:
    """The loop that calls a loop, as a process has it that has called neither."""
    doubled.__dict__.pop("machine", None)
    return Loop(doubled_twice.written)


def four_times(loop: Loop[[Rows, Rows]], count: int = 100) -> bool:
    values = np.arange(count)
    found = np.zeros_like(values)
    loop(values, found)
    return bool((found == 4 * values).all())


def test_a_loop_that_calls_a_loop_is_compiled_with_it_and_kept_on_disk(numba: Any, tmp_path: Path) -> None:
    loop = fresh()
    assert four_times(loop)
    assert loop.machine.signatures and doubled.machine.signatures
    assert {path.name.split("-")[0].split(".")[-1] for path in tmp_path.rglob("*.nbc")} == {"doubled", "doubled_twice"}
    again = fresh()
    assert four_times(again) and sum(again.machine.stats.cache_hits.values()) == 1


def test_a_loop_is_compiled_in_a_process_that_can_write_nowhere(numba: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.core.caching.CompileResultCacheImpl._locator_classes", [])
    assert four_times(fresh())


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EROFS, "Read-only")])
def test_a_disk_that_is_full_ends_no_run(numba: Any, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def save(self: object, key: object, data: object) -> None:
        raise error

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", save)
    loop = fresh()
    assert four_times(loop) and four_times(loop, 7)


@pytest.mark.parametrize("damaged", ["*.nbi", "*.nbc"])
def test_what_was_damaged_on_disk_is_compiled_anew(numba: Any, tmp_path: Path, damaged: str) -> None:
    assert four_times(fresh())
    files = list(tmp_path.rglob(damaged))
    for path in files:
        path.write_bytes(path.read_bytes()[:-20])
    assert files
    assert four_times(fresh())


def test_an_error_of_the_loop_itself_is_raised(numba: Any) -> None:
    with pytest.raises(Exception, match=r"NoneType|none"):
        fresh()(None, np.zeros(3, dtype=np.int64))  # type: ignore[arg-type]


def test_threads_may_call_a_loop_for_the_first_time_at_once(numba: Any) -> None:
    loop, together = fresh(), Barrier(8)

    def call(count: int) -> bool:
        together.wait()
        return four_times(loop, count)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(100, 108)))


@pytest.mark.parametrize("line", ["raise ImportError('Numba needs NumPy 2.5 or less')", "raise OSError('libLLVM.so')"])
@pytest.mark.usefixtures("unasked")
def test_a_numba_that_cannot_be_imported_is_as_none(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text(line + "\n")
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert not available()


@pytest.mark.usefixtures("unasked")
def test_without_numba_no_work_is_worth_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert not available() and not Payoff(0).worth(10**9)


def test_the_switch_of_numba_is_obeyed() -> None:
    program = "from mbench.core.compiled import available; print(available())"
    words, surroundings = [sys.executable, "-c", program], os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(words, env=surroundings, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_loops_pay_after_enough_work_and_nothing_is_loaded_before(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def ask() -> bool:
        asked.append(True)
        return True

    monkeypatch.setattr("mbench.core.compiled.available", ask)
    payoff = Payoff(10)
    assert [payoff.worth(5), payoff.worth(5), payoff.worth(0)] == [False] * 3 and not asked
    assert payoff.worth(1) and payoff.worth(0) and len(asked) == 2


@pytest.fixture
def anew(numba: Any) -> None:
    """No loop with parts or exact sums was compiled yet."""
    for loop in (tripled, three_times, squares_added_up):
        loop.__dict__.pop("machine", None)


def tripled_rightly() -> bool:
    values = np.arange(50.0) / 7
    found = np.zeros(50)
    three_times(values, found)
    return bool((found == values + values + values).all())


@pytest.mark.usefixtures("anew")
def test_a_part_is_put_into_the_loop_that_calls_it_and_kept_on_disk_with_it(tmp_path: Path) -> None:
    assert tripled_rightly()
    assert {path.name.split("-")[0].split(".")[-1] for path in tmp_path.rglob("*.nbc")} == {"three_times"}
    three_times.__dict__.pop("machine")
    assert tripled_rightly() and sum(three_times.machine.stats.cache_hits.values()) == 1


@pytest.mark.usefixtures("anew")
def test_a_loop_with_a_part_is_compiled_in_a_process_that_can_write_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.core.caching.CompileResultCacheImpl._locator_classes", [])
    assert tripled_rightly()


def test_a_part_that_is_called_where_nothing_is_compiled_says_so_and_imports_nothing() -> None:
    part = Part(lambda: pytest.fail("numba was asked for"))
    with pytest.raises(TypeError, match="there for compiled loops alone"):
        part(1.0)
    assert tripled.__doc__ == "Return a function that adds a number up three times."


@pytest.mark.usefixtures("anew")
def test_sums_of_an_exact_loop_are_added_up_as_they_are_written() -> None:
    rows, found = np.random.default_rng(0).standard_normal((20, 1024)), np.zeros(20)
    one_by_one = np.cumsum(rows * rows, axis=1)[:, -1]
    for lanes in (2, 4, 8, 16, 32, 64):
        in_lanes = (rows * rows).reshape(20, -1, lanes).cumsum(axis=1)[:, -1].sum(axis=1)
        assert (in_lanes != one_by_one).any(), "these must be sums whose order shows"
    squares_added_up(rows, found)
    assert np.array_equal(found, one_by_one)
