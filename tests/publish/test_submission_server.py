"""Scores of a benchmark's own server: shown as the server's, with its answer, and never as recomputed."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.publish.hostile import TASK, result_path
from tests.publish.submissions import Good

from mbench.core.specs import ModelCard
from mbench.data.catalog import Catalog
from mbench.publish.collect import collect, sources
from mbench.publish.site import build_site
from mbench.publish.submission import Others
from mbench.publish.submission.writing import write_card

SERVER_TASK = "circo-test"


def server_submission(place: Path, change: Any = None) -> Path:
    """A submission with the server's answer for circo-test, on made-up rankings."""
    spec = Catalog.read().task(SERVER_TASK)
    folder = place / "submissions" / "far"
    model = ModelCard(
        id="far", title="Far", description="A model.", modalities=["text", "image", "image+text"], license="MIT",
        uses_instructions=True, dimension=8, parameters=10, revision="abc123", training_datasets=[],
    )  # fmt: skip
    results = folder / "results" / "far" / "abc123"
    results.mkdir(parents=True)
    write_card(folder / "card.yaml", model)
    lists = {str(query): [str(1000 * query + rank) for rank in range(60)] for query in range(800)}
    columns = {"query_id": list(lists), "candidate_ids": list(lists.values())}
    columns["scores"] = [[1.0 - rank / 100 for rank in range(60)]] * 800
    pq.write_table(pa.table(columns), results / f"{SERVER_TASK}.ranking.parquet")
    ref = {"id": spec.id, "version": 1, "protocol": spec.spec.protocol, "fingerprint": spec.fingerprint}
    own = {"id": "far", "revision": "abc123", "fingerprint": "0" * 16, "card": model.model_dump(mode="json")}
    counts = {"queries": 800, "candidates": 123403, "judged": 0, "skipped": 800}
    run = {"date": "2025-03-01T10:00:00+00:00", "seed": 0}
    value = {"task": ref, "model": own, "labels_public": False, "metrics": {}, "counts": counts, "run": run}
    (results / f"{SERVER_TASK}.json").write_text(json.dumps(value))
    sent = {query: [int(name) for name in names[:50]] for query, names in lists.items()}
    evidence: dict[str, Any] = {
        "schema_version": 1,
        "task": SERVER_TASK,
        "server": "https://circo.micc.unifi.it",
        "date": "2025-03-02",
        "answer": "mAP@5: 12.34 mAP@10: 0.1311",
        "metrics": {"map@5": 0.1234, "map@10": 0.1311},
    }
    if change is not None:
        change(evidence, sent)
    text = json.dumps(sent)
    name = f"{SERVER_TASK}.submission.json"
    evidence.setdefault("files", {name: hashlib.sha256(text.encode()).hexdigest()})
    (results / name).write_text(text)
    (results / f"{SERVER_TASK}.server.json").write_text(json.dumps(evidence))
    return folder


def test_a_servers_number_is_shown_as_the_servers_and_never_as_recomputed(good: Good, tmp_path: Path) -> None:
    report = good.judge.check(server_submission(tmp_path), Others())
    assert report.good, report.findings
    assert [(one.status, one.reason) for one in report.tasks] == [("server", "https://circo.micc.unifi.it")]
    assert report.results[0].result.metrics["map@5"].value == 0.1234
    assert report.results[0].answer is not None


def test_the_site_shows_the_servers_answer_and_its_evidence_on_the_models_page(good: Good, tmp_path: Path) -> None:
    folder = server_submission(tmp_path).parent
    found = collect(sources([], folder), good.judge)
    build_site(found, Catalog.read(), tmp_path / "site")
    page = (tmp_path / "site" / "models" / "far.html").read_text()
    assert '<span class="mark mark-server">server</span>' in page
    assert 'href="https://circo.micc.unifi.it"' in page
    assert "2025-03-02" in page
    assert "mAP@5: 12.34 mAP@10: 0.1311" in page
    assert f"submissions/far/results/far/abc123/{SERVER_TASK}.server.json" in page
    assert "recomputed" not in page
    task = (tmp_path / "site" / "tasks" / f"{SERVER_TASK}.html").read_text()
    assert 'class="mark mark-server"' in task


EVIDENCE = [
    ("server-differs", lambda evidence, sent: evidence["metrics"].update({"map@5": 0.4})),
    ("server-differs", lambda evidence, sent: sent.update({"7": sent["7"][::-1]})),
    ("server-number", lambda evidence, sent: evidence["metrics"].update({"map@5": 12.34})),
    ("server-task", lambda evidence, sent: evidence.update(task="cirr-test")),
    ("server-files", lambda evidence, sent: evidence.update(files={f"{SERVER_TASK}.submission.json": "0" * 64})),
    ("server-files", lambda evidence, sent: evidence.update(files={"../card.yaml": "0" * 64})),
    ("server-files", lambda evidence, sent: sent.pop("7")),
    ("server-schema", lambda evidence, sent: evidence.update(rank=1)),
    ("server-schema", lambda evidence, sent: evidence.pop("answer")),
    ("metric-keys", lambda evidence, sent: evidence["metrics"].update({"best@1": 0.1311})),
    ("text-html", lambda evidence, sent: evidence.update(answer="<script>alert(12.34)</script> 0.1311")),
    ("text-script-link", lambda evidence, sent: evidence.update(server="javascript:alert(1)")),
    ("text-url", lambda evidence, sent: evidence.update(server="circo")),
    ("date", lambda evidence, sent: evidence.update(date="soon")),
]


@pytest.mark.parametrize(("code", "change"), EVIDENCE)
def test_an_answer_that_does_not_fit_is_refused(code: str, change: Any, good: Good, tmp_path: Path) -> None:
    report = good.judge.check(server_submission(tmp_path, change), Others())
    assert code in {one.code for one in report.problems}
    assert {one.status for one in report.tasks} == {"refused"}


def test_withheld_labels_without_an_answer_have_no_number(good: Good, tmp_path: Path) -> None:
    folder = server_submission(tmp_path)
    next(folder.rglob("*.server.json")).unlink()
    assert "server-missing" in {one.code for one in good.judge.check(folder, Others()).problems}


def test_an_answer_for_a_task_with_public_labels_is_refused(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    server = server_submission(tmp_path / "far")
    shutil.copyfile(next(server.rglob("*.server.json")), result_path(folder).with_name(f"{TASK}.server.json"))
    assert "server-task" in {one.code for one in good.check(folder).problems}
