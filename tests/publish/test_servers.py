"""Files for test servers: what we write they take, and what they would refuse or score wrongly we refuse first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mbench.core.errors import PredictionError
from mbench.core.specs import TaskSpec
from mbench.data.catalog import Catalog
from mbench.data.prediction_files import RankedLists, read_lists
from mbench.publish import servers
from mbench.publish.servers import Expected, check_server_file, write_server_files

CIRR = {str(pair): [f"test1-{number}" for number in range(60)] for pair in (12063, 12070)}
SUBSET = {pair: ["test1-7", "test1-3", "test1-5", "test1-1", "test1-2"] for pair in CIRR}
CIRCO = {str(query): [str(581_000 + number) for number in range(50)] for query in range(3)}


def spec(name: str, queries: int) -> TaskSpec:
    one = Catalog.read().task(name).spec
    assert one.sizes is not None
    return one.model_copy(update={"sizes": one.sizes.model_copy(update={"queries": queries})})


def lists(values: dict[str, list[str]]) -> RankedLists:
    starts = np.concatenate([[0], np.cumsum([len(one) for one in values.values()])]).astype(np.int64)
    return RankedLists(pa.array(list(values)), starts, pa.array([x for one in values.values() for x in one]), None)


def put(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_cirr_gets_two_files_cut_to_fifty_and_three(tmp_path: Path) -> None:
    cirr = spec("cirr-test", 2)
    written = write_server_files(tmp_path, cirr, {"main": lists(CIRR), "subset": lists(SUBSET)})
    assert [path.name for path in written] == ["cirr-test.recall.json", "cirr-test.recall_subset.json"]
    recall, subset = (json.loads(path.read_text()) for path in written)
    assert recall == {"version": "rc2", "metric": "recall", **{pair: one[:50] for pair, one in CIRR.items()}}
    assert subset == {"version": "rc2", "metric": "recall_subset", **{pair: one[:3] for pair, one in SUBSET.items()}}
    assert [check_server_file(path, cirr).name for path in written] == ["recall", "recall_subset"]
    assert read_lists(written[1]).keys() == {"subset"}


def test_circo_gets_whole_numbers(tmp_path: Path) -> None:
    (path,) = write_server_files(tmp_path, spec("circo-test", 3), {"main": lists(CIRCO)})
    assert path.name == "circo-test.submission.json"
    assert json.loads(path.read_text())["2"][:2] == [581_000, 581_001]
    assert check_server_file(path, spec("circo-test", 3)).k == 50


@pytest.mark.parametrize(
    ("name", "ranking", "words"),
    [
        ("circo-test", {"0": CIRCO["0"]}, "1 queries; the server needs all 3"),
        ("circo-test", {**CIRCO, "1": CIRCO["1"][:49]}, "query '1': expected a list of 50 candidates; found 49"),
        ("circo-test", {**CIRCO, "1": [*CIRCO["1"][:49], "581000"]}, "query '1': names 581000 twice"),
        ("circo-test", {**CIRCO, "1": ["dev-1"] * 50}, "takes whole numbers as ids; found 'dev-1'"),
        ("fashioniq-dress", CIRCO, "fashioniq-dress has no server; those of cirr, circo have"),
    ],
)
def test_what_a_server_would_refuse_is_not_written(
    tmp_path: Path, name: str, ranking: dict[str, list[str]], words: str
) -> None:
    with pytest.raises(PredictionError, match=words):
        write_server_files(tmp_path, spec(name, 3), {"main": lists(ranking)})
    assert not list(tmp_path.iterdir())


def test_both_files_are_written_or_none(tmp_path: Path) -> None:
    short = {pair: one[:2] for pair, one in SUBSET.items()}
    with pytest.raises(PredictionError, match="expected a list of 3 candidates; found 2"):
        write_server_files(tmp_path, spec("cirr-test", 2), {"main": lists(CIRR), "subset": lists(short)})
    assert not list(tmp_path.iterdir())


def changed(**changes: Any) -> dict[str, Any]:
    one: dict[str, Any] = {"version": "rc2", "metric": "recall_subset", "1": ["a", "b", "c"], "2": ["a", "b", "c"]}
    return {key: value for key, value in {**one, **changes}.items() if value is not None}


KNOWN = Expected(2, {"1", "2"}, {"a", "b", "c", "d"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (changed(version="rc1"), "the server wants .*'rc2'.*; found .*'rc1'"),
        (changed(metric=None), "the server wants .*'metric': 'recall'"),
        (changed(**{"2": None}), "1 queries are missing: '2'"),
        (changed(**{"3": ["a", "b", "c"]}), "unknown queries: '3'"),
        (changed(**{"2": ["a", "b"]}), "query '2': expected a list of 3 candidates; found 2"),
        (changed(**{"2": ["a", "b", "c", "d"]}), "query '2': expected a list of 3 candidates; found 4"),
        (changed(**{"2": "abc"}), "query '2': expected a list of 3 candidates; found abc"),
        (changed(**{"2": ["a", "b", "a"]}), "query '2': names 'a' twice"),
        (changed(**{"2": ["a", "b", 3]}), "query '2': ids must be texts: 3"),
        (changed(**{"2": ["a", "b", "e"]}), "query '2': 'e' is no candidate of the task"),
        ('{"1": ["a"], "1": ["b"]}', "the key '1' stands twice"),
        ("[1]", "expected an object of query id"),
        ("{", "not valid JSON"),
    ],
)
def test_a_wrong_file_is_refused_by_query_and_reason(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(PredictionError, match=words) as error:
        check_server_file(put(tmp_path / "f.json", content), spec("cirr-test", 2), KNOWN)
    assert str(tmp_path / "f.json") in str(error.value)


@pytest.mark.parametrize("wrong", ["581000", True, 581000.0])
def test_circo_takes_no_other_type_than_whole_numbers(tmp_path: Path, wrong: object) -> None:
    content = {"0": [*range(49), wrong]}
    with pytest.raises(PredictionError, match="ids must be whole numbers"):
        check_server_file(put(tmp_path / "f.json", content), spec("circo-test", 1))


def test_a_file_larger_than_five_megabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "MAX_BYTES", 50)
    with pytest.raises(PredictionError, match="the server takes at most 50"):
        check_server_file(put(tmp_path / "f.json", changed()), spec("cirr-test", 2))
    with pytest.raises(PredictionError, match="the server takes at most 50"):
        write_server_files(tmp_path, spec("cirr-test", 2), {"main": lists(CIRR)})


def test_the_real_test_split_fits_into_five_megabytes() -> None:
    """4148 queries, 50 of the longest names of the split each."""
    longest = {str(39_000 + pair): [f"test1-1043-3-img{number}" for number in range(50)] for pair in range(4148)}
    size = len(json.dumps({"version": "rc2", "metric": "recall", **longest}, separators=(",", ":")))
    assert size < servers.MAX_BYTES


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match=r"nothing\.json: cannot be read"):
        check_server_file(tmp_path / "nothing.json", spec("circo-test", 1))
