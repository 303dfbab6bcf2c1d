"""Which names of files are taken from others."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbench.data.names import is_data, safe_path, whole_archives


@settings(deadline=None)
@given(st.text(st.one_of(st.sampled_from("../\\a:~．\u200d\u2024\u2025"), st.characters()), max_size=12))
def test_a_name_that_is_taken_stays_in_its_folder(name: str) -> None:
    try:
        path = safe_path(name)
    except ValueError:
        return
    assert os.path.normpath(f"/data/set/{path}").startswith("/data/set/"), name


def test_only_data_files_are_taken() -> None:
    taken = [
        "a.json",
        "a/b.JSONL",
        "c.parquet",
        "q.tsv",
        "x.tar.gz",
        "x.tar.gz.part-00",
        "i.JPG",
        "n.txt",
        "x.zip.partaa",
    ]
    assert [name for name in taken if not is_data(name)] == []
    refused = [
        "set.py",
        "run.sh",
        "w.bin",
        "w.pt",
        "m.pkl",
        ".gitattributes",
        ".git/x.json",
        "README.md",
        "x.yaml",
        "so.so",
    ]
    assert [name for name in refused if is_data(name)] == []


def test_parts_belong_to_one_archive_and_none_may_lack() -> None:
    names = ["x.tar.gz.part-01", "y.zip", "x.tar.gz.part-00", "list.json"]
    assert whole_archives(names) == {"x.tar.gz": ["x.tar.gz.part-00", "x.tar.gz.part-01"], "y.zip": ["y.zip"]}
    for lacking in (["x.tar.part-00", "x.tar.part-02"], ["x.tar.part-02", "x.tar.part-03"]):
        with pytest.raises(ValueError, match=r"x\.tar.*not consecutive"):
            whole_archives(lacking)
