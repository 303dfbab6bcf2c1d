"""Each hostile submission is refused with its own reason; none is executed, and none stops the site from being read."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.publish import hostile_cards, hostile_evidence, hostile_folders, hostile_parquet, hostile_results
from tests.publish.hostile import Case, card
from tests.publish.submissions import Good

import mbench.publish.submission as package
from mbench.publish.submission import inspect

CASES = [
    *hostile_cards.CASES,
    *hostile_folders.CASES,
    *hostile_results.CASES,
    *hostile_evidence.CASES,
    *hostile_parquet.CASES,
]
ADAPTER = "from pathlib import Path\n\nPath({canary!r}).touch()\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_is_refused_for_its_reason_and_not_executed(
    case: Case, good: Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    monkeypatch.chdir(tmp_path)
    folder = good.copy(tmp_path, case.base)
    (folder / "adapter.py").write_text(ADAPTER.format(canary=str(canary)))
    case.change(folder)
    changed = folder if os.path.lexists(folder) else next(p for p in folder.parent.iterdir() if p.name != "random")
    report = good.check(changed)
    assert case.code in {finding.code for finding in report.problems}, report.problems
    assert not report.good
    assert not canary.exists()
    assert inspect(changed, good.judge.catalog).name == changed.name


def test_the_names_of_the_cases_are_distinct_and_many() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 80


def test_every_code_is_told_in_the_docs() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "submitting.md").read_text(encoding="utf-8")
    source = "".join(path.read_text() for path in Path(package.__file__).parent.glob("*.py"))
    made = set(re.findall(r'(?:add|Error|Difference|Complaint|_Problem|_error|Finding)\(\s*"([a-z0-9-]+)"', source))
    assert len(made) > 60
    assert sorted(code for code in made | {case.code for case in CASES} if f"`{code}`" not in text) == []


@pytest.mark.parametrize(
    "told",
    [{"paper": "https://arxiv.org@evil.example/abs"}, {"paper": "words"}, {"checkpoint": "javascript:alert(1)"}],
    ids=lambda told: next(iter(told.values())),
)
def test_a_bad_address_in_a_card_is_reported_once(told: dict[str, str], good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    card(**told)(folder)
    found = [one for one in good.check(folder).problems if one.message.startswith((*told, "paper", "checkpoint"))]
    assert len(found) == 1
