"""Data sets of the Hugging Face Hub: which files a repository has at a commit, and their content.

Requests are made by huggingface_hub, which knows the user's token, proxies and mirrors (HF_TOKEN, HF_ENDPOINT, ...).
Only data files are taken; a repository's scripts are never fetched, let alone run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mbench import __version__
from mbench.core.errors import DownloadError, MissingDependencyError
from mbench.core.specs import HubSpec
from mbench.data.manifest import Expected, Listing
from mbench.data.names import is_data, safe_path
from mbench.data.patience import (
    BUSY,
    Patience,
    Tell,
    TransientError,
    asked_wait,
    find_host,
    is_away,
    is_disk_error,
    patiently,
)

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PUBLIC = "https://huggingface.co"
COMMIT = re.compile("[0-9a-f]{40}")
TRUE = ("1", "ON", "YES", "TRUE")
REFUSALS = {
    "OfflineModeIsEnabled": "HF_HUB_OFFLINE forbids to fetch it.",
    "GatedRepoError": "access is restricted. Accept its terms on that page, then `hf auth login` or set HF_TOKEN.",
    "RepositoryNotFoundError": "there is no such repository, or none that you may read; `hf auth login` or HF_TOKEN "
    "tells the Hub who you are.",
    "RevisionNotFoundError": "there is no revision {!r} of it.",
    "HFValidationError": "that is no name of a repository.",
}
"""What the client's errors mean; the first that fits, since some are kinds of others."""


def is_offline() -> bool:
    """Tell whether the user keeps the Hub's client off the network by HF_HUB_OFFLINE."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in TRUE


def is_pinned(hub: HubSpec) -> bool:
    """Tell whether the revision is a commit, whose files never change."""
    return COMMIT.fullmatch(hub.revision) is not None


def address(hub: HubSpec) -> str:
    """Return where people find the repository."""
    return f"{_endpoint()}/{'datasets/' if hub.repo_type == 'dataset' else ''}{hub.repo}"


def listing(hub: HubSpec, tell: Tell, patience: Patience) -> Listing:
    """Ask the Hub for the data files of a repository, with their sizes and hashes.

    Raises DownloadError for a repository or revision that is not there or not open to the user, and when the Hub does
    not answer.
    """
    api = _api()

    def commit() -> str:
        find_host(_endpoint())
        with _explained(hub):
            return str(api.repo_info(hub.repo, repo_type=hub.repo_type, revision=hub.revision).sha)

    def files(commit: str) -> dict[str, Expected]:
        with _explained(hub):
            tree = api.list_repo_tree(hub.repo, recursive=True, revision=commit, repo_type=hub.repo_type)
            return {one.path: _expected(one) for one in tree if hasattr(one, "blob_id") and is_data(one.path)}

    at = patiently(commit, address(hub), tell, patience)
    found = patiently(lambda: files(at), address(hub), tell, patience)
    for path in found:
        _check_name(hub, path)
    return Listing(commit=at, files=found)


def getter(hub: HubSpec, commit: str, path: str, size: int | None) -> Callable[[Path, int], None]:
    """Return what writes a file of the repository into a partial file, going on at a byte of it.

    Its call raises TransientError, DownloadError, and OSError when the disk refuses.
    """

    def get(partial: Path, offset: int) -> None:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        find_host(_endpoint())
        url = hf_hub_url(hub.repo, path, repo_type=hub.repo_type, revision=commit, endpoint=_endpoint())
        headers = build_hf_headers(library_name="mbench", library_version=__version__)
        headers["Accept-Encoding"] = "identity"  # bytes of a compressed answer could not be continued
        with _explained(hub, path, partial), partial.open("r+b") as file:
            file.seek(offset)
            file.truncate()
            http_get(url, file, resume_size=offset, headers=headers, expected_size=size, displayed_filename=path)

    return get


def _api() -> HfApi:
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "Data sets of the Hugging Face Hub need its client: pip install 'mbench-eval[hub]'"
        ) from None
    return HfApi(endpoint=_endpoint(), library_name="mbench", library_version=__version__)


def _endpoint() -> str:
    # Read at every call: the client reads it once, when it is imported.
    return (os.environ.get("HF_ENDPOINT") or PUBLIC).rstrip("/")


def _expected(file: object) -> Expected:
    """Large files are known by the sha256 of their content, the others by git's hash of it."""
    size, blob, large = getattr(file, "size", None), str(getattr(file, "blob_id", "")), getattr(file, "lfs", None)
    if large is not None:
        return Expected(size=large.size, sha256=large.sha256)
    return Expected(size=size, git=blob if COMMIT.fullmatch(blob) else None)


def _check_name(hub: HubSpec, path: str) -> None:
    try:
        safe_path(path)
    except ValueError as error:
        raise DownloadError(f"{address(hub)}: the name {path!r} of a file is not safe ({error}).") from None


@contextmanager
def _explained(hub: HubSpec, path: str = "", partial: Path | None = None) -> Iterator[None]:
    """Turn what the Hub's client raises into what a user can act on."""
    from huggingface_hub import errors

    try:
        yield
    except (OSError, ValueError, errors.HTTPError) as error:  # type: ignore[attr-defined]
        if is_disk_error(error):
            raise
        reached = partial.stat().st_size if partial is not None and partial.is_file() else 0
        raise _meaning(hub, path, error, reached) from error


def _meaning(hub: HubSpec, path: str, error: Exception, reached: int) -> Exception:
    from huggingface_hub import errors

    where = address(hub)
    for name, said in REFUSALS.items():
        if isinstance(error, getattr(errors, name)):
            return DownloadError(f"{where}: {said.format(hub.revision)}")
    response = getattr(error, "response", None)
    if response is None:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return TransientError(f"no connection ({reason})", reached=reached, away=is_away(error))
    if response.status_code in BUSY:
        return TransientError(f"the Hub answers {response.status_code}", asked_wait(response.headers), reached)
    what = f"the file {path!r}" if path else "its list of files"
    return DownloadError(f"{where}: the Hub answers {response.status_code} for {what} at revision {hub.revision}.")
