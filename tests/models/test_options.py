from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from mbench.core.errors import UserError
from mbench.core.types import LoadOptions
from mbench.models.catalog import MODELS
from mbench.models.options import Args, Count, ExistingFile, ExistingFolder, NoArgs, Text, Weight, refuse_revision


class Sample(Args):
    path: ExistingFile | None = None
    folder: ExistingFolder | None = None
    fusion: Literal["sum", "mean"] = Field(default="sum", description="how parts are joined")
    weight: Weight = 1.0
    layers: Count = 2
    flag: bool = True
    name: Text = "x"


def read(**args: str) -> Sample:
    return Sample.read(LoadOptions(args=args), "sample")


def test_texts_become_the_declared_types(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    args = read(path=str(tmp_path / "f"), folder=str(tmp_path), fusion="mean", weight="0.25", layers="7", flag="no")
    assert args == Sample(path=tmp_path / "f", folder=tmp_path, fusion="mean", weight=0.25, layers=7, flag=False)


def test_nothing_given_means_the_defaults() -> None:
    assert read() == Sample()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"wieght": "1"}, "unknown argument 'wieght'. Did you mean 'weight'? It takes path, folder,"),
        ({"fusion": "product"}, "fusion=product: input should be 'sum' or 'mean'"),
        ({"weight": "-1"}, "weight=-1"),
        ({"weight": "nan"}, "weight=nan"),
        ({"weight": "inf"}, "weight=inf"),
        ({"layers": "0"}, "layers=0"),
        ({"layers": "2.5"}, "layers=2.5"),
        ({"flag": "perhaps"}, "flag=perhaps"),
        ({"name": " "}, "name= : is empty"),
        ({"path": "/no/such/file"}, "/no/such/file is no file that exists"),
        ({"path": ""}, "path=: is empty; expected a path"),
        ({"folder": "/no/such"}, "/no/such is no folder that exists"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_expected(args: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        read(**args)
    assert "model 'sample'" in str(caught.value)
    assert said in str(caught.value)


def test_a_folder_for_a_file_is_told_from_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder, not a file"):
        read(path=str(tmp_path))


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        read(weight="x", layers="y", fuson="sum")
    assert len(str(caught.value).splitlines()) == 4


def test_a_model_without_arguments_says_so() -> None:
    with pytest.raises(UserError, match=r"unknown argument 'x'\. It takes none"):
        NoArgs.read(LoadOptions(args={"x": "1"}), "constant")


def test_a_revision_of_what_has_none_is_refused_not_ignored() -> None:
    refuse_revision(LoadOptions(), "random")
    with pytest.raises(UserError, match="no revisions"):
        refuse_revision(LoadOptions(revision="abc"), "random")


def test_help_tells_name_type_default_and_meaning() -> None:
    told = {one.name: one for one in Sample.help()}
    assert (told["fusion"].type, told["fusion"].default, told["fusion"].help) == (
        "sum|mean",
        "sum",
        "how parts are joined",
    )
    assert told["flag"].type == "true|false"
    assert told["layers"].type == "integer"


def test_arguments_of_every_registered_model_can_be_described() -> None:
    for name in MODELS:
        for one in getattr(MODELS.get(name), "args", NoArgs).help():
            assert one.name and one.type
