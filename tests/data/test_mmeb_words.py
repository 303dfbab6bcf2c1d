"""The texts of MMEB taken apart: no character is lost, and an instruction that is not the declared one is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from mbench.core.errors import DataError
from mbench.data.loaders.mmeb_words import MARKER, Reader, Words

ASK = Reader(["Find it", "Find it here"], bare=False)
LOOK = Reader(["Represent the given image"], bare=True)


@pytest.mark.parametrize(
    ("reader", "string", "expected"),
    [
        (ASK, "<|image_1|>\nFind it: a cup\n", Words("\nFind it: ", "a cup\n")),
        (ASK, "<|image_1|>\nFind it here. A cup", Words("\nFind it here. ", "A cup")),
        (ASK, "<|image_1|> Find it\na cup", Words(" Find it\n", "a cup")),
        (ASK, "<|image_1|>\nFind it\n", Words("\nFind it\n", "")),
        (LOOK, "<|image_1|>\nRepresent the given image.\n", Words("\nRepresent the given image.\n", None)),
        (LOOK, "<|image_1|>\nRepresent the given image", Words("\nRepresent the given image", None)),
        (LOOK, "", Words(None, None)),
        (LOOK, "<|image_1|>\n", Words(None, None)),
        (Reader([], bare=False), "Yes", Words(None, "Yes")),
        (Reader([], bare=False), "a\n", Words(None, "a\n")),
    ],
)
def test_marker_instruction_and_text(reader: Reader, string: str, expected: Words) -> None:
    assert reader.read(string, True, "here") == expected


def test_a_marker_without_a_picture_is_dropped() -> None:
    """Queries of WebQA and EDIS have one; an adapter would put a token for a picture that is not there."""
    assert ASK.read("<|image_1|>\nFind it: who?\n", False, "here") == Words("Find it: ", "who?\n")
    assert ASK.read("Find it: who?\n", False, "here") == Words("Find it: ", "who?\n")


@pytest.mark.parametrize("string", ["Find items", "find it: a cup", "A cup", "<|image_1|>\nShow it: a cup"])
def test_another_instruction_is_refused_with_what_was_expected(string: str) -> None:
    with pytest.raises(DataError, match=r"here begins with '.*', but the task declares 'Find it', 'Find it here'"):
        ASK.read(string, True, "here")


@given(
    some.sampled_from(["", "\n", " ", "\n\n"]),
    some.sampled_from(["Find it", "Find it here"]),
    some.sampled_from([". ", ": ", " ", "\n", ""]),
    some.text(some.characters(exclude_characters="<", exclude_categories=["Cs"])),
)
def test_marker_instruction_and_text_give_the_string_back(lead: str, instruction: str, seam: str, text: str) -> None:
    assume(seam or not re.match(r"\w", text))
    string = f"{MARKER}{lead}{instruction}{seam}{text}"
    words = ASK.read(string, True, "here")
    assert (words.instruction or "").startswith(f"{lead}{instruction}")
    assert MARKER + (words.instruction or "") + (words.text or "") == string
