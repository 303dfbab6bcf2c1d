"""Arrays of an .npz file without reading them: what numpy's `savez` stores as it is can be mapped into memory."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mbench.core.errors import ModelError, listed

LOCAL_HEADER_BYTES = 30
READ_AT_ONCE = 1 << 22


def open_arrays(path: Path, names: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays `names` of an .npz file; uncompressed ones stay on disk and are read where they are touched.

    Compressed ones (`savez_compressed`) are read into memory. Nothing is unpickled. Raises ModelError for a file that
    is no .npz file, is damaged, lacks an array or holds one of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
            lacking = [name for name in names if name not in found]
            if lacking:
                raise ModelError(f"{path}: has no array {listed(lacking)}; it has {listed(found, 8) or 'none'}.")
            return {name: _array(path, archive, found[name]) for name in names}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
        raise ModelError(f"{path}: not a readable .npz file: {error}") from None


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, column_major, dtype = read(stream)
        header_bytes = stream.tell()
    if dtype.hasobject:
        raise ModelError(
            f"{path}: {name} is an array of Python objects, which only unpickling could read; "
            "save ids as text: numpy.array(ids, dtype=str)."
        )
    if member.compress_type != zipfile.ZIP_STORED or 0 in shape:
        with archive.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    _check(path, name, archive, member, header_bytes + int(np.prod(shape)) * dtype.itemsize)
    order = "F" if column_major else "C"
    return np.memmap(path, dtype, "r", _data_offset(path, member) + header_bytes, shape, order)  # type: ignore[call-overload, no-any-return]


def _check(path: Path, name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, expected: int) -> None:
    """Verify the length of a stored array, and its checksum, which the memory map would not."""
    if member.file_size != expected:
        raise ModelError(f"{path}: {name} holds {member.file_size} bytes, but its header announces {expected}.")
    with archive.open(member) as stream:
        while stream.read(READ_AT_ONCE):
            pass


def _data_offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where a stored member's bytes begin: its local header may be longer than the directory says."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(LOCAL_HEADER_BYTES)
    lengths = np.frombuffer(header[26:30], dtype="<u2")
    return member.header_offset + LOCAL_HEADER_BYTES + int(lengths.sum(dtype=np.int64))
