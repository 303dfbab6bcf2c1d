"""Evidence made small without losing a number: rankings as deep as they are needed, scores in single precision.

A run keeps at least 50 candidates a query in double precision. What is recomputed from a ranking needs the deepest cut
of the task, one more candidate to see a tie, and what the diagnostics look at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mbench.core.files import write_atomically
from mbench.core.specs import TaskSpec
from mbench.core.types import MAIN_POOL, Floats, Rows
from mbench.data.prediction_files import RankedLists
from mbench.publish.submission.parquet import read_queries, read_rankings
from mbench.scoring.geometry import NEIGHBOURS

LEVEL = 19
"""Of zstd: written once, read often."""


def compact_ranking(source: Path, target: Path, spec: TaskSpec) -> None:
    """Write a ranking again, cut and rounded. Raises ParquetError for one that cannot be read, OutputError."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for pool, lists in read_rankings(source).items():
        one = _cut(lists, max(spec.depth, NEIGHBOURS) + 1)
        prefix = "" if pool == MAIN_POOL else f"{pool}_"
        columns["query_id"] = one.queries
        starts = pa.array(one.starts.astype(np.int32))
        scores = rounded(np.zeros(0) if one.scores is None else one.scores, one.starts)
        columns[f"{prefix}candidate_ids"] = pa.ListArray.from_arrays(starts, one.candidates)
        columns[f"{prefix}scores"] = pa.ListArray.from_arrays(starts, pa.array(scores))
    _write(target, pa.table(columns))


def compact_queries(source: Path, target: Path) -> None:
    """Write the scores by query again, packed tighter. Raises ParquetError for one that cannot be read, OutputError."""
    import pyarrow as pa

    table = read_queries(source)
    columns: dict[str, Any] = {"query_id": pa.array(table.queries, pa.string())}
    columns |= {key: pa.array(values, pa.float64(), from_pandas=True) for key, values in table.columns.items()}
    _write(target, pa.table(columns))


def rounded(scores: Floats, starts: Rows) -> Floats:
    """Return scores in single precision, except the lists of which the order or a tie would change: those stay."""
    single = scores.astype(np.float32).astype(np.float64)
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    moved = (np.sign(np.diff(single)) != np.sign(np.diff(scores))) & (np.diff(owner) == 0)
    kept = np.isin(owner, owner[:-1][moved]) if len(owner) else np.zeros(0, dtype=np.bool_)
    return np.where(kept | ~np.isfinite(single), scores, single)


def _cut(lists: RankedLists, depth: int) -> RankedLists:
    import pyarrow as pa

    sizes = np.diff(lists.starts)
    places = np.arange(len(lists.candidates)) - np.repeat(lists.starts[:-1], sizes)
    inside = places < depth
    starts = np.concatenate([[0], np.cumsum(np.minimum(sizes, depth))]).astype(np.int64)
    scores = None if lists.scores is None else lists.scores[inside]
    return RankedLists(lists.queries, starts, lists.candidates.filter(pa.array(inside)), scores)


def _write(path: Path, table: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lists = [name for name in table.column_names if pa.types.is_list(table[name].type)]
    scores = {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in lists if name.endswith("scores")}
    texts = [f"{name}.list.element" for name in lists if name.endswith("_ids")]
    flat = [name for name in table.column_names if name not in lists and name != "query_id"]

    def write(temporary: Path) -> None:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=LEVEL,
            use_dictionary=[*texts, *flat],
            column_encoding=scores or None,
            write_page_checksum=True,
        )

    write_atomically(path, write)
