from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models.hostile_pth import Evil, tensor_program, zipped

from mbench.core.errors import CheckpointError
from mbench.models.uniir_pth import read_pth

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "executed"


def weights() -> dict[str, Any]:
    """Tensors of all kinds: strided, overlapping, sharing memory, empty, parameters; with the hints of a module."""
    base = torch.arange(24.0)
    tensors = {str(dtype): torch.arange(6).reshape(2, 3).to(dtype) for dtype in DTYPES}
    found: Any = torch.nn.Linear(3, 2).state_dict()
    found["parameter"] = torch.nn.Parameter(torch.ones(2))
    found["transposed"] = base.reshape(4, 6).T
    found["overlapping"] = base.as_strided((5, 4), (2, 1), 3)
    found["shared"] = base[20:]
    found["empty"] = torch.zeros(0, 3)
    found["scalar"] = torch.tensor(2.5)
    found.update(tensors)
    return found


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "stream"])
def test_tensors_arrive_whatever_lies_beside_them(tmp_path: Path, marker: Path, archive: bool) -> None:
    content = {"model": weights(), "config": Evil(marker), "optimizer": [Evil(marker), {"x": Evil(marker)}], "epoch": 3}
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=archive)
    read = read_pth(tmp_path / "x.pth")
    assert read.shapes == {name: tuple(one.shape) for name, one in weights().items()}
    for name, expected in torch.load(tmp_path / "x.pth", weights_only=False)["model"].items():
        assert torch.equal(read.read(name), expected)
        assert read.read(name).dtype == expected.dtype
    marker.unlink()  # torch.load itself did execute the file
    read_pth(tmp_path / "x.pth").read("scalar")
    assert not marker.exists()


def hostile_contents(marker: Path) -> dict[str, Any]:
    tensor = torch.ones(2)
    return {
        "everything": Evil(marker),
        "the weights": {"model": Evil(marker)},
        "one weight": {"model": {"good": tensor, "evil": Evil(marker)}},
        "a weight in a list": {"model": {"evil": [Evil(marker)]}},
        "a number": {"model": {"evil": 3}},
    }


@pytest.mark.parametrize("where", list(hostile_contents(Path())))
@pytest.mark.parametrize("archive", [True, False], ids=["zip", "stream"])
def test_code_in_place_of_weights_is_named_and_not_executed(
    tmp_path: Path, marker: Path, where: str, archive: bool
) -> None:
    torch.save(hostile_contents(marker)[where], tmp_path / "x.pth", _use_new_zipfile_serialization=archive)
    with pytest.raises(CheckpointError) as caught:
        read_pth(tmp_path / "x.pth")
    assert str(tmp_path / "x.pth") in str(caught.value)
    assert "evil" in str(caught.value) or "'model'" in str(caught.value)
    assert not marker.exists()


def test_the_program_of_these_tests_is_one_that_loads(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.pth", tensor_program(), {"x/data/0": struct.pack("<2f", 1, 2)})
    assert read_pth(path).read("w").tolist() == [1, 2]


BAD_TENSORS: dict[str, dict[str, Any]] = {
    "more numbers than the record": {"count": 3},
    "fewer numbers than the record": {"count": 1, "shape": (1,)},
    "2 ** 62 numbers": {"count": 2**62},
    "a negative count": {"count": -1},
    "a count that is text": {"count": "2"},
    "a flag for a count": {"count": True},
    "beyond the storage": {"shape": (3,)},
    "an offset beyond it": {"offset": 1},
    "a negative offset": {"offset": -1},
    "a negative stride": {"strides": (-1,)},
    "no stride": {"strides": ()},
    "a list for a shape": {"shape": [2]},
    "an absent record": {"key": "1"},
    "a record outside of the archive": {"key": "../../../../etc/passwd"},
    "an absolute record": {"key": "/etc/passwd"},
    "65 dimensions": {"shape": (1,) * 65, "strides": (1,) * 65},
}


@pytest.mark.parametrize("name", list(BAD_TENSORS))
def test_a_tensor_that_its_numbers_cannot_make_is_refused(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "x.pth", tensor_program(**BAD_TENSORS[name]), {"x/data/0": struct.pack("<2f", 1, 2)})
    with pytest.raises(CheckpointError):
        read_pth(path).read("w")


@pytest.mark.parametrize(
    "call",
    [
        b"ctorch._utils\n_rebuild_parameter\n)R",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R",
        b"ctorch._utils\n_rebuild_tensor_v2\nNR",
        b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR",
        b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNt\x81",
        b"ctorch._utils\n_rebuild_tensor_v3\n)R",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
    ],
)
def test_a_call_for_a_tensor_without_its_arguments_is_refused(tmp_path: Path, call: bytes) -> None:
    program = b"\x80\x02}X\x05\x00\x00\x00model}X\x01\x00\x00\x00w" + call + b"ss."
    with pytest.raises(CheckpointError, match="'w' is no tensor that can be read without running code"):
        read_pth(zipped(tmp_path / "x.pth", program))


def test_a_huge_view_of_few_numbers_takes_no_memory_until_it_is_asked_for(tmp_path: Path) -> None:
    program = tensor_program(shape=(2**40,), strides=(0,))
    path = zipped(tmp_path / "x.pth", program, {"x/data/0": struct.pack("<2f", 1, 2)})
    assert read_pth(path).shapes["w"] == (2**40,)


def test_archives_that_torch_never_writes_are_refused(tmp_path: Path) -> None:
    numbers = {"x/data/0": struct.pack("<2f", 1, 2)}
    bomb = {"x/data/0": bytes(10**7)}
    with pytest.raises(CheckpointError, match="compressed"):
        read_pth(zipped(tmp_path / "a", tensor_program(), bomb, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(CheckpointError, match="other byte order"):
        read_pth(zipped(tmp_path / "b", tensor_program(), numbers | {"x/byteorder": b"big"}))
    with pytest.raises(CheckpointError, match=r"2 descriptions of its content \(data.pkl\)"):
        read_pth(zipped(tmp_path / "c", tensor_program(), numbers | {"y/data.pkl": b"N."}))
    with pytest.warns(UserWarning, match="Duplicate name"):
        zipped(tmp_path / "d", tensor_program(), {"x/data.pkl": b"N."})
    with pytest.raises(CheckpointError, match="the same name"):
        read_pth(tmp_path / "d")


def test_names_that_climb_out_of_the_archive_write_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    records = {"x/data/0": struct.pack("<2f", 1, 2), "x/../../../climbed": b"x", "/climbed": b"x"}
    assert read_pth(zipped(folder / "x.pth", tensor_program(), records)).read("w").tolist() == [1, 2]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "er", "x.pth"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "damaged, truncated or no file of torch.save"),
        (b"not weights at all", "damaged, truncated or no file of torch.save"),
        (b"PK\x03\x04 but no archive", "damaged, truncated or no file of torch.save"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "git lfs pull"),
    ],
)
def test_what_is_no_checkpoint_is_said_so(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        read_pth(tmp_path / "x.pth")


def test_weights_under_no_key_are_not_guessed(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="whose key 'model' holds the weights; found a mapping with 'a'"):
        read_pth(tmp_path / "x.pth")


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "stream"])
def test_a_truncated_file_never_yields_a_tensor(tmp_path: Path, archive: bool) -> None:
    torch.save({"model": {"w": torch.ones(500)}}, tmp_path / "x.pth", _use_new_zipfile_serialization=archive)
    whole = (tmp_path / "x.pth").read_bytes()
    for share in range(1, 20):
        (tmp_path / "x.pth").write_bytes(whole[: len(whole) * share // 20])
        with pytest.raises(CheckpointError):
            read_pth(tmp_path / "x.pth").read("w")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_raise_nothing_but_checkpoint_errors(tmp_path: Path, data: st.DataObject) -> None:
    archive = data.draw(st.booleans())
    torch.save({"model": {"w": torch.ones(5)}, "c": 1}, tmp_path / "x.pth", _use_new_zipfile_serialization=archive)
    content = bytearray((tmp_path / "x.pth").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x.pth").write_bytes(content)
    try:
        read = read_pth(tmp_path / "x.pth")
        if read.shapes.get("w") == (5,):
            read.read("w")
    except CheckpointError:
        pass
