"""A task's data arrive verified, or the message says which file, query or key is wrong and what to do."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.small import OPTIONS, loaded, query, task, write

from mbench.core.errors import DataError, SpecError, UnknownNameError
from mbench.core.types import EvalData, Sets
from mbench.data import loading
from mbench.data.catalog import Catalog
from mbench.data.checks import check_data
from mbench.data.loading import SourceFiles, load


def source(**fields: Any) -> dict[str, Any]:
    return {"loader": "emoji", "options": OPTIONS} | fields


def test_files_are_taken_from_the_data_root_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "family").mkdir()
    write(tmp_path / "family", [query("q1")])
    one = task(tmp_path / "elsewhere", source=source(folder="family"))
    monkeypatch.delenv(loading.DATA_VARIABLE, raising=False)
    assert load(one, tmp_path).queries.ids() == ["q1"]
    with pytest.raises(DataError, match=r"small: no data folder is known.*mbench fetch small.*--data-root"):
        load(one)
    monkeypatch.setenv(loading.DATA_VARIABLE, str(tmp_path))
    assert load(one).queries.ids() == ["q1"]


def test_a_missing_file_says_which_and_how_to_get_it(tmp_path: Path) -> None:
    files = [{"path": "annotations/val.json", "url": "https://example.org/val.json"}]
    one = task(tmp_path, source=source(folder="family", files=files))
    with pytest.raises(DataError) as error:
        load(one, tmp_path)
    wanted = [
        str(tmp_path / "family" / "annotations" / "val.json"),
        "mbench fetch small",
        "https://example.org/val.json",
    ]
    assert all(word in str(error.value) for word in [*wanted, "--data-root", "family/"]), str(error.value)


def test_a_missing_shipped_file_and_the_hub_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"p\.parquet: there is no such file.*install again"):
        load(task(tmp_path))
    hub = {"repo": "org/set", "revision": "abc"}
    with pytest.raises(DataError, match=r"huggingface\.co/org/set \(revision abc\)"):
        load(task(tmp_path, source=source(hub=hub)), tmp_path)


def test_a_file_of_another_size_or_content_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [query("q1")])
    content = (tmp_path / "q.parquet").read_bytes()

    def declared(**fields: Any) -> Any:
        return task(tmp_path, source=source(shipped=True, files=[{"path": "q.parquet", **fields}]))

    assert load(declared(sha256=sha256(content).hexdigest(), bytes=len(content))).queries.ids() == ["q1"]
    with pytest.raises(DataError, match=rf"q\.parquet: {len(content)} bytes, but 7 were expected"):
        load(declared(bytes=7))
    with pytest.raises(DataError, match=r"q\.parquet: its sha256 is .* but 0000.* was expected"):
        load(declared(sha256="0" * 64))


def test_a_verified_file_is_hashed_again_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [query("q1")])
    path = tmp_path / "q.parquet"
    files = [{"path": "q.parquet", "sha256": sha256(path.read_bytes()).hexdigest()}]
    one = task(tmp_path, source=source(shipped=True, files=files))
    hashed: list[Path] = []
    monkeypatch.setattr(loading, "file_sha256", lambda p: hashed.append(p) or sha256(p.read_bytes()).hexdigest())
    load(one)
    load(one)
    assert hashed == [path]
    os.utime(path, ns=(1, 1))
    load(one)
    assert hashed == [path, path]


def test_a_declared_path_cannot_leave_the_data_folder(tmp_path: Path) -> None:
    for name in ("../secret", "/etc/hostname"):
        with pytest.raises(SpecError, match="must be a path below"):
            SourceFiles(tmp_path, "").path(name)


def test_an_unknown_loader_comes_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"'emojy'.*'emoji'"):
        load(task(tmp_path, source={"loader": "emojy", "shipped": True}))


def test_the_instruction_of_the_task_is_given_to_queries_without_one(tmp_path: Path) -> None:
    queries = [query("q1"), query("q2", instruction=None)]
    data = loaded(tmp_path, queries, query={"modality": "image", "instruction": "find it"})
    assert data.queries.column("instruction") == ["what?", "find it"]
    data = loaded(tmp_path, queries, candidates={"modality": "text", "instruction": "embed it"})
    assert set(data.corpus.column("instruction")) == {"embed it"}


@pytest.mark.parametrize(
    ("queries", "fields", "words"),
    [
        ([], {}, "0 queries loaded; expected at least one"),
        ([query("q1")], {"sizes": {"queries": 2, "candidates": 4}}, "1 queries loaded; expected 2"),
        ([query("q1")], {"sizes": {"queries": 1, "candidates": 5}}, "4 candidates loaded; expected 5"),
        ([query("q1")], {"query": {"modality": "text"}}, "queries are declared as text, but the data hold image"),
        ([query("q1")], {"candidates": {"modality": ["text", "image"]}}, "candidates are declared as image, text"),
        ([query("q1")], {"slices": ["colour"]}, "lack what the task names: tag 'colour'"),
        ([query("q1")], {"metrics": ["recall@1", "recall@1 of best"]}, "label set 'best'"),
        ([query("q1")], {"metrics": ["recall@1", "recall@1 in subset"]}, "pool 'subset'"),
        ([query("q1")], {"metrics": ["recall@1", "group_hit@1"]}, "groups of queries"),
        ([query("q1")], {"candidates": {"modality": "text", "pool": "gallery"}}, "pool 'gallery'"),
        ([query("q1", gallery=["c1"])], {}, "the data have galleries, but candidates.pool is 'corpus'"),
        ([query("q1", exclude=["c2"]), query("q2", exclude=["c1"])], {}, "relevant candidates that are excluded: 'q2'"),
    ],
)
def test_data_that_contradict_the_declaration_are_refused(
    tmp_path: Path, queries: list[dict[str, Any]], fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError) as error:
        loaded(tmp_path, queries, **fields)
    assert "small: " in str(error.value)
    assert words in str(error.value)


def test_a_gallery_without_all_right_answers_is_refused(tmp_path: Path) -> None:
    fields = {"candidates": {"modality": "text", "pool": "gallery"}}
    good = query("q1", gallery=["c2", "c1"])
    assert loaded(tmp_path, [good], **fields).judgments.pools["gallery"][0].tolist() == [1, 0]
    short = query("q2", relevant=["c1", "c3"], gallery=["c2", "c1"])
    with pytest.raises(DataError, match="1 queries with relevant candidates outside of their gallery: 'q2'"):
        loaded(tmp_path, [good, short], **fields)
    with pytest.raises(DataError, match="1 queries with an empty gallery: 'q2'"):
        loaded(tmp_path, [good, query("q2", relevant=[], target=[], gallery=[])], **fields)


def test_a_subset_without_a_right_answer_is_refused(tmp_path: Path) -> None:
    fields = {"metrics": ["recall@1", "recall@1 in subset"]}
    good = query("q1", subset=["c1", "c2"])
    assert loaded(tmp_path, [good], **fields).judgments.pools["subset"][0].tolist() == [0, 1]
    with pytest.raises(DataError, match="no relevant candidate in the pool 'subset': 'q2'"):
        loaded(tmp_path, [good, query("q2", subset=["c2"])], **fields)


def test_rows_outside_of_the_corpus_and_sets_of_other_length_are_refused(tmp_path: Path) -> None:
    data = loaded(tmp_path, [query("q1"), query("q2")])
    spec = task(tmp_path).spec

    def relabelled(sets: Sets) -> EvalData:
        return replace(data, judgments=replace(data.judgments, labels={"relevant": sets}))

    check_data(spec, relabelled(Sets.of([[0], [3]])))
    for wrong in ([[0], [4]], [[0], [-1]]):
        with pytest.raises(DataError, match="relevant has rows outside of the 4 candidates"):
            check_data(spec, relabelled(Sets.of(wrong)))
    with pytest.raises(DataError, match="relevant has 1 sets for 2 queries"):
        check_data(spec, relabelled(Sets.of([[0]])))
    with pytest.raises(DataError, match="groups of 1 queries for 2 queries"):
        check_data(spec, replace(data, judgments=replace(data.judgments, groups=np.zeros(1, dtype=np.int64))))


def test_labels_may_be_withheld_only_where_the_task_says_so(tmp_path: Path) -> None:
    data = loaded(tmp_path, [query("q1")])
    hidden = replace(data, judgments=replace(data.judgments, labels={}))
    check_data(task(tmp_path, labels_public=False).spec, hidden)
    with pytest.raises(DataError, match="label set 'relevant'"):
        check_data(task(tmp_path).spec, hidden)


def test_every_shipped_emoji_task_loads_and_fits_its_pinned_hashes() -> None:
    catalog = Catalog.read()
    emoji = catalog.tasks(["emoji"])
    assert [one.id for one in emoji] == [
        *("emoji-ctrl", "emoji-ctrl-category", "emoji-cir", "emoji-cls"),
        *("emoji-vqa", "emoji-i2t", "emoji-t2i", "emoji-union"),
    ]
    for one in emoji:
        assert all(file.sha256 and file.bytes for file in one.spec.source.files), f"{one.id} is not pinned"
        data = load(one)
        assert len(data.queries.items(np.arange(3))) == 3


def test_the_keys_of_the_emoji_metrics_are_those_that_others_rely_on() -> None:
    keys = {one.id: one.spec.keys for one in Catalog.read().tasks(["emoji"])}
    assert keys["emoji-ctrl"] == ["recall@1", "recall@5", "recall@10", "recall_subset@1", "group_hit@1"]
    assert {"map@5", "map@10", "map@25", "map@50"} < set(keys["emoji-cir"])
    assert {"recall_target@1", "recall_subset@1", "recall_subset@2", "recall_subset@3"} < set(keys["emoji-cir"])
    assert keys["emoji-cls"] == keys["emoji-vqa"] == ["hit@1"]
    assert keys["emoji-i2t"] == keys["emoji-t2i"] == ["hit@1", "hit@5", "hit@10"]
