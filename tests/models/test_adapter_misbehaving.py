"""Whatever the code of an adapter raises becomes one message with a cause; only Ctrl-C stays what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbench.cli.main import main
from mbench.core.errors import MbenchError, ModelError
from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.retrieval.checks import encode_checked

SOUND = """
import numpy as np
from mbench.core.specs import ModelCard

class Stop(BaseException): pass

class Model:
    card = ModelCard(id="m", modalities=["text"], uses_instructions=False, license="MIT")
    @classmethod
    def load(cls, options): return cls()
    def encode(self, items, *, role): return np.ones((len(items), 3), dtype=np.float32)
"""
PLACES = {
    "import": ("import numpy as np", "raise {}\nimport numpy as np"),
    "load": ("return cls()", "raise {}"),
    "needs": ("    @classmethod", "    @property\n    def needs(self): raise {}\n    @classmethod"),
    "identity": ("    @classmethod", "    @property\n    def identity(self): raise {}\n    @classmethod"),
    "encode": ("return np.ones((len(items), 3), dtype=np.float32)", "raise {}"),
}
META = """
class Meta(type):
    @property
    def card(cls): raise SystemExit(0)

class Model(metaclass=Meta): pass
"""


def written(folder: Path, text: str) -> str:
    (folder / "mine.py").write_text(text)
    return f"{folder / 'mine.py'}:Model"


def raising(folder: Path, place: str, error: str) -> str:
    sound, broken = PLACES[place]
    stop = "class Stop(BaseException): pass\n" if place == "import" else ""
    return written(folder, stop + SOUND.replace(sound, broken.format(error)))


def used(name: str) -> None:
    encode_checked(load_model(name, LoadOptions()), [Item("a", text="red")], "query")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("error", ["SystemExit(0)", "Stop('enough')", "GeneratorExit"])
def test_no_exception_of_an_adapter_ends_the_program(tmp_path: Path, place: str, error: str) -> None:
    with pytest.raises(ModelError, match=error.partition("(")[0]):
        used(raising(tmp_path, place, error))


@pytest.mark.parametrize("place", PLACES)
def test_an_interrupt_in_an_adapter_stays_one(tmp_path: Path, place: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        used(raising(tmp_path, place, "KeyboardInterrupt"))


def test_a_class_that_exits_when_its_card_is_looked_at_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="`card` or `load` raised SystemExit: 0"):
        load_model(written(tmp_path, META), LoadOptions())


def test_a_bad_card_in_a_file_is_told_by_file_line_and_key(tmp_path: Path) -> None:
    bad = SOUND.replace('license="MIT"', 'licence="MIT", dimension="many"').replace('["text"]', '["txt"]')
    with pytest.raises(MbenchError) as caught:
        load_model(written(tmp_path, bad), LoadOptions())
    said = str(caught.value)
    assert "mine.py, line 8, cannot be imported: its ModelCard is wrong:" in said
    assert "modalities.0: Input should be 'text', 'image' or 'image+text' (found 'txt')" in said
    assert "dimension: Input should be a valid integer" in said and "(found 'many')" in said
    assert "license: Field required" in said and "licence: unknown key; did you mean 'license'?" in said
    assert "pydantic" not in said and "validation error" not in said


def test_a_bad_card_that_load_makes_is_told_by_key(tmp_path: Path) -> None:
    bad = SOUND.replace("return cls()", 'return ModelCard(id=1, modalities=[], uses_instructions=True, license="MIT")')
    with pytest.raises(
        ModelError, match=r"its ModelCard is wrong:\n  id: .*\(found 1\)\n  modalities: names no"
    ) as one:
        load_model(written(tmp_path, bad), LoadOptions())
    assert "pydantic" not in str(one.value)


@pytest.mark.parametrize(("error", "code"), [("SystemExit(0)", 3), ("KeyboardInterrupt", 130)])
def test_the_exit_code_is_never_that_of_a_run_that_is_done(
    tmp_path: Path, error: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text('{"id": "a", "text": "red"}\n')
    name = raising(tmp_path, "encode", error)
    arguments = ["mbench", "encode", "-m", name, "--items", str(items), "-o", str(tmp_path / "out.npz")]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == code and not (tmp_path / "out.npz").exists()
    assert ("raised SystemExit while encoding" in capsys.readouterr().err) == (code != 130)
