from pathlib import Path

import pytest
from tests.publish.comparison.made import saved

from mbench.core.errors import DataError, MbenchError, UserError
from mbench.publish.comparison.operands import operands_at

HITS = {"hit@1": [1.0, 0.0, 1.0]}


def test_a_folder_of_a_model_and_one_of_a_revision_and_a_file_are_told_apart(tmp_path: Path) -> None:
    path = saved(tmp_path, "clip", HITS)
    saved(tmp_path, "clip", HITS, task="other-task")
    found = operands_at([path, path.parent, path.parent.parent])
    assert [sorted(one.results) for one in found] == [["some-task"], *[["other-task", "some-task"]] * 2]


def test_a_submission_and_an_output_of_one_model_are_not_found(tmp_path: Path) -> None:
    path = saved(tmp_path / "clip" / "results", "clip", HITS)
    results = tmp_path / "clip" / "results"
    assert [list(one.results) for one in operands_at([path, results, results.parent])] == [["some-task"]] * 3
    saved(results, "blip", HITS)
    assert "2 revisions or models" in refused(results, path)


def test_files_of_servers_and_means_of_groups_are_taken_for_results(tmp_path: Path) -> None:
    path = saved(tmp_path, "clip", HITS)
    path.with_name("some-task.recall.json").write_text("[]")
    group = '{"group": "emoji", "model": %s, "metrics": {}, "tasks": {}}'
    model = '{"id": "clip", "revision": "1", "fingerprint": "f", "card": {"id": "clip", "modalities": ["text"], "uses_instructions": true, "license": "MIT"}}'  # noqa: E501
    path.with_name("emoji.json").write_text(group % model)
    assert all(list(one.results) == ["some-task"] for one in operands_at([path.parent, path.parent]))
    with pytest.raises(UserError, match="only means of groups"):
        operands_at([path.with_name("emoji.json"), path])


def test_labels_do_not_tell_revisions_apart(tmp_path: Path) -> None:
    old, new = saved(tmp_path, "clip", HITS, revision="1"), saved(tmp_path, "clip", HITS, revision="2")
    other = saved(tmp_path, "blip", HITS)
    copy = saved(tmp_path / "again", "clip", HITS, revision="1")
    assert [one.label for one in operands_at([old, new, other])] == ["clip 1", "clip 2", "blip"]
    assert [one.label for one in operands_at([old, copy])] == [str(old), str(copy)]


def refused(*paths: Path) -> str:
    with pytest.raises(MbenchError) as caught:
        operands_at(list(paths))
    assert isinstance(caught.value, UserError | DataError)
    return str(caught.value)


def test_one_of_several_revisions_is_picked_unasked(tmp_path: Path) -> None:
    path = saved(tmp_path, "clip", HITS, revision="1")
    saved(tmp_path, "clip", HITS, revision="2")
    said = refused(tmp_path / "clip", path)
    assert "2 revisions" in said and str(tmp_path / "clip" / "1") in said and str(tmp_path / "clip" / "2") in said


def test_what_holds_no_result_of_one_model_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, "clip", HITS)
    other = saved(tmp_path, "blip", HITS, task="other-task")
    other.rename(path.with_name("other-task.json"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text('{"schema_version": 1}')
    assert "at least two results" in refused(path)
    assert "no such result" in refused(path, tmp_path / "nowhere")
    assert "no results" in refused(path, tmp_path / "empty")
    assert "results of 2 models: blip (1), clip (1)" in refused(path.parent, path)
    assert "broken.json: not a result of mbench" in refused(path, tmp_path / "broken.json")


def test_a_renamed_result_stands_for_another_task(tmp_path: Path) -> None:
    path = saved(tmp_path, "clip", HITS)
    path.rename(path.with_name("else.json"))
    assert "its name must be some-task.json" in refused(path.with_name("else.json"), path.with_name("else.json"))
