from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.models.strange_pictures import STRANGE, drawing

from mbench.core.errors import UnsupportedModalityError
from mbench.core.types import Item
from mbench.models.uniir_picture import MEAN, STD, cropped, squashed
from mbench.models.uniir_prompt import content_of, formatted

PICTURE = Image.new("RGB", (4, 4))

FORMS = [
    (None, ""),
    ("", ""),
    (" \t\n ", ""),
    ("\r", ""),
    ('"', ""),
    ('""', ""),
    ("dog", "Dog."),
    ("  a dog\r\n", "A dog."),
    ("Really?", "Really?"),
    ("Stop!", "Stop!"),
    ("Done.", "Done."),
    ("look:", "Look:."),
    ('"what is this?"', "What is this?"),
    ('a red "dress"', 'A red "dress.'),
    ('" "', " ."),
    ('"dog" ', "Dog."),
    ("éclair", "Éclair."),
    ("ßa", "SSa."),
    ("日本", "日本."),
    ("...", "..."),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_texts_take_the_form_of_m_beir(text: str | None, expected: str) -> None:
    assert formatted(text) == expected


@given(st.text(max_size=30))
def test_a_text_in_form_begins_and_ends_as_it_should(text: str) -> None:
    found = formatted(text)
    assert "\r" not in found
    assert found == "" or found[-1] in ".?!"
    assert found == "" or not found.startswith('"')


INPUTS = [
    (Item("x", "two circles", None, "Find it."), "query", "Find it. two circles."),
    (Item("x", "what?", None, "answer:"), "query", "Answer:. what?"),
    (Item("x", '"what is this?"', None, "find"), "query", 'Find. "what is this?'),
    (Item("x", None, PICTURE, "find similar"), "query", "Find similar."),
    (Item("x", "", PICTURE, "find similar"), "query", "Find similar."),
    (Item("x", None, None, "find similar"), "query", "Find similar."),
    (Item("x", "dog", None, None), "query", "Dog."),
    (Item("x", " dog", None, " "), "query", "Dog."),
    (Item("x", "dog", None, ""), "query", "Dog."),
    (Item("x", None, PICTURE, None), "query", ""),
    (Item("x", "dog", None, "Find it."), "candidate", "Dog."),
    (Item("x", None, PICTURE, "Find it."), "candidate", ""),
    (Item("x", " ", PICTURE), "candidate", ""),
    (Item("x", " "), "candidate", ""),
]


@pytest.mark.parametrize(("item", "role", "text"), INPUTS)
def test_queries_get_their_instruction_and_candidates_never(item: Item, role: Any, text: str) -> None:
    content = content_of(item, role, "m")
    assert content.text == text
    assert content.picture is item.image


@pytest.mark.parametrize(("item", "role"), [(Item("x"), "query"), (Item("x", instruction="find"), "candidate")])
def test_an_item_of_nothing_is_refused_by_name(item: Item, role: Any) -> None:
    with pytest.raises(UnsupportedModalityError, match=f"'m': {role} 'x' has no picture and no text"):
        content_of(item, role, "m")


def official_crop(picture: Image.Image, side: int = 224) -> Any:
    """torchvision's Resize, CenterCrop, ToTensor and Normalize, written out."""
    picture = picture.convert("RGB")
    width, height = picture.size
    if width <= height:
        picture = picture.resize((side, int(side * height / width)), Image.Resampling.BICUBIC)
    else:
        picture = picture.resize((int(side * width / height), side), Image.Resampling.BICUBIC)
    top, left = round((picture.height - side) / 2.0), round((picture.width - side) / 2.0)
    return official_values(picture.crop((left, top, left + side, top + side)))


def official_values(picture: Image.Image) -> Any:
    values = np.asarray(picture, dtype=np.float32) / np.float32(255)
    return ((values - MEAN) / STD).transpose(2, 0, 1)


ORDINARY = [name for name in STRANGE if name not in ("a line", "a column")]


@pytest.mark.parametrize("name", ORDINARY)
def test_pixels_equal_the_official_ones_for_every_mode(name: str) -> None:
    picture = STRANGE[name]
    np.testing.assert_array_equal(cropped(picture, 224), official_crop(picture))
    squeezed = picture.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(squashed(picture, 224), official_values(squeezed))


@pytest.mark.parametrize(
    "size", [(90, 300), (224, 225), (225, 224), (224, 227), (227, 224), (33, 47), (500, 224), (9, 1500), (5001, 300)]
)
def test_the_middle_is_rounded_as_officially(size: tuple[int, int]) -> None:
    picture = drawing(1, *size)
    np.testing.assert_array_equal(cropped(picture, 224), official_crop(picture))


@pytest.mark.parametrize("size", [(2001, 9), (9, 2001), (3000, 4), (4, 3001)])
def test_the_middle_of_a_long_picture_is_that_of_the_whole(size: tuple[int, int]) -> None:
    picture = drawing(2, *size)
    # One step of a byte is 1/255 of a range of 1, divided by the deviation: at most 0.0147.
    assert np.abs(cropped(picture, 224) - official_crop(picture)).max() < 0.015


@pytest.mark.parametrize("name", ["a line", "a column"])
def test_a_line_does_not_become_a_picture_of_gigabytes(name: str) -> None:
    assert cropped(STRANGE[name], 224).shape == (3, 224, 224)
    assert np.ptp(cropped(STRANGE[name], 224), axis=(1, 2)).max() == 0


def test_orientation_flags_are_left_alone_and_the_picture_too() -> None:
    picture = drawing(3, 60, 40)
    turned = picture.copy()
    turned.getexif()[0x0112] = 6
    np.testing.assert_array_equal(cropped(turned, 32), cropped(picture, 32))
    assert turned.size == (60, 40)
