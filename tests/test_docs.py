"""The examples of docs/ work as they stand there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.cli.conftest import Command, mbench

__all__ = ["mbench"]

DOCS = Path(__file__).resolve().parents[1] / "docs"
ADAPTER = (DOCS / "adapter.md").read_text(encoding="utf-8")


def block(language: str, first: str) -> str:
    """Return the code block of a language that starts with a comment naming its file."""
    found = re.search(rf"```{language}\n# {re.escape(first)}\n(.*?)```", ADAPTER, re.DOTALL)
    assert found, first
    return found[1]


@pytest.fixture
def adapter(tmp_path: Path) -> str:
    (tmp_path / "my_adapter.py").write_text(block("python", "my_adapter.py"))
    return "my_adapter.py:Colours"


def test_the_complete_adapter_passes_every_check(mbench: Command, adapter: str) -> None:
    done = mbench("check-model", adapter)
    assert done.code == 0, done.out + done.err
    assert "0 fail, 1 skip" in done.out


def test_the_complete_adapter_runs(mbench: Command, adapter: str, tmp_path: Path) -> None:
    done = mbench("run", "-m", adapter, "-t", "emoji-cls", "--limit", "20", "-o", "out")
    assert done.code == 0, done.err
    assert next((tmp_path / "out").rglob("emoji-cls.json")).is_file()
    done = mbench("run", "-m", adapter, "-t", "emoji-cls", "--limit", "20", "--model-args", "wrods=64")
    assert done.code == 2 and "Did you mean 'words'" in done.err


def test_the_complete_adapter_fits_on_one_screen() -> None:
    code = [line for line in block("python", "my_adapter.py").splitlines() if line.strip()]
    assert len(code) <= 45 and max(map(len, ADAPTER.splitlines())) <= 130


def test_the_entry_point_names_the_group_that_mbench_reads() -> None:
    from mbench.models.catalog import MODELS

    points = tomllib.loads(block("toml", "pyproject.toml"))["project"]["entry-points"]
    assert points == {MODELS._group: {"colours": "my_package.my_adapter:Colours"}}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    for path in re.findall(r"\]\(((?!http)[^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / path).exists(), path
