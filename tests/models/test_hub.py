from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from mbench.core.errors import CheckpointError, ModelError, UserError
from mbench.core.types import LoadOptions
from mbench.models.hub import folder_revision, locate

COMMIT = "32bd64288804d66eefd0ccbe215aa642df71cc41"


def refused(cls: type[errors.HfHubHTTPError]) -> errors.HfHubHTTPError:
    # Made without its constructor, which wants a response of whichever HTTP library the Hub's client uses.
    return cls.__new__(cls)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A Hub whose repository holds `files`, or that raises `error`; `calls` records what was asked."""
    state: dict[str, Any] = {"files": ["config.json", "model.safetensors"], "error": None, "calls": []}

    def snapshot_download(name: str, **asked: Any) -> str:
        state["calls"].append({"name": name, **asked})
        if state["error"] is not None:
            raise state["error"]
        folder = tmp_path / "snapshots" / COMMIT
        folder.mkdir(parents=True, exist_ok=True)
        for file in state["files"]:
            if any(Path(file).match(pattern) for pattern in asked["allow_patterns"]):
                (folder / file).touch()
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return state


def test_a_folder_is_used_as_it_is(hub: dict[str, Any], tmp_path: Path) -> None:
    located = locate(str(tmp_path), LoadOptions())
    assert (located.folder, located.name) == (tmp_path, tmp_path.name)
    assert hub["calls"] == []


def test_the_revision_of_a_folder_changes_with_weights_vocabulary_and_configuration(tmp_path: Path) -> None:
    seen = {folder_revision(tmp_path)}
    for name in ("model.safetensors", "merges.txt", "config.json", "sub/other.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
        seen.add(folder_revision(tmp_path))
    (tmp_path / "config.json").write_text("changed")
    seen.add(folder_revision(tmp_path))
    assert len(seen) == 6
    (tmp_path / "README.md").write_text("no effect")
    assert folder_revision(tmp_path) in seen


def test_a_revision_of_a_folder_is_refused_not_ignored(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no revisions"):
        locate(str(tmp_path), LoadOptions(revision="main"))


@pytest.mark.parametrize("name", ["./absent", "/absent/folder", "a/b/c", "absent", "~/absent-folder"])
def test_a_path_that_does_not_exist_never_reaches_the_hub(name: str, hub: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="no folder that exists"):
        locate(name, LoadOptions())
    assert hub["calls"] == []


def test_a_snapshot_is_pinned_by_its_commit(hub: dict[str, Any]) -> None:
    located = locate("openai/clip", LoadOptions(revision="v1"), pinned="v0")
    assert (located.revision, located.name) == (COMMIT, "openai/clip")
    assert [call["revision"] for call in hub["calls"]] == ["v1"]
    locate("openai/clip", LoadOptions(), pinned="v0")
    assert hub["calls"][-1]["revision"] == "v0"


def test_only_one_copy_of_the_weights_is_fetched(hub: dict[str, Any]) -> None:
    hub["files"] += ["pytorch_model.bin", "tf_model.h5", "open_clip_model.safetensors"]
    located = locate("openai/clip", LoadOptions())
    assert sorted(path.name for path in located.folder.iterdir()) == ["config.json", "model.safetensors"]


def test_older_weights_are_fetched_where_there_are_no_safetensors(hub: dict[str, Any]) -> None:
    hub["files"] = ["config.json", "pytorch_model.bin"]
    located = locate("openai/clip", LoadOptions())
    assert (located.folder / "pytorch_model.bin").exists()


def test_offline_asks_the_cache_only(hub: dict[str, Any]) -> None:
    locate("openai/clip", LoadOptions(offline=True))
    assert all(call["local_files_only"] for call in hub["calls"])
    hub["error"] = errors.LocalEntryNotFoundError("not cached")
    with pytest.raises(ModelError, match="--offline forbids"):
        locate("openai/clip", LoadOptions(offline=True))


def test_a_repository_without_a_main_branch_is_not_said_to_lack_the_revision_none(hub: dict[str, Any]) -> None:
    hub["error"] = refused(errors.RevisionNotFoundError)
    with pytest.raises(CheckpointError, match="no main branch"):
        locate("openai/clip", LoadOptions())


@pytest.mark.parametrize(
    ("error", "said", "cls"),
    [
        (refused(errors.GatedRepoError), "access is restricted", ModelError),
        (refused(errors.RepositoryNotFoundError), "neither a folder here nor a repository", ModelError),
        (refused(errors.RevisionNotFoundError), "no revision 'v9'", CheckpointError),
        (errors.LocalEntryNotFoundError("no connection\nmore"), "at revision v9: .*: no connection$", ModelError),
        (errors.HFValidationError("bad name"), "bad name", ModelError),
    ],
)
def test_each_refusal_of_the_hub_has_its_own_message(
    hub: dict[str, Any], error: Exception, said: str, cls: type[ModelError]
) -> None:
    hub["error"] = error
    with pytest.raises(cls, match=said):
        locate("openai/clip", LoadOptions(revision="v9"))
