from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mbench.core.errors import MissingDependencyError, ModelError, UserError
from mbench.core.staged import reducer, staged
from mbench.core.types import Item, LoadOptions, needs_of
from mbench.models.catalog import load_model, model_card
from mbench.run.provenance import model_ref

COLOURS = Path(__file__).parent / "adapters" / "colours.py"


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return f"{path}:Model"


def test_an_adapter_of_forty_lines_is_loaded_from_its_file() -> None:
    model = load_model(f"{COLOURS}:Colours", LoadOptions(args={"text_weight": "2"}))
    vectors = model.encode([Item("a", text="a red cat", image=Image.new("RGB", (2, 2), "blue"))], role="query")
    assert vectors.tolist() == [[2, 0, 1]]
    assert model_card(f"{COLOURS}:Colours").id == "colours"
    assert len(COLOURS.read_text().splitlines()) <= 50


def test_it_can_be_shown_one_modality_like_any_other() -> None:
    model = load_model(f"text-only:{COLOURS}:Colours", LoadOptions())
    items = [Item("a", text="red", image=Image.new("RGB", (2, 2), "blue")), Item("b", image=Image.new("RGB", (2, 2)))]
    expected = np.array([[1, 0, 0], [3**-0.5] * 3])
    assert np.allclose(model.encode(items, role="query"), expected)


def test_an_edited_file_is_another_model(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(COLOURS.read_text())
    before = load_model(f"{path}:Colours", LoadOptions())
    path.write_text(COLOURS.read_text().replace("/ 255", "/ 256"))
    after = load_model(f"{path}:Colours", LoadOptions())
    assert before.card.revision != after.card.revision
    assert getattr(before, "identity", None) != getattr(after, "identity", None)


@pytest.mark.parametrize(
    "options", [LoadOptions(args={"text_weight": "1"}), LoadOptions(dtype="bf16"), LoadOptions(seed=1)]
)
def test_other_options_make_another_model_though_its_identity_may_not_tell(options: LoadOptions) -> None:
    """Stored embeddings of another precision or argument would be taken for its own."""
    before, after = (load_model(f"{COLOURS}:Colours", one) for one in (LoadOptions(), options))
    assert model_ref(before, LoadOptions()).fingerprint != model_ref(after, options).fingerprint
    again = load_model(f"{COLOURS}:Colours", LoadOptions())
    assert model_ref(before, LoadOptions()).fingerprint == model_ref(again, LoadOptions()).fingerprint


def test_other_attributes_of_the_adapter_stay_visible(tmp_path: Path) -> None:
    text = COLOURS.read_text().replace("    args = ColoursArgs", "    needs = frozenset({'text'})")
    text = text.replace('self.identity = {"text_weight": text_weight}', "pass")
    path = tmp_path / "mine.py"
    path.write_text(text)
    model = load_model(f"{path}:Colours", LoadOptions())
    assert needs_of(model) == {"text"}
    assert needs_of(copy.copy(model)) == {"text"}
    assert not model.identity  # type: ignore[attr-defined]


STAGES = """
    def prepare(self, items, *, role):
        return [(item.id, role) for item in items]

    def encode_prepared(self, prepared):
        return np.ones((len(prepared), 3), dtype=np.float32)
"""


def test_an_adapter_in_two_stages_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(COLOURS.read_text() + STAGES)
    assert staged(load_model(f"{COLOURS}:Colours", LoadOptions())) is None
    model = staged(load_model(f"{path}:Colours", LoadOptions()))
    assert model is not None
    items = [Item("a", text="red"), Item("b", text="blue")]
    assert model.encode_prepared(model.prepare(items, role="query")).tolist() == [[1.0] * 3] * 2
    assert model.encode(items, role="query").tolist() == [[1, 0, 0], [0, 0, 1]]


SMALL = """
    def reduced(self, picture):
        return picture.resize((3, 3))
"""


def test_an_adapter_that_reduces_pictures_is_asked_to_and_no_other(tmp_path: Path) -> None:
    for number, methods in enumerate(("", SMALL, STAGES, STAGES + SMALL)):
        path = tmp_path / f"mine{number}.py"
        path.write_text(COLOURS.read_text() + methods)
        model = load_model(f"{path}:Colours", LoadOptions())
        reduce = reducer(model)
        assert (reduce is not None) == (SMALL in methods)
        assert (staged(model) is not None) == (STAGES in methods)
        assert reduce is None or reduce(Image.new("RGB", (50, 40))).size == (3, 3)


def test_a_file_or_class_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_model(f"{tmp_path}/absent.py:Model", LoadOptions())
    with pytest.raises(UserError, match="Did you mean 'Colours'"):
        load_model(f"{COLOURS}:Colour", LoadOptions())
    with pytest.raises(UserError, match="which class"):
        load_model(str(COLOURS), LoadOptions())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nimport no_such_package\n", "line 2, cannot be imported: ModuleNotFoundError: No module named"),
        ("x = 1\n\n1 / 0\n", "line 3, cannot be imported: ZeroDivisionError"),
        ("def broken(:\n", "line 1, cannot be imported: SyntaxError"),
        ("raise SystemExit('bye')\n", "SystemExit: bye"),
    ],
)
def test_a_file_that_cannot_be_imported_shows_cause_and_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load_model(written(tmp_path / "bad.py", text), LoadOptions())


def test_the_line_is_shown_of_a_file_named_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.py").write_text("x = 1\n1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"^bad\.py, line 2, cannot be imported: ZeroDivisionError"):
        load_model("bad.py:Model", LoadOptions())
    with pytest.raises(UserError, match=r"Write bad\.py:CLASS\.$"):
        load_model("bad.py:", LoadOptions())


CARD = (
    "from mbench.core.specs import ModelCard\n"
    "class Model:\n"
    "    card = ModelCard(id='m', modalities=['text'], uses_instructions=False, license='MIT')\n"
)


@pytest.mark.parametrize(
    ("text", "said", "cls"),
    [
        ("class Model: pass\n", "no attribute `card`", ModelError),
        ("class Model:\n    card = {'id': 'm'}\n", "no attribute `card` that is a ModelCard", ModelError),
        (CARD, "no class method `load", ModelError),
        (CARD + "    @classmethod\n    def load(cls, options): return 3\n", "returned int, which lacks", ModelError),
        (CARD + "    def load(options): raise KeyError('w')\n", "cannot be loaded: KeyError: 'w'", ModelError),
        (CARD + "    def load(options): raise SystemExit(1)\n", "cannot be loaded: SystemExit", ModelError),
        (CARD + "    def load(options): raise MemoryError\n", "does not fit into memory", ModelError),
        (
            CARD + "    def load(options): raise RuntimeError('CUDA out of memory.')\n",
            "not fit into memory",
            ModelError,
        ),
        (
            CARD + "    def load(options): import no_such\n",
            "needs the Python package 'no_such'",
            MissingDependencyError,
        ),
        (CARD + "    def load(options): import no_such.part\n", "pip install no_such$", MissingDependencyError),
        (
            CARD + "    def load(options): raise ModuleNotFoundError('no flash here')\n",
            "a Python package that is missing: no flash here",
            MissingDependencyError,
        ),
        (CARD + "    def load(options): options.args['x']\n", "KeyError: 'x'", ModelError),
    ],
)
def test_a_broken_adapter_is_named_with_the_cause(tmp_path: Path, text: str, said: str, cls: type[ModelError]) -> None:
    with pytest.raises(cls, match=said) as caught:
        load_model(written(tmp_path / "bad.py", text), LoadOptions())
    assert "bad.py" in str(caught.value)
