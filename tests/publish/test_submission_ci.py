"""What the check of a pull request does, without the service: in a repository of its own, by the same make targets."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.publish.hostile import card, result
from tests.publish.submissions import Good

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BIN = Path(sys.executable).parent


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def make(folder: Path, target: str, *variables: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-f", str(ROOT / "Makefile"), target, f"BIN={BIN}", "STAMP=", *variables]
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=280)


@pytest.fixture
def repository(good: Good, tmp_path: Path) -> Path:
    """A repository with the submission of `random`, and that of `tiny` proposed beside it."""
    folder = tmp_path / "repository"
    folder.mkdir()
    good.copy(folder, "tiny")
    shutil.move(folder / "submissions" / "tiny", tmp_path / "tiny")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "submissions")
    git(folder, "commit", "-q", "-m", "Random")
    shutil.move(tmp_path / "tiny", folder / "submissions" / "tiny")
    return folder


def test_a_good_change_passes_and_only_it_is_checked(repository: Path) -> None:
    done = make(repository, "check-submissions", "BASE=HEAD")
    assert done.returncode == 0, done.stderr
    assert "tiny: good" in done.stdout and "random" not in done.stdout


def test_a_change_is_the_same_once_it_is_committed(repository: Path) -> None:
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "Tiny")
    assert "tiny: good" in make(repository, "check-submissions", "BASE=HEAD~1").stdout
    assert "No submission was added or changed" in make(repository, "check-submissions", "BASE=HEAD").stdout


def test_a_bad_change_fails_with_its_reason_and_is_never_run(repository: Path) -> None:
    tiny = repository / "submissions" / "tiny"
    result("metrics/hit@1/value", 0.9)(tiny)
    (tiny / "adapter.py").write_text("open('canary', 'w')\n")
    done = make(repository, "check-submissions", "BASE=HEAD")
    assert done.returncode != 0 and "[metric-differs]" in done.stderr
    assert list(repository.rglob("canary")) == []


def test_the_site_is_built_of_what_holds_and_lists_the_rest(repository: Path) -> None:
    card(license="unknown")(repository / "submissions" / "tiny")
    done = make(repository, "site")
    assert done.returncode == 0, done.stderr
    page = (repository / "leaderboard" / "site" / "index.html").read_text(encoding="utf-8")
    assert "Random vectors" in page and "names no licence" in page


def test_files_outside_of_a_submission_are_refused(repository: Path) -> None:
    shutil.rmtree(repository / "submissions" / "tiny")
    (repository / "submissions" / "evil.html").write_text("<script>alert(1)</script>")
    (repository / "submissions" / "README.md").write_text("Models.\n")
    done = make(repository, "check-submissions", "BASE=HEAD")
    assert done.returncode != 0 and "evil.html" in done.stderr and "README" not in done.stderr


def test_ignored_files_are_seen(repository: Path) -> None:
    shutil.rmtree(repository / "submissions" / "tiny")
    (repository / ".gitignore").write_text("*.pkl\n")
    (repository / "submissions" / "random" / "x.pkl").write_bytes(b"cos\nsystem\n(S'touch canary'\ntR.")
    done = make(repository, "check-submissions", "BASE=HEAD")
    assert done.returncode != 0 and "[unexpected-file]" in done.stderr


def test_a_removed_submission_is_nothing_to_check_but_is_told(repository: Path) -> None:
    shutil.rmtree(repository / "submissions" / "tiny")
    shutil.rmtree(repository / "submissions" / "random")
    done = make(repository, "check-submissions", "BASE=HEAD")
    assert done.returncode == 0
    assert "Warning: random: the whole submission is removed" in done.stderr
    assert "No submission was added or changed" not in done.stdout


def test_a_commit_that_is_not_there_is_told_in_one_line(repository: Path) -> None:
    done = make(repository, "check-submissions", "BASE=nowhere")
    assert done.returncode != 0 and "cannot be compared with the commit" in done.stderr
    assert "Traceback" not in done.stderr


def test_proposed_submissions_take_the_place_of_those_here(repository: Path, tmp_path: Path) -> None:
    proposed = tmp_path / "proposed"
    (proposed / "submissions" / "new").mkdir(parents=True)
    (proposed / "Makefile").write_text("all:\n\ttouch canary\n")
    assert make(repository, "take-submissions", f"FROM={proposed}").returncode == 0
    assert [one.name for one in (repository / "submissions").iterdir()] == ["new"] and not proposed.exists()


def test_a_link_in_place_of_the_proposed_submissions_is_refused(repository: Path, tmp_path: Path) -> None:
    proposed = tmp_path / "proposed"
    proposed.mkdir()
    (proposed / "submissions").symlink_to("/etc")
    assert make(repository, "take-submissions", f"FROM={proposed}").returncode != 0
    assert (repository / "submissions" / "random").is_dir()


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_no_more_rights_than_they_need(path: Path) -> None:
    workflow = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in path.read_text() and "secrets." not in path.read_text()
    for job in workflow["jobs"].values():
        writes = {key for key, value in job.get("permissions", {}).items() if value == "write"}
        assert not writes or "pull_request" not in workflow["on"]
    for step in steps(workflow):
        assert "${{" not in step.get("run", ""), "a value of the event in a shell could be code"
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false"


def test_the_code_that_checks_a_pull_request_is_not_the_pull_requests() -> None:
    workflow = yaml.load((ROOT / ".github" / "workflows" / "submissions.yml").read_text(), Loader=yaml.BaseLoader)
    order = steps(workflow)
    first = next(step for step in order if step.get("uses", "").startswith("actions/checkout@"))
    assert first["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    names = [step.get("run", step.get("with", {}).get("path", "")) for step in order]
    assert names.index("make install") < names.index("proposed") < names.index("make take-submissions FROM=proposed")
    assert names.index("make take-submissions FROM=proposed") < names.index("make check-submissions BASE=HEAD")
