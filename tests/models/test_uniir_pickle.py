from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path

import pytest
from tests.models.hostile_pth import Evil, zipped

from mbench.core.errors import CheckpointError
from mbench.models.uniir_pickle import Call, Name, read_pickle
from mbench.models.uniir_pth import read_pth


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "executed"


PROGRAMS = {
    "eval by name": b"\x80\x02cbuiltins\neval\nX\x10\x00\x00\x00{code}\x85R.",
    "system, protocol 0": b"cposix\nsystem\n(S'touch {marker}'\ntR.",
    "an instance": b"(S'touch {marker}'\niposix\nsystem\n.",
    "an object": b"(cposix\nsystem\nS'touch {marker}'\no.",
    "a name from the stack": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x01x\x85R.",
    "a new object": b"\x80\x02cposix\nsystem\nS'touch {marker}'\n\x85\x81.",
    "with keywords": b"\x80\x04cposix\nsystem\nS'touch {marker}'\n\x85}\x92.",
    "state": b"\x80\x02cposix\nsystem\n}S'touch {marker}'\nNsb.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent name": b"Pos.system('touch {marker}')\n.",
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_hand_written_program_is_followed_and_never_run(tmp_path: Path, marker: Path, name: str) -> None:
    program = PROGRAMS[name].replace(b"{marker}", str(marker).encode()).replace(b"{code}", b"os.mkdir('/tmp')")
    assert read_pickle(io.BytesIO(program)).root is not None
    with pytest.raises(CheckpointError):
        read_pth(zipped(tmp_path / "x.pth", program))
    with pytest.raises(CheckpointError):
        (tmp_path / "y.pth").write_bytes(program)
        read_pth(tmp_path / "y.pth")
    assert not marker.exists()


def test_a_call_stays_a_record(marker: Path) -> None:
    root = read_pickle(io.BytesIO(pickle.dumps({"x": Evil(marker)}))).root
    assert isinstance(root, dict)
    call = root["x"]
    assert isinstance(call, Call)
    assert (call.target, call.args) == (Name("posix", "system"), (f"touch {marker}",))


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_of_every_protocol_are_what_pickle_makes_of_them(protocol: int) -> None:
    shared = [1, 2]
    value: dict[object, object] = {
        "none": None, "flags": [True, False], "numbers": [0, -1, 255, 65536, -(2**40), 2**100, 1.5], 7: "seven",
        "text": ["", "ä", "x" * 300], "bytes": b"" if protocol < 3 else b"\x00\xff" * 200, "tuples": [(), (1,), (1, 2),
        (1, 2, 3), (1, 2, 3, 4)], "shared": (shared, shared), "nested": {"a": {"b": [{}]}},
    }  # fmt: skip
    if protocol < 3:
        del value["bytes"]
    assert read_pickle(io.BytesIO(pickle.dumps(value, protocol))).root == value


BOMBS = {
    "a memo place of 4 billion": b"\x80\x02Nr\xff\xff\xff\xff0.",
    "text of 2 ** 60 bytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.",
    "bytes of 2 ** 60 bytes": b"\x80\x05\x96" + struct.pack("<Q", 2**60) + b"x.",
    "a frame of 2 ** 60 bytes": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
    "a key whose hash takes 2 ** 60 steps": b"\x80\x02}" + b")" + b"2\x86" * 60 + b"Ns.",
    "a list in itself": b"\x80\x02]2a.",
    "nothing on the stack": b"\x80\x02a.",
    "no end": b"\x80\x02N",
    "a mark too few": b"\x80\x02t.",
    "an unknown instruction": b"\x80\x02\xff.",
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_program_made_to_exhaust_the_reader_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError):
        read_pth(zipped(tmp_path / "x.pth", BOMBS[name]))
