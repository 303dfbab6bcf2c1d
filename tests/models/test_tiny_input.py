from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.models.strange_pictures import STRANGE

from mbench.models.tiny_input import INSTRUCTION_PLACES, TEXT_PLACES, pixels, side_px, tokens, words


def test_transparent_pixels_are_white_whatever_colour_they_hide() -> None:
    assert (pixels(STRANGE["transparent"], 48) == 255).all()


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    picture = Image.fromarray(np.full((48, 48), 257 * 100, dtype=np.uint16))
    assert (pixels(picture, 48) == 100).all()


def test_a_narrow_picture_is_centred_on_white() -> None:
    found = pixels(Image.new("RGB", (96, 48)), 48)
    assert (found[12:36] == 0).all()
    assert (found[:12] == 255).all()
    assert (found[36:] == 255).all()


@pytest.mark.parametrize(("size", "side"), [((72, 72), 48), ((96, 96), 48), ((97, 40), 96), ((144, 144), 96)])
def test_only_pictures_beyond_96_pixels_are_scenes(size: tuple[int, int], side: int) -> None:
    assert side_px(Image.new("RGB", size)) == side


def test_words_are_lower_case_and_plain() -> None:
    assert words("Piñata, o’clock?") == ["pinata", ",", "o", "'", "clock", "?"]


def test_neither_text_nor_instruction_pushes_the_other_out() -> None:
    found = tokens("a " * 100, "b " * 100)
    assert len(found) == TEXT_PLACES + INSTRUCTION_PLACES
    assert sorted(found[:, 3]) == list(range(TEXT_PLACES + INSTRUCTION_PLACES))
    np.testing.assert_array_equal(tokens("dog", "find it")[0], tokens("dog", "what could this be")[0])
