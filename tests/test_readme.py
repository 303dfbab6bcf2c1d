"""The README's examples work as they stand there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import Command, mbench

__all__ = ["mbench"]

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def block(language: str, first: str) -> str:
    """Return the code block of a language that starts with a comment naming its file."""
    found = re.search(rf"```{language}\n# {re.escape(first)}\n(.*?)```", README, re.DOTALL)
    assert found, first
    return found[1]


def test_the_task_of_the_readme_runs(mbench: Command, tmp_path: Path) -> None:
    folder = tmp_path / "mytasks"
    folder.mkdir()
    (folder / "shoes.yaml").write_text(block("yaml", "mytasks/shoes.yaml"))
    pictures = pq.read_table(ROOT / "tasks/emoji/data/pictures.parquet").slice(0, 3)
    pq.write_table(pictures, folder / "pictures.parquet")
    ids = pictures["id"].to_pylist()
    tiles = pa.array([[one] for one in ids], pa.list_(pa.string()))
    candidates = pa.table({"id": ids, "tiles": tiles, "modality": ["image"] * 3})
    pq.write_table(candidates, folder / "shoes.candidates.parquet")
    queries = pa.table({"id": ["q1", "q2"], "text": ["a boot", "a sandal"], "relevant": [[ids[0]], [ids[1], ids[2]]]})
    pq.write_table(queries, folder / "shoes.queries.parquet")
    done = mbench("run", "-m", "random", "-t", "shoes", "--task-dir", folder, "-o", "out", "--no-cache")
    assert done.code == 0, done.err
    assert next((tmp_path / "out").rglob("shoes.json")).is_file()


def test_the_adapter_of_the_readme_runs(mbench: Command, tmp_path: Path) -> None:
    network = "\n\ndef my_network(image, text):\n    return np.ones(4, dtype=np.float32) + len(text)\n"
    (tmp_path / "my_adapter.py").write_text(block("python", "my_adapter.py") + network)
    done = mbench("run", "-m", f"{tmp_path}/my_adapter.py:Mine", "-t", "emoji-cls", "-o", "out", "--no-cache")
    assert done.code == 0, done.err


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(((?!http)[^)#]+)\)", README))))
def test_every_file_that_the_readme_names_is_there(path: str) -> None:
    assert (ROOT / path).exists(), path


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_two_commands_are_targets() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
