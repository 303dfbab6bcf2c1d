"""Names are looked up lazily; every way of failing has its own error."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mbench.core import registry as module
from mbench.core.errors import MissingDependencyError, ModelError, UnknownNameError, UserError
from mbench.core.registry import Registry

Loader = object


def plugged(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    monkeypatch.setattr(module, "entry_points", lambda group: [p for p in points if p.group == group])


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    registry: Registry[Loader] = Registry("model", {"this": "this:s"})
    assert list(registry) == ["this"] and "this" in registry
    assert "this" not in sys.modules


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    registry: Registry[Loader] = Registry("model", {"tiny": "math:pi", "tiny-dual": "math:e"})
    with pytest.raises(UnknownNameError, match=r"Unknown model 'tinny'. Did you mean 'tiny'"):
        registry.get("tinny")


def test_an_entry_point_adds_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged(monkeypatch, EntryPoint("mine", "math:pi", "mbench.models"), EntryPoint("other", "math:e", "elsewhere"))
    registry: Registry[Loader] = Registry("model", {}, "mbench.models")
    assert list(registry) == ["mine"]
    assert registry.get("mine") == pytest.approx(3.14159, abs=1e-5)


def test_an_entry_point_cannot_take_a_name_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged(monkeypatch, EntryPoint("tiny", "math:pi", "mbench.models"))
    with pytest.raises(UserError, match="'tiny', which another model has"):
        list(Registry("model", {"tiny": "math:e"}, "mbench.models"))


def test_a_missing_package_is_named_with_its_install_line() -> None:
    registry: Registry[Loader] = Registry("model", {"x": "no_such_package_at_all:X"})
    with pytest.raises(MissingDependencyError, match="pip install no_such_package_at_all"):
        registry.get("x")


def test_a_broken_module_is_told_with_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_adapter.py").write_text("raise ValueError('bad weights path')")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry: Registry[Loader] = Registry("model", {"x": "broken_adapter:X"})
    with pytest.raises(ModelError, match="ValueError: bad weights path"):
        registry.get("x")
