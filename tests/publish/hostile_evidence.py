"""Rankings and scores by query that are no evidence: impossible, copied or invented."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
from tests.publish.hostile import (
    CIR,
    LONG,
    TASK,
    Case,
    Change,
    Rows,
    file,
    queries,
    queries_path,
    ranking,
    ranking_path,
    ranking_table,
    result_path,
    rows,
)

Row = dict[str, Any]


def swap_scores(row: Row) -> None:
    row["scores"] = row["scores"][::-1]


def repeat(row: Row) -> None:
    row["candidate_ids"] = [row["candidate_ids"][0], *row["candidate_ids"][:-1]]


def invent(row: Row) -> None:
    row["candidate_ids"] = ["nobody", *row["candidate_ids"][1:]]


def shallow(row: Row) -> None:
    row["candidate_ids"], row["scores"] = row["candidate_ids"][:3], row["scores"][:3]


def nothing(row: Row) -> None:
    row["candidate_ids"], row["scores"] = [], []


def no_number(row: Row) -> None:
    row["scores"] = [math.nan, *row["scores"][1:]]


def endless(row: Row) -> None:
    row["scores"] = [math.inf, *row["scores"][1:]]


def uneven(row: Row) -> None:
    row["scores"] = row["scores"][:-1]


def level(row: Row) -> None:
    row["scores"] = [0.5] * len(row["scores"])
    row["candidate_ids"] = sorted(row["candidate_ids"])


def all_tie_with_the_lowest(row: Row) -> None:
    """What a constant model would never leave: everything ties, and of all candidates the last ones are listed."""
    row["scores"] = [0.5] * len(row["scores"])
    row["candidate_ids"] = sorted(row["candidate_ids"], key=str.encode, reverse=True)


def own_picture(folder: Path) -> None:
    """Rank the query's own picture, which the task excludes, first."""
    from mbench.data.catalog import Catalog
    from mbench.data.loading import load

    data = load(Catalog.read().task(CIR))
    exclude = data.judgments.exclude
    assert exclude is not None
    names = {query: data.corpus.ids(exclude[row])[0] for row, query in enumerate(data.queries.ids())}

    def change(row: Row) -> None:
        row["candidate_ids"] = [names[row["query_id"]], *row["candidate_ids"][:-1]]

    ranking(rows(change), CIR)(folder)


def out_of_the_pool(row: Row) -> None:
    """Rank a candidate of the corpus in the subset, where it is none."""
    strange = next(name for name in row["candidate_ids"] if name not in row["subset_candidate_ids"])
    row["subset_candidate_ids"] = [strange, *row["subset_candidate_ids"][1:]]


def better(row: Row) -> None:
    """Another order than the one that the numbers came from."""
    row["candidate_ids"] = row["candidate_ids"][::-1]


def fewer_queries(table: Rows) -> Rows:
    return table[:-1]


def query_twice(table: Rows) -> Rows:
    return [*table, table[0]]


def other_query(table: Rows) -> Rows:
    return [{**table[0], "query_id": "nobody"}, *table[1:]]


def copied(folder: Path) -> None:
    """Take another model's ranking, its numbers and its scores by query; only the names in the result are one's own."""
    theirs = folder.parent / "random"
    ours, other = result_path(folder, LONG), result_path(theirs, LONG)
    mine = json.loads(ours.read_text())
    copy = json.loads(other.read_text()) | {"model": mine["model"], "run": mine["run"]}
    ours.write_text(json.dumps(copy))
    shutil.copyfile(ranking_path(theirs, LONG), ranking_path(folder, LONG))
    shutil.copyfile(queries_path(theirs, LONG), queries_path(folder, LONG))


def copied_with_other_scores(folder: Path) -> None:
    copied(folder)

    def change(row: Row) -> None:
        row["scores"] = [score * 0.5 + 0.1 for score in row["scores"]]

    ranking(rows(change), LONG)(folder)


def nearly_copied(folder: Path) -> None:
    copied(folder)

    def change(row: Row) -> None:
        row["candidate_ids"][-2:] = row["candidate_ids"][-2:][::-1]

    ranking(rows(change, 5), LONG)(folder)


def copied_to_the_cut(folder: Path) -> None:
    """Move what no metric looks at, in every list."""
    copied(folder)

    def change(row: Row) -> None:
        row["candidate_ids"][10:] = row["candidate_ids"][:9:-1]

    ranking(rows(change), LONG)(folder)


def trec(text: str) -> Change:
    """Put a TREC run in the place of the ranking."""

    def change(folder: Path) -> None:
        ranking_path(folder).unlink()
        result_path(folder).with_name(f"{TASK}.trec").write_text(text)

    return change


def scored_better(table: pa.Table) -> pa.Table:
    return table.set_column(1, "hit@1", pa.array([1.0] * len(table)))


def other_metric(table: pa.Table) -> pa.Table:
    return table.append_column("best@1", table["hit@1"])


def queries_of_others(table: pa.Table) -> pa.Table:
    return table.set_column(0, "query_id", pa.array([f"q{number}" for number in range(len(table))]))


def without_subset(table: pa.Table) -> pa.Table:
    return table.drop_columns(["subset_candidate_ids", "subset_scores"])


def with_lists(table: pa.Table) -> pa.Table:
    return table.append_column("x", pa.array([[1.0]] * len(table)))


RANKINGS = [
    Case("rising scores", "ranking-order", ranking(rows(swap_scores), LONG)),
    Case("a candidate twice", "ranking-twice", ranking(rows(repeat, 1))),
    Case("an unknown candidate", "ranking-unknown", ranking(rows(invent, 1))),
    Case("too few candidates for the metrics", "ranking-depth", ranking(rows(shallow, 1), LONG)),
    Case("no candidates", "ranking-depth", ranking(rows(nothing, 1))),
    Case("a score that is no number", "ranking-score", ranking(rows(no_number, 1))),
    Case("an infinite score", "ranking-score", ranking(rows(endless, 1))),
    Case("fewer scores than candidates", "parquet-schema", ranking(rows(uneven, 1))),
    Case("ties in an order of choice", "ranking-ties", ranking(rows(level), LONG)),
    Case("ties with candidates of choice", "ranking-ties", ranking(rows(all_tie_with_the_lowest), LONG)),
    Case("the query's own picture", "ranking-excluded", own_picture, "random"),
    Case("a candidate out of the pool", "ranking-pool", ranking(rows(out_of_the_pool, 1), CIR), "random"),
    Case("a query less", "ranking-queries", ranking(fewer_queries)),
    Case("a query twice", "ranking-queries", ranking(query_twice)),
    Case("an unknown query", "ranking-queries", ranking(other_query)),
    Case("a better ranking than the numbers are of", "metric-differs", ranking(rows(better))),
    Case(
        "a pool left out",
        "ranking-pool",
        ranking_table(without_subset, CIR),
        "random",
    ),
]

COPIES = [
    Case("another's ranking, byte for byte", "copied-ranking", copied),
    Case("another's ranking with other scores", "copied-ranking", copied_with_other_scores),
    Case("another's ranking with a few swaps", "copied-ranking", nearly_copied),
    Case("another's ranking, its tail turned round", "copied-ranking", copied_to_the_cut),
]

OTHERS = [
    Case("a TREC run of five columns", "ranking-trec", trec("q Q0 c 1 0.5\n")),
    Case("a TREC run with words as scores", "ranking-trec", trec("q Q0 c 1 best tag\n")),
    Case("a TREC run that is no text", "ranking-trec", trec("\x00 Q0\n")),
    Case("a TREC run of other queries", "ranking-queries", trec("q Q0 c 1 0.5 tag\n")),
    Case("a TREC run with an infinite score", "ranking-score", trec("q Q0 c 1 inf tag\n")),
    Case("a TREC run beside the ranking", "stray-file", file("{results}/emoji-vqa.trec", b"q Q0 c 1 0.5 tag\n")),
    Case("better scores by query", "per-query-differs", queries(scored_better)),
    Case("scores of a metric that the task has not", "per-query-differs", queries(other_metric)),
    Case("scores of other queries", "per-query-differs", queries(queries_of_others)),
    Case(
        "scores as lists",
        "parquet-schema",
        queries(with_lists),
    ),
]

CASES = [*RANKINGS, *COPIES, *OTHERS]
