from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mbench.core.errors import ModelError, UnsupportedModalityError, UserError
from mbench.core.specs import ModelCard
from mbench.core.types import ALL_NEEDS, Item, LoadOptions, Role, Vectors, needs_of
from mbench.models.baselines import Constant, ImageOnly, Oracle, Random, TextOnly
from mbench.models.catalog import load_model
from mbench.models.identity import Identity

PICTURE = Image.new("RGB", (4, 3), "red")


class Recorder:
    """Remembers what it was shown. Its vector of a text is the text's length, of a picture the picture's width."""

    def __init__(self, modalities: Sequence[str] = ("text", "image", "image+text"), dimension: int | None = 2) -> None:
        self.card = ModelCard.model_validate(
            {"id": "recorder", "modalities": list(modalities), "uses_instructions": True, "license": "MIT"}
        ).model_copy(update={"dimension": dimension})
        self.identity: Identity = {"weights": "none"}
        self.shown: list[Item] = []

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        self.shown += items
        if "text" not in self.card.modalities and any(i.image is None for i in items):
            raise UnsupportedModalityError("no text, please")
        rows = [[1 + len(i.text or ""), i.image.width if i.image else 0] for i in items]
        return np.array(rows, dtype=np.float32)


def items() -> list[Item]:
    return [
        Item("pair", text="cat", image=PICTURE, instruction="find it"),
        Item("text", text="dog"),
        Item("picture", image=PICTURE),
        Item("told", image=PICTURE, instruction="find it"),
        Item("blank", text="", image=PICTURE),
    ]


def test_text_only_hides_pictures_and_keeps_instructions() -> None:
    inner = Recorder()
    TextOnly(inner).encode(items(), role="query")
    assert all(item.image is None for item in inner.shown)
    assert {(i.id, i.text, i.instruction) for i in inner.shown if i.id} == {
        ("pair", "cat", "find it"), ("text", "dog", None), ("told", "", "find it"),
    }  # fmt: skip


def test_image_only_hides_words() -> None:
    inner = Recorder()
    ImageOnly(inner).encode(items(), role="query")
    assert all(i.text is None and i.instruction is None and i.image for i in inner.shown if i.id)
    assert [i.id for i in inner.shown if i.id] == ["pair", "picture", "told", "blank"]


@pytest.mark.parametrize("cls", [TextOnly, ImageOnly])
def test_items_with_nothing_left_tie_exactly_whatever_their_batch(cls: type[TextOnly] | type[ImageOnly]) -> None:
    blank = [Item("a", image=PICTURE), Item("b", image=PICTURE.resize((9, 9)))]
    if cls is ImageOnly:
        blank = [Item("a", text="cat"), Item("b", text="a longer text")]
    model = cls(Recorder())
    together = model.encode([*items(), *blank], role="candidate")[-2:]
    alone = model.encode(blank[:1], role="candidate")
    assert np.array_equal(together, np.repeat(alone, 2, axis=0))


def test_a_text_only_run_opens_no_picture_and_an_image_only_run_shares_pictures() -> None:
    assert needs_of(TextOnly(Recorder())) == {"text"}
    assert needs_of(ImageOnly(Recorder())) == {"image"}
    assert {"text", "image"} == ALL_NEEDS


def test_the_card_is_that_of_another_model() -> None:
    inner = Recorder()
    card = ImageOnly(inner).card
    assert card.id == "image-only:recorder"
    assert not card.uses_instructions
    assert TextOnly(inner).card.uses_instructions
    assert TextOnly(inner).identity != ImageOnly(inner).identity != inner.identity


def test_a_wrapper_does_not_lend_an_identity_to_a_model_without_one() -> None:
    inner = Recorder()
    inner.identity = {}
    assert not TextOnly(inner).identity


def test_a_model_that_embeds_no_text_gets_a_fixed_vector_for_blank_items() -> None:
    model = ImageOnly(Recorder(modalities=["image"], dimension=4))
    assert np.array_equal(model.encode([Item("a", text="cat")], role="candidate"), np.full((1, 4), 0.5))


@pytest.mark.parametrize("name", ["text-only:tiny", "image-only:tiny"])
def test_a_model_that_refuses_empty_items_still_ties_them(name: str) -> None:
    encoder = load_model(name, LoadOptions())
    items = [Item("a", text="an apple"), Item("b", image=PICTURE)]
    vectors = encoder.encode(items, role="candidate")
    assert np.isfinite(vectors).all() and np.linalg.norm(vectors, axis=1).min() > 0.5


def test_without_a_known_dimension_the_fixed_vector_is_impossible_and_said_so() -> None:
    model = ImageOnly(Recorder(modalities=["image"], dimension=None))
    with pytest.raises(ModelError, match="dimension"):
        model.encode([Item("a", text="cat")], role="candidate")


def test_an_empty_text_that_embeds_to_zero_is_replaced_because_zero_cannot_be_scored() -> None:
    class Zero(Recorder):
        def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
            return np.array([[len(i.text or "")] * 4 for i in items], dtype=np.float32)

    assert np.array_equal(TextOnly(Zero()).encode([Item("a", image=PICTURE)], role="query"), np.full((1, 4), 0.5))


@pytest.mark.parametrize("name", ["image-only:random", "text-only:constant", "text-only:random"])
def test_hiding_a_modality_from_a_model_that_never_looks_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="never looks at the"):
        load_model(name, LoadOptions())


@given(st.lists(st.text(max_size=8), min_size=1, max_size=12, unique=True), st.randoms())
def test_random_vectors_depend_on_seed_role_and_id_alone(ids: list[str], rng: object) -> None:
    model = Random(seed=3)
    batch = model.encode([Item(one) for one in ids], role="query")
    for one, vector in zip(ids, batch, strict=True):
        assert np.array_equal(vector, model.encode([Item(one, text="other")], role="query")[0])
        assert not np.array_equal(vector, model.encode([Item(one)], role="candidate")[0])
        assert not np.array_equal(vector, Random(seed=4).encode([Item(one)], role="query")[0])


def test_random_vectors_are_the_same_on_every_machine() -> None:
    def entry(text: str, place: int) -> float:
        state = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
        state = (state + place * 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
        return (sum(state >> shift & 0xFFFF for shift in (0, 16, 32, 48)) - 2 * 65535) / 65536

    found = Random(seed=5, dimension=4).encode([Item("a"), Item("☃")], role="query")
    assert found.tolist() == [[entry(f"5/query/{one}", place) for place in (1, 2, 3, 4)] for one in "a☃"]


def test_random_vectors_have_no_direction_in_common() -> None:
    vectors = Random().encode([Item(str(i)) for i in range(20_000)], role="candidate")
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.abs(units.mean(axis=0)).max() < 0.004
    spread = units.T @ units / len(units) * units.shape[1]
    assert np.abs(spread - np.eye(len(spread))).max() < 0.06


def test_random_takes_its_seed_from_the_command_line_and_says_so_in_its_revision() -> None:
    model = load_model("random", LoadOptions(seed=7, args={"dimension": "16"}))
    assert (model.card.revision, model.card.dimension) == ("seed-7", 16)
    assert model.encode([Item("a")], role="query").shape == (1, 16)
    assert Random.card.revision == "unversioned"


def test_constant_vectors_tie_exactly_after_normalisation() -> None:
    model = Constant.load(LoadOptions())
    vectors = model.encode(items(), role="query")
    assert vectors.dtype == np.float32
    scores = vectors @ model.encode([Item("z")], role="candidate").T
    assert set(scores.ravel().tolist()) == {1.0}


def test_the_oracle_is_not_listed() -> None:
    oracle = Oracle({"q": [1, 0]}, {"q": [0, 1]})
    assert oracle.encode([Item("q")], role="query").tolist() == [[1, 0]]
    assert oracle.encode([Item("q")], role="candidate").tolist() == [[0, 1]]
    with pytest.raises(UserError, match="Unknown model"):
        load_model("oracle", LoadOptions())
