"""Other instructions change what is asked and nothing else, and the same seed asks the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.small import OPTIONS, loaded, query

from mbench.core.errors import UserError
from mbench.core.types import EvalData, Judgments, Rendering, Sets
from mbench.data.table import ArrowTable
from mbench.data.variants import derangement, has_opposite, limited, with_instructions


def data(instructions: list[str | None], **columns: list[Any]) -> EvalData:
    n = len(instructions)
    table = {"id": [f"q{i}" for i in range(n)], "text": [f"t{i}" for i in range(n)], "instruction": instructions}
    queries = ArrowTable.of(table | columns, name="queries")
    corpus = ArrowTable.of({"id": ["c"], "text": ["c"]}, name="corpus")
    return EvalData(queries, corpus, Judgments({"relevant": Sets.of([[0]] * n)}))


def asked(some: EvalData, column: str = "instruction") -> list[object]:
    return some.queries.column(column)


def test_default_changes_nothing_and_none_leaves_no_instruction() -> None:
    some = data(["a", "b"])
    assert with_instructions(some, "default") is some
    bare = with_instructions(some, "none")
    assert asked(bare) == [None, None]
    assert asked(bare, "text") == ["t0", "t1"]
    assert bare.judgments is some.judgments


def test_an_unknown_mode_comes_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'shufled' of --instructions.*default, none.*Did you mean 'shuffled'"):
        with_instructions(data(["a", "b"]), "shufled")


CODES = st.lists(st.integers(0, 4), min_size=2, max_size=40).filter(lambda codes: len(set(codes)) > 1)


@given(CODES, st.integers(0, 99))
def test_nobody_keeps_his_own_and_nothing_is_lost_where_that_can_be(codes: list[int], seed: int) -> None:
    values = np.array(codes, dtype=np.int64)
    order = derangement(values, np.random.default_rng(seed))
    assert (values[order] != values).all()
    if 2 * max(Counter(codes).values()) <= len(codes):
        assert sorted(order.tolist()) == list(range(len(codes)))


def test_equal_codes_have_no_derangement() -> None:
    with pytest.raises(ValueError, match="equal"):
        derangement(np.zeros(3, dtype=np.int64), np.random.default_rng(0))


def test_shuffling_depends_on_the_seed_alone() -> None:
    some = data([f"i{number}" for number in range(30)])
    assert asked(with_instructions(some, "shuffled", 1)) == asked(with_instructions(some, "shuffled", 1))
    assert asked(with_instructions(some, "shuffled", 1)) != asked(with_instructions(some, "shuffled", 2))
    assert set(asked(with_instructions(some, "shuffled", 1))) == set(asked(some))


@pytest.mark.parametrize(("instructions", "words"), [(["a", "a"], "the same instruction"), ([None], "no instruction")])
def test_one_instruction_cannot_be_shuffled(instructions: list[str | None], words: str) -> None:
    with pytest.raises(UserError, match=f"nothing to shuffle.*{words}"):
        with_instructions(data(instructions), "shuffled")


def test_paraphrases_are_drawn_by_seed_and_all_of_them_come_up() -> None:
    some = data(["a"] * 60, paraphrases=[["x", "y", "z"]] * 60)
    first = asked(with_instructions(some, "paraphrased", 7))
    assert first == asked(with_instructions(some, "paraphrased", 7))
    assert set(first) == {"x", "y", "z"}


@pytest.mark.parametrize("columns", [{}, {"paraphrases": [["x"], None]}, {"paraphrases": [["x"], []]}])
def test_missing_paraphrases_are_refused_by_query(columns: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"paraphrased: \d of 2 queries have no paraphrases"):
        with_instructions(data(["a", "b"], **columns), "paraphrased")


def test_the_opposite_is_asked_where_there_is_one() -> None:
    some = data(["a", "b"], opposite=["not a", None])
    assert asked(with_instructions(some, "opposite")) == ["not a", "b"]
    assert has_opposite(some.queries).tolist() == [True, False]
    with pytest.raises(UserError, match="no opposite questions"):
        with_instructions(data(["a"]), "opposite")


def test_a_task_whose_question_is_the_text_has_that_put_anew(tmp_path: Path) -> None:
    queries = [query("q1", text="with red", paraphrases=["now red"], opposite="with blue")]
    source = {"loader": "emoji", "shipped": True, "options": OPTIONS | {"rewords": "text"}}
    some = loaded(tmp_path, queries, source=source, query={"modality": "image+text"})
    for mode, text in (("paraphrased", "now red"), ("opposite", "with blue")):
        changed = with_instructions(some, mode)
        assert (asked(changed, "text"), asked(changed)) == ([text], ["what?"])
    assert asked(with_instructions(some, "none"), "text") == ["with red"]


def test_every_rendering_of_a_query_gets_the_same_instruction() -> None:
    some = data([f"i{number}" for number in range(9)])
    some = replace(some, renderings=(Rendering(some.queries, 0.5), Rendering(some.queries, 0.5)))
    changed = with_instructions(some, "shuffled", 3)
    assert all(one.items.column("instruction") == asked(changed) != asked(some) for one in changed.renderings)


def test_a_limit_keeps_the_first_queries_and_the_whole_corpus() -> None:
    some = data(["a", "b", "c"])
    part = limited(some, 2)
    assert part.queries.ids() == ["q0", "q1"]
    assert len(part.judgments.labels["relevant"]) == 2
    assert part.corpus is some.corpus
    assert limited(some, 99).queries.ids() == some.queries.ids()
    for wrong in (0, -1):
        with pytest.raises(UserError, match=f"--limit must be at least 1; it is {wrong}"):
            limited(some, wrong)
