"""Looking at a built site in a browser: a server for this machine only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mbench.core.errors import UserError

HOST = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    """Serves files quietly; a browser asks again each time, so that a new build is seen."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing about single requests."""


def serve_site(site: Path, port: int, announce: Callable[[str], None]) -> None:
    """Serve the built site on 127.0.0.1 until interrupted; `announce` gets its address. Port 0 takes a free one.

    Raises UserError when no site is there or the port cannot be taken.
    """
    if not (site / "index.html").is_file():
        raise UserError(f"{site}: no built site; run `mbench leaderboard build -o {site}` first.")
    try:
        server = ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(site)))
    except OSError as error:
        raise UserError(f"Port {port} cannot be taken ({error.strerror}); choose another with --port.") from None
    with server:
        announce(f"http://{HOST}:{server.server_port}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
