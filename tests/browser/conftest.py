"""All tests of this folder are the tier `browser`; each file brings the `site` that its tests visit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.browser.visiting import Visit, chromium, visit

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.resolve().parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


@pytest.fixture
def one(browser: Any, site: Path) -> Iterator[Visit]:
    """A tab in which nothing complains and nobody else is asked."""
    found = visit(browser, site)
    yield found
    assert found.complaints == [] and found.strangers() == []
    found.page.context.close()
