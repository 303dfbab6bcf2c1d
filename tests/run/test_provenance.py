"""What a result says of how it was made is what happened."""

from __future__ import annotations

import pytest
from tests.run.helpers import Counting, model

from mbench.core.errors import UserError
from mbench.core.types import LoadOptions
from mbench.models.baselines import Random, TextOnly
from mbench.models.catalog import load_model
from mbench.run import provenance
from mbench.run.provenance import device_of, model_ref, precision_of, store_name


def test_half_precision_is_not_called_float32() -> None:
    assert precision_of(model()) == "float32"
    half = load_model("tiny", LoadOptions(dtype="bf16"))
    assert precision_of(half) == "bfloat16"
    assert precision_of(TextOnly.of(half)) == "bfloat16", "a wrapper computes as what it wraps"


def test_a_model_that_names_no_precision_is_taken_for_what_vectors_are() -> None:
    assert precision_of(Random.load(LoadOptions())) == "float32"
    assert precision_of(Counting(model())) == "float32"


def test_the_device_is_the_one_that_was_asked_for_where_the_model_follows() -> None:
    assert device_of(model(), LoadOptions(device="cpu")) == "cpu"
    assert device_of(Random.load(LoadOptions()), LoadOptions(device="cuda:9")) == "cpu"
    with pytest.raises(UserError, match="cuda:99"):
        device_of(model(), LoadOptions(device="cuda:99"))


def test_embeddings_of_two_releases_of_a_library_are_never_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    ref = model_ref(model(), LoadOptions())
    before = store_name(ref)
    assert store_name(ref) == before
    monkeypatch.setattr(provenance, "version", lambda name: "99.0" if name == "pillow" else "1.0")
    upgraded = store_name(ref)
    monkeypatch.setattr(provenance, "version", lambda name: "1.0")
    assert len({before, upgraded, store_name(ref)}) == 3
    assert model_ref(model(), LoadOptions()).fingerprint == ref.fingerprint, "a result keeps its fingerprint"
