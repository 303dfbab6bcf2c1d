"""The conformance suite passes what is right, and says of each thing that is wrong which one it is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from tests.models.adapters.conforming import Sound

from mbench.core.errors import ModelError, UnsupportedModalityError
from mbench.core.specs import Modality
from mbench.core.types import Item, LoadOptions, Role, Vectors
from mbench.models.conformance import Row, checks, examine, subject_of
from mbench.models.conformance_items import PICTURES, drawing, turned
from mbench.models.conformance_subject import Subject

ADAPTERS = Path(__file__).parent / "adapters" / "conforming.py"
OFFERING = ADAPTERS.with_name("offering.py")
LONG = {"3,500 words", "one word of 6,000 letters"}
UNICODE = {"emoji", "right to left", "other scripts", "combining marks", "control characters"}
NOT_RGB = {name for name, make in PICTURES.items() if make().mode != "RGB"}

WRONG = [
    ("AddsTheMeanOfItsBatch", {"alone or in a batch"}, "alone and in a batch of 9"),
    ("KnowsItsPlace", {"alone or in a batch", "any order"}, "tolerance 1e-05"),
    ("ShrinksThePicture", {"left as they are"}, "changed the size (to (8, 2)) of a picture of 330 x 90 in RGB"),
    ("IgnoresInstructions", {"instruction"}, "another instruction changes nothing"),
    ("ReadsInstructionsUntold", {"instruction"}, "uses_instructions: false"),
    ("PrefixesQueriesUntold", {"role"}, "roles_differ: false"),
    ("IgnoresTextBesidePictures", {"text"}, "another text changes nothing in image+text, though"),
    ("IgnoresPicturesBesideText", {"picture"}, "another image changes nothing in image+text, though"),
    ("ReturnsItsBuffer", {"vectors are kept"}, "overwrote the vectors that an earlier one returned"),
    ("GivesDoubles", {"float32"}, "float64; expected float32"),
    ("GivesLists", {"float32"}, "encode returned list"),
    ("LosesItselfInUnicode", UNICODE, "returned NaN or infinity for query 'check-"),
    ("NeedsAWord", {"an empty text", "white space"}, "raised IndexError: list index out of range (conforming.py, line"),
    ("ForgetsToConvert", NOT_RGB, "raised ValueError: cannot reshape"),
    ("TurnsPicturesUntold", {"EXIF orientation"}, "applied; the card says exif_orientation: ignored"),
    ("HashesTheId", {"id"}, "`needs` does not list id"),
    ("LooksAtPicturesUntold", {"picture"}, "`needs` does not list image"),
    ("HasAnotherDimension", {"shape"}, "113 numbers a vector; the card says 512"),
    ("FusesUntold", {"unsupported ones"}, "image+text: returned a vector"),
    ("RefusesWithoutAName", LONG, "refused without the item's id: the text is too long"),
    ("HasNoVectorForAnA", {"a single letter"}, "a zero vector, which has no direction"),
    ("StacksNothing", {"no items"}, "raised ValueError: need at least one array to stack"),
    ("PreparesOtherWords", {"two stages"}, "between `encode` and `encode_prepared` after `prepare`, most for"),
    ("RemembersOnlyTheLastBatch", {"two stages"}, "gap "),
    ("CountsTwiceWhatIsPrepared", {"two stages"}, "returned float32 [18, 113] for 9 items"),
    ("ReducesTooFar", {"reduced pictures"}, "gives another vector after `reduced` for 'image-0', 'image-1', 'image-2'"),
    ("ReducesWithAnotherFilter", {"reduced pictures"}, "after `reduced` for 'image-2', 'image+text-2'"),
    ("ReducesWhatIsInRGB", {"reduced pictures"}, "raised ValueError: four channels (offering.py, line"),
    ("CallsItsRolesAlike", {"roles alike"}, "as query and as candidate, most for"),
    ("NeverTheSame", {"same call twice"}, "the second call gave other vectors, first for query 'text-0'"),
]


def rows_of(name: str, batch_size: int | None = None, *, worker: bool = False) -> list[Row]:
    file = OFFERING if f"class {name}(" in OFFERING.read_text() else ADAPTERS
    subject = subject_of(f"{file}:{name}", LoadOptions(), batch_size)
    return list(examine(subject, checks(subject, worker=worker)))


def failures(rows: list[Row]) -> dict[str, str]:
    return {row.check: row.finding.detail for row in rows if row.finding.state == "fail"}


def row(rows: list[Row], check: str) -> Row:
    return next(one for one in rows if one.check == check)


def test_an_adapter_that_does_what_it_says_passes_every_check() -> None:
    rows = rows_of("Sound", worker=True)
    assert failures(rows) == {}
    assert [one.check for one in rows if one.finding.state == "skip"] == ["unsupported ones"]
    assert row(rows, "spawned, same vectors").finding.state == "pass"
    speeds = row(rows, "items a second").finding.measured
    assert set(speeds) == {"text", "image", "image+text"} and min(speeds.values()) > 0
    assert row(rows, "memory").finding.measured["resident"] > 10


def test_what_an_adapter_may_offer_beside_encode_is_checked_where_it_does() -> None:
    plain, more = rows_of("Sound"), rows_of("SoundWithSmallPictures")
    assert failures(more) == {}
    for check in ("two stages", "reduced pictures", "roles alike"):
        assert row(plain, check).finding.state == "info"
        assert row(more, check).finding.state == "pass"


@pytest.mark.parametrize(("name", "expected", "words"), WRONG, ids=[name for name, _, _ in WRONG])
def test_what_is_wrong_fails_its_own_check_and_no_other(name: str, expected: set[str], words: str) -> None:
    found = failures(rows_of(name))
    assert set(found) == expected
    assert all(words in detail for detail in found.values()), found


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("IsAnotherInEveryProcess", "revision or identity are others"),
        ("DrawsItsWeights", "gap "),
        ("DiesInAWorker", "the spawned process died"),
    ],
)
def test_a_model_that_is_another_in_a_worker_fails_there_alone(name: str, words: str) -> None:
    found = failures(rows_of(name, worker=True))
    assert list(found) == ["spawned, same vectors"] and words in found["spawned, same vectors"]


def test_tensors_that_cannot_become_arrays_fail_their_checks_and_do_not_end_the_examination() -> None:
    found = failures(rows_of("GivesTensorsWithGradients"))
    assert "encode returned Tensor" in found["float32"]
    assert "returned Tensor, no array: Can't call numpy() on Tensor that requires grad" in found["shape"]


def test_memory_that_runs_out_for_one_huge_item_is_no_fault_of_the_adapter() -> None:
    rows = rows_of("RunsOutOfMemory")
    assert failures(rows) == {}
    assert {one.check for one in rows if "memory ran out" in one.finding.detail} == LONG


def test_memory_that_runs_out_for_ordinary_items_ends_the_examination() -> None:
    with pytest.raises(ModelError, match=r"out of memory in the check 'shape'.*--batch-size"):
        rows_of("NeverHasMemory")


def test_batches_of_one_leave_nothing_to_say_about_batches() -> None:
    rows = rows_of("AddsTheMeanOfItsBatch", batch_size=1)
    assert row(rows, "alone or in a batch").finding.state == row(rows, "any order").finding.state == "skip"


def test_small_batches_still_show_a_vector_that_depends_on_its_batch() -> None:
    assert "alone or in a batch" in failures(rows_of("AddsTheMeanOfItsBatch", batch_size=2))


def test_embeddings_that_are_looked_up_by_id_are_not_examined(tmp_path: Path) -> None:
    path, ids, vectors = tmp_path / "some.npz", np.array(["a"]), np.ones((1, 3), dtype=np.float32)
    np.savez(path, query_ids=ids, query_embeddings=vectors, candidate_ids=ids, candidate_embeddings=vectors)
    subject = subject_of("precomputed", LoadOptions(args={"path": str(path)}))
    (only,) = examine(subject, checks(subject))
    assert only.finding.state == "skip" and "looked up by id" in only.finding.detail


class Only(Sound):
    """Embeds items of one modality and refuses all others."""

    def __init__(self, modality: Modality, similarity: Literal["cosine", "dot"] = "cosine") -> None:
        self.modality = modality
        self.card = Sound.card.model_copy(update={"modalities": [modality], "similarity": similarity})

    def vector(self, item: Item, role: Role) -> Vectors:
        parts = [name for name, part in (("image", item.image), ("text", item.text)) if part is not None]
        if "+".join(parts) != self.modality:
            raise UnsupportedModalityError(f"{role} {item.id!r} is not of {self.modality}")
        return super().vector(item, role)


@pytest.mark.parametrize(
    ("modality", "groups"),
    [("text", {"declared", "pictures"}), ("image", {"declared", "texts"}), ("image+text", set())],
)
def test_a_model_of_one_modality_is_asked_about_that_one(modality: Modality, groups: set[str]) -> None:
    subject = Subject("only", Only(modality), LoadOptions())
    rows = list(examine(subject, checks(subject, worker=False)))
    assert failures(rows) == {}
    assert {one.group for one in rows if one.finding.state == "skip"} == groups
    assert len(row(rows, "unsupported ones").finding.detail.split(", ")) == 2


def test_lengths_count_for_a_model_of_dot_products() -> None:
    subject = Subject("only", Only("text", "dot"), LoadOptions())
    assert subject.gap(np.array([1.0, 0.0]), np.array([2.0, 0.0])) == 0.25
    assert row(list(examine(subject, checks(subject, worker=False))), "length").finding.state == "info"
    assert Subject("only", Only("text"), LoadOptions()).gap(np.array([1.0, 0.0]), np.array([2.0, 0.0])) == 0


@pytest.mark.parametrize(
    ("identity", "asked", "tolerance"),
    [({}, "auto", 1e-5), ({"dtype": "bf16"}, "auto", 1e-2), ({}, "float16", 1e-3), ({"dtype": "int4"}, "bf16", 1e-2)],
)
def test_the_tolerance_is_that_of_the_precision(identity: dict[str, object], asked: str, tolerance: float) -> None:
    model = Only("text")
    model.identity = identity
    assert Subject("only", model, LoadOptions(dtype=asked)).tolerance == tolerance


def test_the_flagged_picture_is_one_that_viewers_turn() -> None:
    from PIL.ImageOps import exif_transpose

    flagged = turned(drawing(1, 40, 20))
    assert flagged.size == (40, 20) and exif_transpose(flagged.copy()).size == (20, 40)


def test_pictures_are_of_the_modes_that_their_names_say() -> None:
    modes = {name: make().mode for name, make in PICTURES.items()}
    assert set(modes.values()) == {"RGB", "RGBA", "CMYK", "I;16", "I", "P", "L", "LA", "1"}
    assert PICTURES["palette with transparency"]().info["transparency"] == 0
    assert PICTURES["8000 x 1"]().size == (8000, 1)
