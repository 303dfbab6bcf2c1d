"""Ablations: what is taken away is gone, what is left is embedded as it is, and the candidates are not touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.run.helpers import LIMIT, Counting, candidates, data_of, hit_at_1, model, queries, run, units

from mbench.core.errors import UserError
from mbench.core.specs import Modality
from mbench.core.types import Encoder, Item, LoadOptions
from mbench.models.baselines import Random, TextOnly
from mbench.models.blank import BlankPictures
from mbench.run.ablation import SEEN
from mbench.run.settings import ABLATIONS, Extras

TASK = "emoji-vqa"


def grey(item: Item) -> Item:
    assert item.image is not None
    return replace(item, image=Image.new("RGB", item.image.size, (128, 128, 128)))


CHANGES = {
    "text-only": lambda item: replace(item, image=None),
    "image-only": lambda item: replace(item, text=None, instruction=None),
    "no-reference": grey,
}


def only(encoder: Encoder, modalities: list[Modality]) -> Encoder:
    """The model, whose card names fewer modalities."""
    less = Counting(encoder)
    less.card = encoder.card.model_copy(update={"modalities": modalities})
    return less


def test_every_ablation_is_the_score_of_the_changed_queries() -> None:
    data = data_of(TASK)
    corpus, whole = units(candidates(data), "candidate"), units(queries(data), "query")
    found = run(TASK, Extras(ablate=ABLATIONS))
    assert found.ablations is not None and list(found.ablations.variants) == list(ABLATIONS)
    for name, change in CHANGES.items():
        changed = units(queries(data, change), "query")
        variant = found.ablations.variants[name]
        score = hit_at_1(data, changed @ corpus.T)
        assert variant.metrics["hit@1"].value == pytest.approx(score), name
        difference = variant.differences["hit@1"]
        assert difference.value == pytest.approx(hit_at_1(data, whole @ corpus.T) - score), name
        assert difference.n == LIMIT
        assert difference.low is not None and difference.low <= difference.value
        moved = 1 - np.einsum("nd,nd->n", whole, changed).mean()
        assert variant.moved == pytest.approx(moved, abs=1e-6), name


def test_text_only_and_no_reference_are_not_the_same_question() -> None:
    items = queries(data_of(TASK))
    of_text, composed = TextOnly(model()), BlankPictures(model())
    cosines = np.einsum("nd,nd->n", units(items, "query", of_text), units(items, "query", composed))
    assert cosines.max() < 0.99
    assert "image" not in of_text.needs and "image" in composed.needs


def test_candidates_are_embedded_once_however_many_ablations_there_are() -> None:
    plain, ablated = Counting(model()), Counting(model())
    run(TASK, encoder=plain)
    run(TASK, Extras(ablate=ABLATIONS), encoder=ablated)
    assert ablated.embedded["candidate"] == plain.embedded["candidate"]
    assert ablated.embedded["query"] > plain.embedded["query"]


def test_scores_of_the_run_are_the_same_with_and_without_ablations() -> None:
    assert run(TASK, Extras(ablate=ABLATIONS)).metrics == run(TASK).metrics


def test_a_model_that_embeds_no_pictures_alone_gets_the_reason_and_no_number() -> None:
    found = run(TASK, Extras(ablate=ABLATIONS), encoder=only(model(), ["text", "image+text"])).ablations
    assert found is not None and set(found.variants) == {"text-only", "no-reference"}
    assert "embeds no image alone" in found.unavailable["image-only"]


def test_a_model_that_looks_at_nothing_gets_the_reason_and_no_number() -> None:
    found = run(TASK, Extras(ablate=ABLATIONS), encoder=Random.load(LoadOptions())).ablations
    assert found is not None and not found.variants
    assert all("never looks at" in found.unavailable[name] for name in ABLATIONS)


@pytest.mark.parametrize(("task", "lacking"), [("emoji-t2i", "no picture")])
def test_queries_that_are_not_composed_get_the_reason_and_no_number(task: str, lacking: str) -> None:
    found = run(task, Extras(ablate=("text-only",)), encoder=Random.load(LoadOptions())).ablations
    assert found is not None and not found.variants
    assert lacking in found.unavailable["text-only"]


def test_a_blank_picture_has_the_size_of_the_one_it_replaces_and_tells_nothing_else() -> None:
    class Recorder(Counting):
        def encode(self, items, *, role):  # type: ignore[no-untyped-def]
            self.seen = [(item.image.size, item.image.getcolors()) if item.image else None for item in items]
            return super().encode(items, role=role)

    inner = Recorder(model())
    items = [Item("a", "an apple", Image.radial_gradient("L").resize((60, 40))), Item("b", "a pear")]
    BlankPictures(inner).encode(items, role="query")
    assert inner.seen == [((60, 40), [(2400, (128, 128, 128))]), None]


def test_the_identity_of_a_model_with_blank_pictures_is_another() -> None:
    assert BlankPictures(model()).identity != getattr(model(), "identity", None)
    assert not BlankPictures(Counting(model())).identity, "an unknown identity stays unknown"


def test_the_names_of_the_flag_are_those_that_can_be_made() -> None:
    assert tuple(SEEN) == ABLATIONS


def test_one_query_compares_with_nothing() -> None:
    with pytest.raises(UserError, match=r"--ablate text-only: task 'emoji-vqa' has 1 query here; .* at least 2"):
        run(TASK, Extras(ablate=("text-only",)), limit=1)
