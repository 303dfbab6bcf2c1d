from __future__ import annotations

from pathlib import Path

import pytest
from tests.publish.sample import card

from mbench.core import resources
from mbench.core.errors import SpecError, UnknownNameError
from mbench.publish.columns import fact, read_columns


def columns(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "columns.yaml"
    path.write_text(text)
    return path


def test_the_shipped_columns_can_all_be_read_from_a_card() -> None:
    shipped = read_columns(resources.folder("leaderboard") / "columns.yaml")
    shown = {one.title: fact(card("a", parameters=427_616_513), one).text for one in shipped if one.shown}
    assert shown == {
        "Parameters": "428 M",
        "Dimension": "128",
        "Modalities": "text, image",
        "Instructions": "yes",
        "Licence": "MIT",
    }


def test_a_column_is_added_without_code(tmp_path: Path) -> None:
    (column,) = read_columns(columns(tmp_path, "columns: [{key: base_model, title: Base}]"))
    assert (fact(card("a", base_model="CLIP"), column).text, fact(card("a"), column).text) == ("CLIP", "–")


def test_no_training_data_is_not_shown_as_unknown_parameters(tmp_path: Path) -> None:
    (column,) = read_columns(columns(tmp_path, "columns: [{key: parameters, title: P, format: count}]"))
    assert (fact(card("a", parameters=0), column).text, fact(card("a", parameters=None), column).text) == ("0", "–")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("columns: [{key: parametres, title: P}]", UnknownNameError, "Did you mean 'parameters'"),
        ("columns: [{key: license, title: L, format: txt}]", SpecError, "columns.0.format"),
        ("columns: [{key: license, titel: L}]", SpecError, "columns.0.titel: unknown key"),
        ("columns: [{key: license", SpecError, "not valid YAML"),
        ("- key: license", SpecError, "expected a mapping"),
    ],
)
def test_a_wrong_column_is_named(tmp_path: Path, text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read_columns(columns(tmp_path, text))
