"""Stability: what moves an embedding is found and named, whatever lies in the store; the sample keeps its questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.run.helpers import Counting, data_of, model, run

from mbench.core.errors import MbenchError
from mbench.core.extras import Stability
from mbench.core.types import Encoder, Item, LoadOptions, Role, Vectors
from mbench.models.options import Args
from mbench.run.model import Loaded
from mbench.run.sample import sampled
from mbench.run.settings import Extras
from mbench.run.variations import Change, changes

TASK = "emoji-vqa"
ASKED = Extras(report=("stability",))


class Nervous(Counting):
    """A model whose vectors depend on the batch they come in."""

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        noise = np.random.default_rng(len(items)).normal(size=(1, 128)).astype(np.float32)
        return np.asarray(super().encode(items, role=role) + 0.1 * noise * (len(items) == 1), dtype=np.float32)


class Forgetful(Counting):
    """A model that never gives the same vector twice."""

    calls = 0

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        self.calls += 1
        noise = np.random.default_rng(self.calls).normal(size=(len(items), 128)).astype(np.float32)
        return np.asarray(super().encode(items, role=role) + 0.2 * noise, dtype=np.float32)


class Alone(Counting):
    """A model that fails with a single item."""

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        if len(items) == 1:
            raise ValueError("too few items for a batch norm")
        return super().encode(items, role=role)


def stability(encoder: Encoder | None = None, limit: int = 30) -> Stability:
    found = run(TASK, ASKED, encoder=encoder, limit=limit).stability
    assert found is not None
    return found


def test_batches_that_move_embeddings_are_found() -> None:
    found = stability(Nervous(model()))
    assert found.variations["again"].embedding_change == 0
    assert found.variations["batch size 1"].embedding_change > 0.01
    assert found.variations["batch size 1"].setup.batch_size == 1
    assert found.variations["batch size 7"].embedding_change < found.variations["batch size 1"].embedding_change


def test_a_model_that_is_never_the_same_is_found_although_its_embeddings_are_stored() -> None:
    found = stability(Forgetful(model()))
    assert found.variations["again"].embedding_change > 0.01


def test_the_largest_change_of_a_score_is_told_with_its_metric() -> None:
    found = run("emoji-ctrl", ASKED, encoder=Forgetful(model()), limit=40).stability
    assert found is not None
    for one in found.variations.values():
        assert one.metric in found.metrics
        assert abs(one.score_change) <= 1


def test_precisions_are_models_of_their_own_and_say_so() -> None:
    found = stability()
    base = found.setup
    assert (base.dtype, base.device, base.batch_size, base.threads) == ("float32", "cpu", 64, torch.get_num_threads())
    bf16 = found.variations["dtype bf16"]
    assert bf16.setup.dtype == "bfloat16" and bf16.setup.model_fingerprint != base.model_fingerprint
    assert 1e-6 < bf16.embedding_change < 1e-2
    one = found.variations["batch size 1"]
    assert one.setup.model_fingerprint == base.model_fingerprint
    assert one.embedding_change < 1e-9 and one.score_change == 0


def test_what_cannot_vary_here_is_said() -> None:
    found = stability(Counting(model()))
    assert "names no precision" in found.unavailable["dtype"]
    assert "no argument" in found.unavailable["picture size"]


def test_a_setup_under_which_the_model_fails_does_not_lose_the_others() -> None:
    found = stability(Alone(model()), limit=20)
    assert "too few items" in found.unavailable["batch size 1"]
    assert {"again", "batch size 7"} <= set(found.variations)


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    stability(limit=5)
    assert torch.get_num_threads() == before


def test_an_argument_that_limits_pixels_is_varied_over_its_other_values() -> None:
    from typing import Literal

    class Sized(Args):
        resolution: Literal["native", "low", "high"] = "native"

    class Resizing(Counting):
        args = Sized

    loaded = Loaded(Resizing(model()), LoadOptions(args={"resolution": "low"}), {})
    found = list(changes(loaded, Change("", loaded.options, 64, 1)))
    sizes = {one.name: one.options.args["resolution"] for one in found if one.name.startswith("resolution")}
    assert sizes == {"resolution native": "native", "resolution high": "high"}


@given(st.integers(1, 40), st.integers(1, 200), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_a_sample_asks_the_same_questions_of_fewer_candidates(n_queries: int, n_candidates: int, seed: int) -> None:
    whole = data_of("emoji-cir", 40)
    part = sampled(whole, seed, n_queries, n_candidates)
    assert len(part.queries) == n_queries
    assert len(part.corpus) >= min(n_candidates, len(whole.corpus))
    place = {name: row for row, name in enumerate(whole.queries.ids())}
    for query, name in enumerate(part.queries.ids()):
        for own, all_ in (
            (part.judgments.labels, whole.judgments.labels),
            (part.judgments.pools, whole.judgments.pools),
        ):
            for key in all_:
                assert part.corpus.ids(own[key][query]) == whole.corpus.ids(all_[key][place[name]])
        assert part.judgments.exclude is not None and whole.judgments.exclude is not None
        assert part.corpus.ids(part.judgments.exclude[query]) == whole.corpus.ids(whole.judgments.exclude[place[name]])


def test_a_run_s_own_setup_that_fails_fails_the_run() -> None:
    class Broken(Counting):
        def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
            raise ValueError("no weights")

    with pytest.raises(MbenchError, match="no weights"):
        stability(Broken(model()))
