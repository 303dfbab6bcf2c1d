"""Which model, with which weights, on which machine and libraries a number was made."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import JsonValue

import mbench
from mbench.core.files import fingerprint
from mbench.core.results import ModelRef
from mbench.core.types import Encoder, LoadOptions

EMBEDDING = ("torch", "pillow", "transformers", "tokenizers", "sentence-transformers", "open_clip_torch", "mteb")
"""Libraries whose release can move an embedding in its last digits: they decode, resize, tokenise and multiply."""
LIBRARIES = ("numpy", "pyarrow", "safetensors", *EMBEDDING)


def model_ref(encoder: Encoder, options: LoadOptions) -> ModelRef:
    """Return the model as results name it. Its fingerprint covers what the adapter says can change an embedding.

    An adapter that says nothing (`identity`) is fingerprinted by its arguments and the file that it comes from.
    """
    card = encoder.card
    identity = getattr(encoder, "identity", None)
    said = {"args": dict(options.args), "dtype": options.dtype, "seed": options.seed}
    told = dict(identity) if identity else {**said, "source": getattr(encoder, "source_sha256", None)}
    named = {"id": card.id, "revision": card.revision, "similarity": card.similarity}
    return ModelRef(id=card.id, revision=card.revision, fingerprint=fingerprint({**named, "told": told}), card=card)


def store_name(ref: ModelRef) -> str:
    """Return the name of a model's folder of stored embeddings: another one for each release of `EMBEDDING`.

    A result keeps its fingerprint when a library is upgraded; embeddings of two releases are never mixed in one.
    """
    return fingerprint({"model": ref.fingerprint, "libraries": _installed(EMBEDDING)})


def shares_cache(encoder: Encoder) -> bool:
    """Tell whether stored embeddings may be trusted: only where the adapter names all that can change them."""
    return bool(getattr(encoder, "identity", None))


def precision_of(encoder: Encoder) -> str:
    """Return the precision that a model computes in, by torch's name; float32 where its identity does not tell."""
    from mbench.models.device import TORCH_NAMES, resolve_dtype

    told = (getattr(encoder, "identity", None) or {}).get("dtype")
    return TORCH_NAMES[resolve_dtype(str(told))] if told else str(getattr(encoder, "dtype", "float32"))


def device_of(encoder: Encoder, options: LoadOptions) -> str:
    """Return the device that a model computes on: a model whose identity tells its precision follows --device."""
    from mbench.models.device import resolve_device

    placed = "dtype" in (getattr(encoder, "identity", None) or {})
    return resolve_device(options.device) if placed else str(getattr(encoder, "device", "cpu"))


def now() -> str:
    """Return the time in UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, JsonValue]:
    """Return the versions of mbench, Python and the libraries that can move a score, as far as they are installed."""
    return {"mbench": mbench.__version__, "python": platform.python_version(), **_installed(LIBRARIES)}


def _installed(names: Sequence[str]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def git_commit() -> str | None:
    """Return the commit of the checkout that mbench runs from, with `+` when it has changes; None outside of one."""
    root = Path(mbench.__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed else "")


def machine() -> str:
    """Return the kind of machine in words: system, processor architecture, number of cores."""
    import os

    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
