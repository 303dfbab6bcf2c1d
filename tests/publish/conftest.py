"""The good submissions, made once for all workers of a test session."""

from __future__ import annotations

import os

import pytest
from filelock import FileLock
from tests.publish.submissions import Good, make

from mbench.data.catalog import Catalog
from mbench.models.catalog import MODELS
from mbench.publish.submission import Judge, Others, inspect


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    place = shared / "submissions"
    place.mkdir(exist_ok=True)
    with FileLock(place / "lock"):
        if not (place / "done").exists():
            make(place)
    judge = Judge(Catalog.read(), known=list(MODELS))
    read = {name: inspect(place / "submissions" / name, judge.catalog) for name in ("tiny", "random")}
    others = {"tiny": Others([read["random"]]), "random": Others([read["tiny"]])}
    return Good(place / "submissions", place / "results", judge, others)
