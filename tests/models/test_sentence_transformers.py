from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import ITEMS, noise
from tests.models.tiny_sentence_transformers import PROMPTS, save_chat, save_text, save_towers

from mbench.core.errors import UnsupportedModalityError
from mbench.core.types import Item, LoadOptions, Vectors
from mbench.models.catalog import load_model
from mbench.models.sentence_transformers import SentenceTransformers
from mbench.models.sentence_transformers_input import instructed

SAVED = {"text": save_text, "towers": save_towers, "chat": save_chat}
PICTURE = noise(50, 40)
TEXTS = [item for item in ITEMS if item.image is None]


def items_of(name: str) -> list[Item]:
    return TEXTS if name == "text" else ITEMS


def load(folder: Path, **args: str) -> SentenceTransformers:
    model = load_model(f"sentence-transformers:{folder}", LoadOptions(args=args, device="cpu", offline=True))
    assert isinstance(model, SentenceTransformers)
    return model


def library(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sentence-transformers")
    return {name: save(root / f"tiny-{name}") for name, save in SAVED.items()}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, SentenceTransformers]:
    return {name: load(folder) for name, folder in folders.items()}


@pytest.mark.parametrize("name", SAVED)
def test_texts_of_both_roles_are_those_of_the_library(
    name: str, folders: dict[str, Path], models: dict[str, SentenceTransformers]
) -> None:
    texts = ["a red cat", "dog!", ""]
    items = [Item(str(place), text=text) for place, text in enumerate(texts)]
    own, found = library(folders[name]), models[name]
    normalised = unit if name == "towers" else np.asarray
    assert np.allclose(found.encode(items, role="query"), normalised(own.encode_query(texts)), atol=1e-6)
    assert np.allclose(found.encode(items, role="candidate"), normalised(own.encode_document(texts)), atol=1e-6)
    assert name == "chat" or not np.allclose(found.encode(items, role="query"), found.encode(items, role="candidate"))


@pytest.mark.parametrize("name", ["towers", "chat"])
def test_pictures_are_those_of_the_library(
    name: str, folders: dict[str, Path], models: dict[str, SentenceTransformers]
) -> None:
    pictures = [PICTURE, noise(30, 90, seed=3)]
    own = library(folders[name]).encode_document(pictures)
    found = models[name].encode([Item(str(place), image=one) for place, one in enumerate(pictures)], role="candidate")
    assert np.allclose(found, unit(own) if name == "towers" else own, atol=1e-6)


def test_a_model_that_takes_picture_and_text_at_once_gets_both_and_the_instruction_as_its_prompt(
    folders: dict[str, Path], models: dict[str, SentenceTransformers]
) -> None:
    own = library(folders["chat"])
    both = {"image": PICTURE, "text": "a red cat"}
    item = Item("q", text="a red cat", image=PICTURE, instruction="find the dog")
    found = models["chat"].encode([item, Item("i", image=PICTURE, instruction="find the dog")], role="query")
    assert np.allclose(found[0], own.encode_query([both], prompt="find the dog")[0], atol=1e-6)
    assert np.allclose(found[1], own.encode_query([{"image": PICTURE}], prompt="find the dog")[0], atol=1e-6)
    assert not np.allclose(found[0], own.encode_query([both])[0], atol=1e-3)
    assert models["chat"].card.notes.startswith("Picture and text meet in the model.")


def test_two_towers_add_their_features_and_the_card_says_so(
    folders: dict[str, Path], models: dict[str, SentenceTransformers]
) -> None:
    own = library(folders["towers"])
    item = Item("q", text="a cat", image=PICTURE, instruction="red")
    text = unit(own.encode_query(["a cat"], prompt="find: red "))[0]
    image = unit(own.encode_query([PICTURE]))[0]
    assert np.allclose(models["towers"].encode([item], role="query")[0], text + image, atol=1e-6)
    weighed = load(folders["towers"], image_weight="0.25", fusion="sum", use_instruction="false")
    text, image = own.encode_query(["a cat"])[0], own.encode_query([PICTURE])[0]
    assert np.allclose(weighed.encode([item], role="query")[0], text + 0.25 * image, atol=1e-6)
    assert models["towers"].card.notes.startswith("Late fusion of picture and text.")


@pytest.mark.parametrize(
    ("own", "template", "chats", "expected"),
    [
        ("", None, False, "I "),
        ("query: ", None, False, "query: I "),
        ("query: ", None, True, "I"),
        ("Instruct: Given a web search query, retrieve passages\nQuery:", None, False, "Instruct: I\nQuery:"),
        ("query: ", "{prompt}<{instruction}>\\n", False, "query: <I>\n"),
    ],
)
def test_an_instruction_takes_its_place_in_the_prompt(
    own: str, template: str | None, chats: bool, expected: str
) -> None:
    assert instructed(own, "I", chats, template) == expected


def test_signs_of_pictures_in_a_text_are_letters(models: dict[str, SentenceTransformers]) -> None:
    items = [Item("a", text="a <image> cat"), Item("b", text="cat", image=PICTURE, instruction="find <image>")]
    assert np.isfinite(models["chat"].encode(items, role="query")).all()
    spelt = models["chat"].encode([Item("a", text="a < image> cat")], role="query")
    assert np.allclose(models["chat"].encode(items[:1], role="query"), spelt, atol=1e-6)


def test_an_instruction_becomes_the_prompt_of_queries_and_not_of_candidates(
    folders: dict[str, Path], models: dict[str, SentenceTransformers]
) -> None:
    own, item = library(folders["text"]), Item("q", text="cat", instruction="red")
    found = models["text"]
    assert np.allclose(found.encode([item], role="query"), own.encode(["find: red cat"]), atol=1e-6)
    assert np.allclose(found.encode([item], role="candidate"), own.encode(["thing: cat"]), atol=1e-6)
    set_by_hand = load(folders["text"], prompt="the {instruction} : ").encode([item], role="query")
    assert np.allclose(set_by_hand, own.encode(["the red : cat"]), atol=1e-6)


def test_a_text_that_looks_like_the_path_of_a_picture_is_a_text(
    folders: dict[str, Path], models: dict[str, SentenceTransformers], tmp_path: Path
) -> None:
    path = tmp_path / "cat.png"
    PICTURE.save(path)
    own = library(folders["towers"])
    found = models["towers"].encode([Item("t", text=str(path))], role="candidate")
    assert np.allclose(found, unit(own.encode([{"text": f"thing: {path}"}])), atol=1e-6)
    assert not np.allclose(found, unit(own.encode_document([PICTURE])), atol=1e-2)


@pytest.mark.parametrize("name", SAVED)
def test_a_vector_does_not_depend_on_the_batch(name: str, models: dict[str, SentenceTransformers]) -> None:
    items = items_of(name)
    together = models[name].encode(items, role="query")
    alone = np.concatenate([models[name].encode([item], role="query") for item in reversed(items)])[::-1]
    assert together.dtype == np.float32
    assert np.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", ["towers", "chat"])
def test_strange_pictures_have_finite_vectors(name: str, models: dict[str, SentenceTransformers]) -> None:
    items = [Item(key, image=picture) for key, picture in STRANGE.items()]
    vectors = models[name].encode(items, role="candidate")
    assert np.isfinite(vectors).all() and (np.linalg.norm(vectors, axis=1) > 0.1).all()


def test_what_a_model_does_not_embed_is_refused_by_name(models: dict[str, SentenceTransformers]) -> None:
    with pytest.raises(UnsupportedModalityError, match="candidate 'c' has image; it embeds text"):
        models["text"].encode([Item("c", text="cat", image=PICTURE)], role="candidate")
    with pytest.raises(UnsupportedModalityError, match="query 'q' has no picture and no text"):
        models["towers"].encode([Item("q")], role="query")


def test_the_card_is_that_of_the_loaded_model_and_does_not_tell_where_it_lies(
    folders: dict[str, Path], models: dict[str, SentenceTransformers], tmp_path: Path
) -> None:
    text, towers = models["text"], models["towers"]
    assert (text.card.id, text.card.modalities, text.card.dimension) == (
        "sentence-transformers:tiny-text",
        ["text"],
        16,
    )
    assert text.card.roles_differ and towers.card.roles_differ and models["chat"].card.roles_differ is False
    assert towers.card.modalities == models["chat"].card.modalities == ["text", "image", "image+text"]
    assert text.card.parameters == sum(one.numel() for one in library(folders["text"]).parameters())
    assert str(folders["text"].parent) not in text.card.model_dump_json() + json.dumps(dict(text.identity))
    dot = load(save_towers(tmp_path / "dot", similarity="dot"))
    assert dot.card.similarity == "dot" and text.card.similarity == "cosine"
    pair = [Item("q", text="cat", image=PICTURE), Item("t", text="cat"), Item("i", image=PICTURE)]
    vectors = dot.encode(pair, role="candidate")
    assert np.allclose(vectors[0], vectors[1] + vectors[2], atol=1e-5)
    assert np.allclose(vectors[1], library(folders["towers"]).encode_document(["cat"])[0], atol=1e-6)


def test_whatever_moves_a_vector_changes_the_identity(
    folders: dict[str, Path], models: dict[str, SentenceTransformers], tmp_path: Path
) -> None:
    import sentence_transformers

    before = models["text"].identity
    assert before["sentence_transformers"] == sentence_transformers.__version__
    assert load(folders["text"], prompt="{instruction}").identity != before
    assert load(folders["text"], max_length="5").identity != before
    other = load(save_text(tmp_path / "other", {**PROMPTS, "query": "the: "}))
    assert other.identity["checkpoint"] != before["checkpoint"] == models["text"].card.revision


def test_the_length_of_texts_can_be_set(folders: dict[str, Path]) -> None:
    found = load(folders["text"], max_length="5").encode(
        [Item("a", text="cat dog red"), Item("b", text="cat")], role="query"
    )
    assert np.allclose(found[0], found[1], atol=1e-6)


@pytest.mark.parametrize("name", SAVED)
def test_a_model_can_be_sent_to_another_process(name: str, models: dict[str, SentenceTransformers]) -> None:
    sent, items = pickle.loads(pickle.dumps(models[name])), items_of(name)
    assert np.array_equal(sent.encode(items, role="query"), models[name].encode(items, role="query"))
