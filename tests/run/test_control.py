"""The control report: its numbers are those of single runs with other instructions, on the same candidates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.run.families import family
from tests.run.helpers import LIMIT, Counting, data_of, model, queries, run, units

from mbench.core.errors import UserError
from mbench.core.extras import Control
from mbench.core.types import LoadOptions
from mbench.data.variants import has_opposite, with_instructions
from mbench.models.baselines import Constant, ImageOnly, Random
from mbench.run.control import WORDINGS
from mbench.run.settings import Extras

TASK = "emoji-ctrl"
ASKED = Extras(report=("control",))


@pytest.fixture(scope="module")
def control() -> Control:
    found = run(TASK, ASKED).control
    assert found is not None
    return found


@pytest.mark.parametrize("mode", ["none", "shuffled", "paraphrased", "opposite"])
def test_each_variant_is_the_run_with_those_instructions(control: Control, mode: str) -> None:
    alone = run(TASK, instructions=mode)
    assert control.variants[mode].metrics == alone.metrics


def test_gain_and_drop_are_differences_to_the_run_itself(control: Control) -> None:
    plain = run(TASK).metrics["recall@1"].value
    for mode, difference in (("none", control.control_gain), ("shuffled", control.misinstruction_drop)):
        assert difference is not None
        assert difference.value == pytest.approx(plain - control.variants[mode].metrics["recall@1"].value)
        assert difference.n == LIMIT
        assert difference.low is not None and difference.high is not None
        assert difference.low <= difference.value <= difference.high
        assert 0 < difference.p <= 1


def test_the_embeddings_move_by_their_mean_cosine_distance(control: Control) -> None:
    data = data_of(TASK)
    for mode in ("none", "opposite"):
        changed = with_instructions(data, mode)
        cosines = np.einsum("nd,nd->n", units(queries(data), "query"), units(queries(changed), "query"))
        assert control.variants[mode].moved == pytest.approx(1 - cosines.mean(), abs=1e-6)


def test_group_hits_are_compared_too(control: Control) -> None:
    assert set(control.variants["none"].differences) == {"recall@1", "group_hit@1"}


def test_the_spread_is_over_the_task_s_wording_and_several_draws_of_paraphrases(control: Control) -> None:
    scores = [run(TASK).metrics["recall@1"].value]
    scores += [run(TASK, instructions="paraphrased", seed=n).metrics["recall@1"].value for n in range(WORDINGS)]
    spread = control.paraphrase_spread
    assert spread is not None and spread.wordings == WORDINGS + 1
    assert (spread.lowest, spread.highest) == (min(scores), max(scores))
    assert spread.value == pytest.approx(max(scores) - min(scores))


def test_candidates_are_embedded_once() -> None:
    plain, asked = Counting(model()), Counting(model())
    run(TASK, encoder=plain)
    run(TASK, ASKED, encoder=asked)
    assert asked.embedded["candidate"] == plain.embedded["candidate"]


def test_a_model_that_reads_no_instructions_gains_exactly_nothing() -> None:
    found = run(TASK, ASKED, encoder=ImageOnly(model())).control
    assert found is not None and found.control_gain is not None
    assert found.control_gain.value == 0 and found.control_gain.p == 1
    assert all(one.moved == 0 for one in found.variants.values())


def test_opposite_is_over_the_queries_that_have_one() -> None:
    data = data_of("emoji-vqa", 200)
    having = int(has_opposite(data.queries).sum())
    assert 0 < having < 200
    found = run("emoji-vqa", ASKED, limit=200).control
    assert found is not None
    assert found.variants["opposite"].metrics["hit@1"].n == having
    assert found.variants["opposite"].differences["hit@1"].n == having
    assert found.variants["none"].metrics["hit@1"].n == 200


def test_a_single_query_with_an_opposite_loses_nothing_but_that_number() -> None:
    having = has_opposite(data_of("emoji-vqa", 200).queries)
    limit = int(np.flatnonzero(having)[0]) + 1
    assert 2 <= limit < int(np.flatnonzero(having)[1]) + 1
    found = run("emoji-vqa", ASKED, limit=limit).control
    assert found is not None and "none" in found.variants
    assert "at least 2" in found.unavailable["opposite"]


def test_what_a_task_does_not_offer_is_said() -> None:
    found = run("emoji-cir", ASKED, encoder=Constant.load(LoadOptions())).control
    assert found is not None and set(found.variants) == {"none", "paraphrased"}
    assert "nothing to shuffle" in found.unavailable["shuffled"]
    assert "no opposite" in found.unavailable["opposite"]
    assert found.misinstruction_drop is None


def test_a_task_without_instructions_gets_reasons_and_no_numbers(tmp_path: Path) -> None:
    task, _ = family("coco", tmp_path)
    found = run(task, ASKED, encoder=Constant.load(LoadOptions()), data_root=tmp_path).control
    assert found is not None and not found.variants and found.control_gain is None
    assert "no instructions" in found.unavailable["none"]
    assert set(found.unavailable) == {"none", "shuffled", "paraphrased", "opposite"}


def test_embeddings_that_were_made_before_cannot_be_asked_otherwise() -> None:
    """A gain of 0 would be a statement about a model that nobody asked."""
    found = run(TASK, ASKED, encoder=Random.load(LoadOptions())).control
    assert found is not None and not found.variants
    assert all("cannot be asked otherwise" in why for why in found.unavailable.values())


def test_other_instructions_and_the_report_exclude_each_other() -> None:
    with pytest.raises(UserError, match="leave --instructions out"):
        run(TASK, ASKED, instructions="none")


def test_withheld_labels_have_nothing_to_compare() -> None:
    with pytest.raises(UserError, match=r"--report control: the labels of task 'cirr-test' are withheld"):
        run("cirr-test", ASKED, encoder=Constant.load(LoadOptions()))
