"""Where a checkpoint lies: a folder of the user's, or a snapshot of the Hugging Face Hub, pinned by its commit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mbench.core.errors import CheckpointError, MissingDependencyError, ModelError, UserError
from mbench.core.files import file_sha256
from mbench.core.types import LoadOptions

SIDE_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
SAFE_WEIGHTS = ("model*.safetensors", "adapter_model.safetensors")
OLD_WEIGHTS = ("pytorch_model*.bin", "adapter_model.bin")
HASHED_SUFFIXES = (".json", ".txt", ".model", ".jinja", ".safetensors", ".bin", ".pt", ".pth")


@dataclass(frozen=True, slots=True)
class Located:
    """A checkpoint on this machine. `revision` is the Hub's commit, or 12 hex digits of the hash of all its files.

    `name` is for cards: the Hub's name or the last part of the folder's path; results do not tell where a user's files
    lie.
    """

    folder: Path
    revision: str
    name: str


def locate(checkpoint: str, options: LoadOptions, pinned: str | None = None, files: Sequence[str] = ()) -> Located:
    """Return the folder of `checkpoint`, a path or a Hub name, which is downloaded unless `--offline`.

    `pinned` is the revision of a Hub name where `--model-revision` tells none; `files` are patterns of the files to
    download where they do not lie as transformers puts them.
    Raises UserError for a folder that does not exist or has no revisions, ModelError when the Hub cannot be reached,
    does not know the name or revision, or refuses access.
    """
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        if options.revision is not None:
            raise UserError(f"{checkpoint} is a folder, which has no revisions; leave out --model-revision.")
        return Located(folder, folder_revision(folder), folder.resolve().name)
    if _looks_like_path(checkpoint):
        what = "a file, not a folder" if folder.is_file() else "no folder that exists"
        raise UserError(f"The checkpoint {checkpoint} is {what}.")
    return _downloaded(checkpoint, replace(options, revision=options.revision or pinned), files)


def folder_revision(folder: Path) -> str:
    """Return 12 hex digits that change with any file of weights, vocabulary or configuration below `folder`."""
    lines = [
        f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n"
        for path in sorted(folder.rglob("*"))
        if path.suffix in HASHED_SUFFIXES and path.is_file()
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


def _looks_like_path(checkpoint: str) -> bool:
    return checkpoint.count("/") != 1 or checkpoint[0] in "./~" or Path(checkpoint).is_file()


def _downloaded(name: str, options: LoadOptions, files: Sequence[str]) -> Located:
    if files:
        folder = _snapshot(name, options, files)
        return Located(folder, folder.name, name)
    folder = _snapshot(name, options, [*SIDE_FILES, *SAFE_WEIGHTS])
    if not any(file for pattern in SAFE_WEIGHTS for file in folder.glob(pattern)):
        folder = _snapshot(name, options, [*SIDE_FILES, *OLD_WEIGHTS])
    return Located(folder, folder.name, name)


def _snapshot(name: str, options: LoadOptions, patterns: Sequence[str]) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError:
        raise MissingDependencyError(
            f"{name!r} is no folder here; to fetch it from the Hugging Face Hub: pip install huggingface_hub"
        ) from None
    try:
        found = snapshot_download(
            name, revision=options.revision, local_files_only=options.offline, allow_patterns=list(patterns)
        )
    except (OSError, ValueError) as error:
        raise _failure(name, options, error) from error
    return Path(found)


def _failure(name: str, options: LoadOptions, error: Exception) -> ModelError:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return ModelError(f"{name}: access is restricted; ask for it on the model's page, then `hf auth login`.")
    if isinstance(error, errors.RepositoryNotFoundError):
        return ModelError(f"{name}: neither a folder here nor a repository of the Hub that you may read.")
    if isinstance(error, errors.RevisionNotFoundError):
        which = "main branch" if options.revision is None else f"revision {options.revision!r}"
        return CheckpointError(f"{name}: the Hub has no {which} of it.")
    at = f" at revision {options.revision}" if options.revision else ""
    if options.offline:
        return ModelError(f"{name}{at}: not in the Hub's cache on this machine, and --offline forbids to fetch it.")
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return ModelError(f"{name}{at}: neither a folder here nor fetched from the Hub: {reason}")
