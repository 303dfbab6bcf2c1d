from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, Image
from mteb._create_dataloaders import create_dataloader
from mteb.models.instruct_wrapper import InstructSentenceTransformerModel
from mteb.models.model_implementations import MODEL_REGISTRY
from mteb.models.model_meta import ModelMeta
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from mteb.types import PromptType
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import ITEMS, noise
from tests.models.tiny_sentence_transformers import save_text, save_towers

from mbench.core import errors
from mbench.core.errors import MissingDependencyError, ModelError, UnsupportedModalityError, UserError
from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.mteb import Mteb
from mbench.models.mteb_batches import Asked, task_metadata

RANDOM = "mteb/baseline-random-encoder"
TEXTS = [Item("a", text="a red cat"), Item("b", text="dog!")]
Register = Callable[..., str]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_text(tmp_path_factory.mktemp("mteb") / "tiny-text")


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_towers(tmp_path_factory.mktemp("mteb") / "tiny-towers")


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Adds a model to mteb's registry, under a name for which mteb asks for no packages of its own."""

    def added(loader: Any, name: str = "mteb/baseline-mine", **told: Any) -> str:
        base = MODEL_REGISTRY[RANDOM].model_dump() | {"loader_kwargs": {}, "modalities": ["text"], "embed_dim": None}
        monkeypatch.setitem(MODEL_REGISTRY, name, ModelMeta(**base | {"loader": loader, "name": name} | told))
        return f"mteb:{name}"

    return added


def wrapper_of(folder: Path) -> Callable[..., Any]:
    def wrapper(name: str, revision: str | None = None, device: str | None = None, **_: Any) -> Any:
        return SentenceTransformerEncoderWrapper(str(folder), device=device)

    return wrapper


def load(name: str, **args: str) -> Mteb:
    model = load_model(name, LoadOptions(args=args, device="cpu"))
    assert isinstance(model, Mteb)
    return model


def library(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("role", ["query", "candidate"])
@pytest.mark.parametrize(("has_text", "has_image"), [(True, False), (False, True), (True, True)])
def test_items_are_batched_as_mteb_batches_its_data(has_text: bool, has_image: bool, role: Any) -> None:
    names, pictures = ["red cat", "dog "], [noise(30, 20), noise(20, 30, seed=1)]
    columns: dict[str, Any] = {"id": ["a", "b"]} | ({"text": names} if has_text else {})
    table = Dataset.from_dict(columns | ({"image": pictures} if has_image else {}))
    table = table.cast_column("image", Image()) if has_image else table
    kind = PromptType.query if role == "query" else PromptType.document
    metadata = task_metadata(Asked(has_text, has_image, ""), role)
    loader = create_dataloader(table, task_metadata=metadata, prompt_type=kind, batch_size=2)
    own = (
        MODEL_REGISTRY[RANDOM]
        .load_model()
        .encode(loader, task_metadata=metadata, hf_split="test", hf_subset="default", prompt_type=kind)
    )
    items = [
        Item(str(row), text=names[row] if has_text else None, image=pictures[row] if has_image else None)
        for row in range(2)
    ]
    assert np.array_equal(load(f"mteb:{RANDOM}").encode(items, role=role), own)


def test_prompts_and_roles_are_those_of_the_model(register: Register, text: Path) -> None:
    found, own = load(register(wrapper_of(text))), library(text)
    texts = [item.text for item in TEXTS]
    assert np.allclose(found.encode(TEXTS, role="query"), own.encode_query(texts), atol=1e-6)
    assert np.allclose(found.encode(TEXTS, role="candidate"), own.encode_document(texts), atol=1e-6)
    told = [Item("q", text="cat", instruction="red"), Item("r", text="dog")]
    assert np.allclose(found.encode(told, role="query"), own.encode(["find: cat red", "find: dog"]), atol=1e-6)
    assert np.allclose(found.encode(told, role="candidate"), own.encode(["thing: cat", "thing: dog"]), atol=1e-6)


def test_an_instruction_is_the_prompt_of_the_task_for_models_of_prompts(register: Register, text: Path) -> None:
    def loader(name: str, revision: str | None = None, device: str | None = None, **_: Any) -> Any:
        template = "instruct : {instruction} query : "
        return InstructSentenceTransformerModel(
            str(text), revision or "", device=device, instruction_template=template, apply_instruction_to_passages=False
        )

    found = load(register(loader, use_instructions=True))
    items = [Item("q", text="cat", instruction="the red one"), Item("r", text="dog", instruction="the dog")]
    prompts = ["instruct : the red one query : cat", "instruct : the dog query : dog"]
    assert np.allclose(found.encode(items, role="query"), library(text).encode(prompts), atol=1e-6)
    bare = load("mteb:mteb/baseline-mine", use_instruction="false").encode(items, role="query")
    assert np.allclose(bare, library(text).encode(["cat", "dog"]), atol=1e-6)


def test_pictures_and_pairs_reach_the_model(register: Register, towers: Path) -> None:
    name = register(wrapper_of(towers), modalities=["text", "image"])
    found = load(name)
    pictures = [noise(30, 20), noise(20, 30, seed=1)]
    items = [Item(str(row), image=picture) for row, picture in enumerate(pictures)]
    assert np.allclose(found.encode(items, role="candidate"), library(towers).encode(pictures), atol=1e-6)
    assert np.isfinite(found.encode([Item(k, image=one) for k, one in STRANGE.items()], role="candidate")).all()


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_vector_does_not_depend_on_the_batch(role: Any) -> None:
    model = load(f"mteb:{RANDOM}")
    together = model.encode(ITEMS, role=role)
    assert together.dtype == np.float32 and together.shape == (len(ITEMS), 32)
    assert np.array_equal(together, np.concatenate([model.encode([item], role=role) for item in ITEMS]))


def test_the_card_is_what_the_registry_says(register: Register, text: Path) -> None:
    told = {"training_datasets": {"B", "A"}, "adapted_from": "base/model", "similarity_fn_name": "dot", "revision": "r"}
    card = load(register(wrapper_of(text), n_parameters=7, embed_dim=16, **told)).card
    assert (card.id, card.modalities, card.dimension, card.parameters) == ("mteb:mteb/baseline-mine", ["text"], 16, 7)
    assert (card.training_datasets, card.base_model, card.similarity) == (["A", "B"], "base/model", "dot")
    assert (card.license, card.revision) == ("mit", "r")
    assert load(f"mteb:{RANDOM}", embed_dim="10", id="mine").card.dimension == 10


def test_whatever_moves_a_vector_changes_the_identity(register: Register, text: Path, tmp_path: Path) -> None:
    import mteb

    name = register(wrapper_of(text))
    before = load(name).identity
    assert before["mteb"] == mteb.__version__ and str(text.parent) not in json.dumps(dict(before))
    assert load(name, use_instruction="false").identity != before
    moved = library(text)
    moved[2].linear.weight.data += 0.1
    moved.save(str(tmp_path / "moved"))
    assert load(register(wrapper_of(tmp_path / "moved"))).identity["weights"] != before["weights"]


def test_vectors_of_a_model_behind_an_address_are_not_stored(register: Register) -> None:
    assert not load(register(MODEL_REGISTRY[RANDOM].loader, open_weights=False)).identity


def test_what_a_model_does_not_embed_is_refused_by_name(register: Register, text: Path) -> None:
    model = load(register(wrapper_of(text)))
    with pytest.raises(UnsupportedModalityError, match=r"candidate 'c' has image\+text; it embeds text"):
        model.encode([Item("c", text="cat", image=noise(9, 9))], role="candidate")
    with pytest.raises(UnsupportedModalityError, match="'q' has no picture and no text"):
        model.encode([Item("q")], role="query")


def test_names_and_revisions_that_mteb_does_not_have_are_told() -> None:
    with pytest.raises(errors.UnknownNameError, match="Did you mean 'mteb/baseline-random-encoder'"):
        load("mteb:mteb/baseline-random-encodr")
    with pytest.raises(UserError, match="mteb knows the revision"):
        load_model(f"mteb:{RANDOM}", LoadOptions(revision="other"))
    with pytest.raises(UserError, match="leave out --dtype"):
        load_model(f"mteb:{RANDOM}", LoadOptions(dtype="fp16"))


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        ({"model_type": ["late-interaction"]}, UserError, "is late-interaction; mbench evaluates"),
        ({"modalities": ["audio"]}, UserError, "embeds audio; mbench evaluates"),
        ({"loader": None}, ModelError, "no code that loads it"),
        ({"similarity_fn_name": "MaxSim"}, ModelError, "compares by MaxSim"),
        ({"loader_kwargs": {"trust_remote_code": True}}, UserError, "only with --trust-remote-code"),
        ({"loader_kwargs": {"model_kwargs": {"trust_remote_code": True}}}, UserError, "only with --trust-remote-code"),
        ({"extra_requirements_groups": ["no-such"]}, ModelError, "no-such"),
        ({"name": "x/needs-pictures", "modalities": ["image"]}, MissingDependencyError, "pip install .*image"),
    ],
)
def test_models_that_mbench_cannot_take_are_told_why(
    register: Register, told: dict[str, Any], error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(error, match=said):
        load(register(**{"loader": MODEL_REGISTRY[RANDOM].loader} | told))


def test_code_of_a_checkpoint_does_not_run_behind_a_loader_that_trusts_it(register: Register, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    config = {"model_type": "toy", "auto_map": {"AutoConfig": "toy.ToyConfig", "AutoModel": "toy.ToyModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "toy.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")

    def loader(name: str, revision: str | None = None, **_: Any) -> Any:
        from transformers import AutoModel

        return AutoModel.from_pretrained(folder, trust_remote_code=True)

    with pytest.raises(UserError, match=r"comes with code of its own.*only with --trust-remote-code"):
        load(register(loader))
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("no_network")
def test_offline_keeps_a_loader_from_the_network(
    register: Register, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    def loader(name: str, revision: str | None = None, **_: Any) -> Any:
        from huggingface_hub import hf_hub_download

        return hf_hub_download("some/model", "config.json")

    with pytest.raises(ModelError, match="--offline forbids"):
        load_model(register(loader), LoadOptions(device="cpu", offline=True))


def test_a_model_can_be_sent_to_another_process() -> None:
    model = load(f"mteb:{RANDOM}")
    sent = pickle.loads(pickle.dumps(model))
    assert np.array_equal(sent.encode(ITEMS, role="query"), model.encode(ITEMS, role="query"))


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mbench-eval\[mteb\]'") as caught:
        load(f"mteb:{RANDOM}")
    assert caught.value.exit_code == 3
