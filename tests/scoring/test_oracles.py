"""The metrics against pytrec_eval and ranx, on the definitions that they share."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scoring.helpers import labels, metric, rankings

from mbench.core.types import Floats, Rankings
from mbench.metrics import evaluate

TREC = {"recall": "recall", "map_trec": "map_cut", "ndcg": "ndcg_cut", "hit": "success", "mrr": "recip_rank"}
RANX = {"hit": "hit_rate", "recall": "recall", "map_trec": "map", "ndcg": "ndcg", "mrr": "mrr"}
CUTS = (1, 2, 3, 5, 10, 100)
IDS = ["a", "b", "B", "10", "9", "é", "zz", "z", "a-1", "A", "0", "~"]


@dataclass(frozen=True)
class Case:
    """Scores and grades by candidate, one of each a query."""

    run: list[dict[str, float]]
    grades: list[dict[str, int]]

    def rankings(self) -> Rankings:
        """In the order of the project: score descending, then id descending."""
        ordered = [sorted(row, key=lambda one: (row[one], one.encode()), reverse=True) for row in self.run]
        return rankings([[IDS.index(one) for one in row] for row in ordered])

    def expected_queries(self) -> list[int]:
        return [q for q, row in enumerate(self.grades) if any(grade > 0 for grade in row.values())]

    def measured(self, name: str) -> Floats:
        rows = [[IDS.index(one) for one in row] for row in self.grades]
        return evaluate(metric(name), self.rankings(), labels(rows, [list(row.values()) for row in self.grades]))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    few_scores = st.integers(0, 3).map(lambda n: n / 4)
    runs = st.dictionaries(st.sampled_from(IDS), few_scores, min_size=1)
    graded = st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), min_size=1, max_size=8)
    return Case(*map(list, zip(*draw(st.lists(st.tuples(runs, graded), min_size=1, max_size=6)), strict=True)))


@settings(max_examples=150, deadline=None)
@given(cases())
def test_a_metric_departs_from_trec_eval_where_scores_tie(case: Case) -> None:
    qrels = {str(q): row for q, row in enumerate(case.grades)}
    run = {str(q): row for q, row in enumerate(case.run)}
    asked = {f"{name}.{','.join(map(str, CUTS))}" for name in TREC.values() if name != "recip_rank"} | {"recip_rank"}
    official = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(run)
    for ours, theirs in TREC.items():
        for k in (100,) if theirs == "recip_rank" else CUTS:
            key = theirs if theirs == "recip_rank" else f"{theirs}_{k}"
            expected = np.full(len(case.run), np.nan)
            for q in case.expected_queries():
                expected[q] = official[str(q)][key]
            np.testing.assert_allclose(case.measured(f"{ours}@{k}"), expected, rtol=1e-12, err_msg=key)


IN_RANX = """
import json, sys
from ranx import Qrels, Run, evaluate
case = json.load(sys.stdin)
scores = evaluate(Qrels(case["qrels"]), Run(case["run"]), case["metrics"], return_mean=False, make_comparable=True)
json.dump({name: list(map(float, values)) for name, values in scores.items()}, sys.stdout)
"""


def in_ranx(case: Case, metrics: list[str]) -> dict[str, list[float]]:
    """Ask ranx in a process of its own, as plain Python: compiling its functions takes longer than they run."""
    asked = {
        "qrels": {f"q{q:03}": row for q, row in enumerate(case.grades)},
        "run": {f"q{q:03}": row for q, row in enumerate(case.run)},
        "metrics": metrics,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_RANX],
        input=json.dumps(asked),
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[float]] = json.loads(done.stdout)
    return answer


def strict_case(random: np.random.Generator, n_queries: int) -> Case:
    """Without ties, whose order ranx leaves open, and with a relevant candidate for each query."""
    run, grades = [], []
    for _ in range(n_queries):
        ranked = random.permutation(IDS)[: random.integers(1, len(IDS) + 1)]
        run.append({str(one): 1.0 - place / 16 for place, one in enumerate(ranked)})
        judged = random.permutation(IDS)[: random.integers(1, 8)]
        grades.append({str(one): int(random.integers(1, 4)) for one in judged})
    return Case(run, grades)


def test_a_metric_departs_from_ranx() -> None:
    case = strict_case(np.random.default_rng(0), 200)
    answer = in_ranx(case, [f"{name}@{k}" for name in RANX.values() for k in CUTS])
    for ours, theirs in RANX.items():
        for k in CUTS:
            expected = answer[f"{theirs}@{k}"]
            np.testing.assert_allclose(case.measured(f"{ours}@{k}"), expected, rtol=1e-12, err_msg=f"{theirs}@{k}")
