"""Folders with files that must not be there, or are no files."""

from __future__ import annotations

import os
import pickle
import socket
from pathlib import Path

from tests.publish.hostile import Case, file, queries_path, ranking_path, result_path


class Runs:
    """Pickled, it makes a file when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch canary",)


def link_to_card(folder: Path) -> None:
    secret = folder.parent.parent / "secret.yaml"
    secret.write_bytes((folder / "card.yaml").read_bytes())
    (folder / "card.yaml").unlink()
    (folder / "card.yaml").symlink_to(secret)


def link_to_folder(folder: Path) -> None:
    outside = folder.parent.parent / "outside"
    (folder / "results").rename(outside)
    (folder / "results").symlink_to(outside, target_is_directory=True)


def link_to_ranking(folder: Path) -> None:
    path = ranking_path(folder)
    outside = folder.parent.parent / "outside.parquet"
    path.rename(outside)
    path.symlink_to(outside)


def link_to_itself(folder: Path) -> None:
    (folder / "results" / "loop").symlink_to(folder / "results", target_is_directory=True)


def link_as_submission(folder: Path) -> None:
    folder.rename(folder.parent.parent / "elsewhere")
    folder.symlink_to(folder.parent.parent / "elsewhere", target_is_directory=True)


def dangling(folder: Path) -> None:
    (folder / "README.md").symlink_to("/nowhere")


def pipe(folder: Path) -> None:
    path = result_path(folder).with_name("emoji-cls.json")
    os.mkfifo(path)


def socket_file(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket is at most 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("README.md")
    finally:
        os.chdir(here)


def many(folder: Path) -> None:
    place = result_path(folder).parent
    for number in range(2_100):
        (place / f"x{number}.json").touch()


def deep(folder: Path) -> None:
    place = folder / "results" / "a" / "b" / "c" / "d"
    place.mkdir(parents=True)
    (place / "emoji-vqa.json").write_text("{}")


def sparse(folder: Path) -> None:
    with ranking_path(folder).open("r+b") as one:
        one.truncate(60 * 2**20)


def results_as_file(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder / "results")
    (folder / "results").write_text("nothing here")


def no_results(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder / "results")


def no_ranking(folder: Path) -> None:
    ranking_path(folder).unlink()


def orphan(folder: Path) -> None:
    result_path(folder).unlink()


def empty_scores(folder: Path) -> None:
    queries_path(folder).write_bytes(b"")


CASES = [
    Case("a link in place of the card", "symlink", link_to_card),
    Case("a link in place of the results", "symlink", link_to_folder),
    Case("a link in place of a ranking", "symlink", link_to_ranking),
    Case("a link to itself", "symlink", link_to_itself),
    Case("a link to nothing", "symlink", dangling),
    Case("a link in place of the submission", "symlink", link_as_submission),
    Case("a pipe that never ends", "not-a-file", pipe),
    Case("a socket", "not-a-file", socket_file),
    Case("a pickle", "unexpected-file", file("{results}/emoji-vqa.pkl", pickle.dumps(Runs()))),
    Case("a page", "unexpected-file", file("index.html", b"<script>alert(1)</script>")),
    Case("a drawing that runs", "unexpected-file", file("logo.svg", b"<svg onload='alert(1)'/>")),
    Case("code beside the adapter", "unexpected-file", file("conftest.py", b"import os; os.system('touch canary')")),
    Case("a package", "unexpected-file", file("mbench/__init__.py", b"open('canary', 'w')")),
    Case("a hidden file", "unexpected-file", file(".gitattributes", b"* filter=evil")),
    Case("a workflow", "unexpected-file", file(".github/workflows/x.yml", b"on: push")),
    Case("a name of two lines", "unexpected-file", file("{results}/a\nb.json", b"{}")),
    Case("a name that reverses", "unexpected-file", file("{results}/\u202enosj.json", b"{}")),
    Case("code among the results", "unexpected-file", file("{results}/emoji-vqa.py", b"open('canary', 'w')")),
    Case("too many files", "too-many-files", many),
    Case("too deep", "too-deep", deep),
    Case("a file of 60 MiB", "too-large", sparse),
    Case("a file in place of the results", "unexpected-file", results_as_file),
    Case("no results", "no-results", no_results),
    Case("a result without its ranking", "evidence-missing", no_ranking),
    Case("a ranking without its result", "stray-file", orphan),
    Case("an empty file", "empty-file", empty_scores),
]
