"""Ended at any moment, a run loses at most the shard in work, and the next one finishes what an undisturbed one would.

50 moments in five phases and 8 of the clock are drawn with fixed seeds; each is a SIGKILL to a process of its own.
"""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest
from tests.faults.conftest import Place, Reference
from tests.faults.driver import SHARD_ROWS

BATCH = 32
EACH = {"encoding": 3, "writing": 6}
"""Events are drawn from the first part in so many, so that a run can be killed five times before it is done."""
pytestmark = pytest.mark.faults


def killed(place: Place, phase: str, event: int, tmp_path: Path, *more: object) -> None:
    """Kill a run at an event, and see that what it had encoded is stored, but for the shard in work."""
    log, before = tmp_path / "encoded.txt", place.stored()
    log.unlink(missing_ok=True)
    done = place.run(*more, at=[phase, event], log=str(log))
    assert done.signal == signal.SIGKILL, done.printed
    encoded = sum(map(int, log.read_text().split())) if log.exists() else 0
    assert encoded - (place.stored() - before) < SHARD_ROWS + BATCH


@pytest.mark.parametrize("phase", ["encoding", "writing"])
@pytest.mark.parametrize("seed", range(2))
def test_a_run_killed_again_and_again_while_it_encodes_goes_on_each_time(
    place: Place, reference: Reference, tmp_path: Path, phase: str, seed: int
) -> None:
    draw = random.Random(f"{phase} {seed}")
    for _ in range(5):
        killed(place, phase, draw.randint(1, reference.counts[phase] // EACH[phase]), tmp_path)
        assert place.result() == {}
    kept = place.stored()
    log = tmp_path / "rest.txt"
    done = place.run(log=str(log))
    assert done.code == 0, done.printed
    assert place.result() == reference.result
    assert place.stored() == reference.vectors
    assert kept > 0 and sum(map(int, log.read_text().split())) == reference.vectors - kept


@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_in_search_metrics_or_writing_results_leaves_all_or_nothing(
    place: Place, reference: Reference, tmp_path: Path, seed: int
) -> None:
    assert place.run().code == 0
    for phase in ("search", "metrics", "results"):
        draw = random.Random(f"{phase} {seed}")
        for _ in range(4 if phase == "results" else 3):
            killed(place, phase, draw.randint(1, reference.counts[phase]), tmp_path, "--overwrite")
            left = place.result()
            assert left.items() <= reference.result.items()
            assert len(left) == 3 or "emoji-ctrl.json" not in left
    done = place.run()
    assert done.code == 0, done.printed
    assert place.result() == reference.result
    assert place.stored() == reference.vectors


def test_a_run_killed_by_the_clock_is_finished_by_the_next(place: Place, reference: Reference) -> None:
    draw = random.Random(0)
    for _ in range(8):
        shutil.rmtree(place.output, ignore_errors=True)
        done = place.run(after=draw.uniform(0.2, 1.2))
        assert done.signal == signal.SIGKILL or done.code == 0, done.printed
        place.stored()
    assert place.run().code == 0
    assert place.result() == reference.result


def test_ctrl_c_keeps_every_vector_and_says_130(place: Place, reference: Reference, tmp_path: Path) -> None:
    log = tmp_path / "encoded.txt"
    event = reference.counts["encoding"] // 3
    done = place.run(at=["encoding", event], signal=int(signal.SIGINT), log=str(log))
    assert (done.code, done.signal) == (130, None)
    assert "Interrupted; what was finished is kept." in done.printed and "Traceback" not in done.printed
    finished = sum(map(int, log.read_text().split()))
    assert finished - BATCH <= place.stored() <= finished and place.stored() > 0
    assert place.run().code == 0
    assert place.result() == reference.result
