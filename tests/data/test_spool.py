"""Columns put together in files are those of the batches, take no memory, and leave nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbench.core.errors import OutputError
from mbench.data import spool
from mbench.data.images import FolderImages
from mbench.data.loaders.mbeir_items import CANDIDATE, item_columns
from mbench.data.spool import gathered

WORDS = st.none() | st.text(max_size=4)
BATCHES = st.lists(st.lists(st.tuples(WORDS, WORDS), max_size=9), min_size=1, max_size=5)


def batch(rows: list[tuple[str | None, str | None]], skipped: int = 0) -> pa.RecordBatch:
    """A batch of two columns; `skipped` rows before it are in its buffers, as in a slice of a larger one."""
    kept = [("before", None)] * skipped + rows
    narrow, large = (
        pa.array([row[0] for row in kept], pa.string()),
        pa.array([row[1] for row in kept], pa.large_string()),
    )
    return pa.record_batch({"narrow": narrow, "large": large}).slice(skipped)


@given(BATCHES, st.integers(0, 3))
def test_the_table_is_that_of_the_batches(rows: list[list[tuple[str | None, str | None]]], skipped: int) -> None:
    batches = [batch(one, skipped) for one in rows]
    with tempfile.TemporaryDirectory() as folder:
        made = gathered(batches, Path(folder))
        assert not list(Path(folder).iterdir())
    made.validate(full=True)
    assert made.equals(pa.Table.from_batches(batches))
    assert all(made[name].num_chunks == 1 for name in made.column_names)


def test_a_column_beyond_offsets_of_32_bits_gets_wider_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "LARGEST", 3)
    made = gathered([batch([("ab", "x")]), batch([("cd", None)])], tmp_path)
    assert made["narrow"].type == pa.large_string()
    assert made["narrow"].to_pylist() == ["ab", "cd"]


def test_the_texts_are_not_held_in_memory(tmp_path: Path) -> None:
    """A pool of millions would take gigabytes."""
    many = (batch([("x" * 1000, "y" * 1000)] * 100) for _ in range(100))
    before = pa.total_allocated_bytes()
    made = gathered(many, tmp_path)
    assert pa.total_allocated_bytes() - before < 1_000_000
    assert made.nbytes > 20_000_000


def test_a_folder_that_cannot_be_written_is_named_and_items_are_then_gathered_in_memory(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(OutputError, match="absent: cannot be written"):
        gathered([batch([("a", "b")])], absent)
    pool = tmp_path / "pool.jsonl"
    pool.write_text('{"did": "1:1", "txt": "one", "img_path": null, "modality": "text"}\n')
    pictures = FolderImages(tmp_path)
    in_memory, in_files = (item_columns([pool], CANDIDATE, "pool", pictures, one) for one in (absent, tmp_path))
    assert in_memory.equals(in_files)
    assert in_memory["text"].to_pylist() == ["one"]
