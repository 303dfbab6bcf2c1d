"""Files of weights made by hand, with whatever content."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def zipped(path: Path, program: bytes, records: dict[str, bytes] | None = None, **settings: Any) -> Path:
    with zipfile.ZipFile(path, "w", **settings) as archive:
        archive.writestr("x/data.pkl", program)
        for name, content in (records or {}).items():
            archive.writestr(name, content)
    return path


def text_global(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def tensor_program(key: str = "0", count: int = 2, offset: int = 0, shape: Any = (2,), strides: Any = (1,)) -> bytes:
    """The pickle of {"model": {"w": a float32 tensor}}, with whatever numbers."""

    def plain(value: Any) -> bytes:
        return pickle.dumps(value, 2)[2:-1]

    storage = (
        b"("
        + plain("storage")
        + text_global("torch", "FloatStorage")
        + plain(key)
        + plain("cpu")
        + plain(count)
        + b"tQ"
    )
    args = b"(" + storage + plain(offset) + plain(shape) + plain(strides) + b"\x89" + plain({}) + b"t"
    tensor = text_global("torch._utils", "_rebuild_tensor_v2") + args + b"R"
    return b"\x80\x02}" + plain("model") + b"}" + plain("w") + tensor + b"ss."
