"""Plain downloads: one file by its address, continued where it stopped."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from mbench import __version__
from mbench.core.errors import DownloadError
from mbench.data.patience import BUSY, TransientError, asked_wait, find_host, is_away, is_disk_error

BLOCK = 1024 * 1024
TIMEOUT = 30.0
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def check_address(url: str) -> None:
    """Raise DownloadError unless the address is https, or http on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in THIS_MACHINE):
        raise DownloadError(f"{url}: only addresses that begin with https:// are fetched.")


def download(url: str, partial: Path, offset: int) -> None:
    """Write what lies at `url` into `partial`, from byte `offset` on, of which the file has the first `offset` already.

    A server that cannot continue sends all of it again. Raises TransientError for a busy server and a connection that
    was cut, DownloadError for an address that is refused or has nothing, and OSError when the disk refuses.
    """
    check_address(url)
    find_host(url)
    headers = {"User-Agent": f"mbench/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    try:
        with urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT) as response:
            _store(response, partial, offset)
    except urllib.error.HTTPError as error:
        _explain(error, url, partial)
    except (OSError, HTTPException) as error:
        if is_disk_error(error):
            raise
        reason = str(getattr(error, "reason", None) or error) or type(error).__name__
        raise TransientError(f"no connection ({reason})", reached=_size(partial), away=is_away(error)) from error


def _store(response: HTTPResponse, partial: Path, offset: int) -> None:
    length = response.headers.get("Content-Length")
    continued = offset > 0 and response.status == 206
    start = offset if continued else 0
    with partial.open("r+b" if continued else "wb") as file:
        file.seek(start)
        file.truncate()
        while block := response.read(BLOCK):
            file.write(block)
        got = file.tell() - start
    if length is not None and got < int(length):
        raise TransientError(f"the connection was cut after {got:,} of {int(length):,} bytes", reached=start + got)


def _explain(error: urllib.error.HTTPError, url: str, partial: Path) -> None:
    """Raise what an answer that is no success means."""
    said = f"{error.code} {error.reason}".strip()
    if error.code in BUSY:
        raise TransientError(f"the server answers {said}", asked_wait(error.headers), _size(partial)) from None
    if error.code == 416:
        partial.unlink(missing_ok=True)
        raise TransientError("the server cannot continue the file, which begins again") from None
    if error.code // 100 == 3:
        raise DownloadError(f"{url}: it leads to an address that is not fetched ({said}).") from None
    if error.code in (401, 403):
        raise DownloadError(f"{url}: the server refuses access ({said}).") from None
    raise DownloadError(f"{url}: the server has no such file ({said}).") from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections to addresses that would be fetched themselves, to no others."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
