from __future__ import annotations

import socket
import threading
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.publish.sample import card, result, task, write
from typer.testing import CliRunner

from mbench.cli.leaderboard import app
from mbench.core.errors import CheckFailedError, UserError
from mbench.publish.serve import serve_site

runner = CliRunner()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_build_takes_the_folders_that_are_there_and_says_what_it_did(folder: Path) -> None:
    write(folder / "results", result(task("unknown-to-mbench"), card("a"), 0.5))
    write(folder / "submissions" / "b" / "results", result(task("unknown-to-mbench"), card("b"), 0.5))
    done = runner.invoke(app, ["build"])
    assert done.exit_code == 0
    assert "Broken: submissions/b/card.yaml: there is no card" in done.output
    assert "writes one (hides the whole submission)" in done.output
    assert "leaderboard/site/index.html: 1 result of 1 model on 1 task, " in done.output
    assert (folder / "leaderboard" / "site" / "index.html").is_file()


def test_build_without_any_result_makes_the_empty_page(folder: Path) -> None:
    assert runner.invoke(app, ["build", "-o", "out"]).exit_code == 0
    assert "No results yet" in (folder / "out" / "index.html").read_text()


def test_a_misspelt_folder_is_not_taken_for_an_empty_one(folder: Path) -> None:
    assert isinstance(runner.invoke(app, ["build", "--results", "reslts"]).exception, UserError)
    assert not (folder / "leaderboard").exists()


def test_strict_fails_on_a_broken_file_after_building(folder: Path) -> None:
    (folder / "results" / "a" / "1").mkdir(parents=True)
    (folder / "results" / "a" / "1" / "one.json").write_text("{")
    assert runner.invoke(app, ["build"]).exit_code == 0
    strict = runner.invoke(app, ["build", "--strict"])
    assert isinstance(strict.exception, CheckFailedError) and "results/a/1/one.json" in str(strict.exception)
    assert "results/a/1/one.json" in (folder / "leaderboard" / "site" / "index.html").read_text()


def test_serve_answers_on_this_machine_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner.invoke(app, ["build", "-o", "site"])
    seen: list[str] = []

    def look(server: ThreadingHTTPServer) -> None:
        host, port = server.server_address[:2]
        thread = threading.Thread(target=ThreadingHTTPServer.handle_request, args=(server,))
        thread.start()
        with urllib.request.urlopen(f"http://{host!s}:{port}/") as page:
            seen.extend([str(host), page.read().decode(), page.headers["X-Content-Type-Options"]])
        thread.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", look)
    done = runner.invoke(app, ["serve", "site", "--port", "0"])
    assert done.exit_code == 0 and done.output.startswith("http://127.0.0.1:")
    assert seen[0] == "127.0.0.1" and "No results yet" in seen[1] and seen[2] == "nosniff"


def test_serve_tells_what_is_missing(folder: Path) -> None:
    assert "leaderboard build" in str(runner.invoke(app, ["serve", "nowhere"]).exception)


def test_a_port_that_is_taken_is_no_traceback(folder: Path) -> None:
    runner.invoke(app, ["build", "-o", "site"])
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="--port"):
        serve_site(folder / "site", taken.getsockname()[1], print)


def test_the_name_of_a_broken_file_begins_no_line_of_its_own(folder: Path) -> None:
    broken = folder / "results" / "a\n::error::forged\x1b[31m" / "r"
    broken.mkdir(parents=True)
    (broken / "emoji-cls.json").write_text("{")
    done = runner.invoke(app, ["build", "--strict"])
    assert done.exit_code != 0
    for line in (done.output + str(done.exception)).splitlines():
        assert not line.startswith("::") and "\x1b" not in line
    assert "::error::forged" in done.output
