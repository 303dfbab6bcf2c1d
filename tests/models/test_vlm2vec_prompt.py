"""The strings that VLM2Vec reads: those of MMEB byte by byte, and their like for other tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.tiny_clip import noise

from mbench.core.types import Item
from mbench.data.loaders.mmeb_words import MARKER, Reader
from mbench.models.vlm2vec_prompt import joined, prompt_of

PLACE = "<|image_pad|>"
QUESTION = "Represent the given image with the following question:"
TEXTS = st.text(st.sampled_from("ab \n\t:."), max_size=8)


@pytest.mark.parametrize(
    ("instruction", "text", "pictured", "expected"),
    [
        (None, "A cat", False, "A cat"),
        ("Find it:", "a cat", False, "Find it: a cat"),
        ("Find it: ", "a cat\n", False, "Find it: a cat\n"),
        ("Find it:\n", "a cat", False, "Find it:\na cat"),
        ("Find it:", None, False, "Find it:"),
        (None, " ", False, " "),
        (None, "", False, "  "),
        ("", "", False, "  "),
        (None, None, False, None),
        (None, None, True, f"{PLACE} Represent the given image."),
        (None, "", True, f"{PLACE} Represent the given image."),
        (QUESTION, "What is it?", True, f"{PLACE} {QUESTION} What is it?"),
        (f"\n{QUESTION} ", "What is it?\n", True, f"{PLACE}\n{QUESTION} What is it?\n"),
        ("\nRepresent the given image\n", None, True, f"{PLACE}\nRepresent the given image\n"),
        (None, f"{PLACE} {QUESTION}", True, f"{PLACE} {QUESTION}"),
        (None, "<|image_1|>\nWhat?", True, f"{PLACE}\nWhat?"),
        ("Look:", f"{PLACE} what?", True, f"Look: {PLACE} what?"),
    ],
)
def test_prompts(instruction: str | None, text: str | None, pictured: bool, expected: str | None) -> None:
    item = Item("x", text=text, instruction=instruction, image=noise(4, 4) if pictured else None)
    assert prompt_of(item, PLACE) == expected


@pytest.mark.parametrize(
    ("string", "instructions"),
    [
        (f"{MARKER}\n{QUESTION} What is it?\n", [QUESTION]),
        (f"{MARKER}\nRepresent the given image for classification\n", ["Represent the given image for classification"]),
        (f"{MARKER} Represent the given image", ["Represent the given image"]),
        ("Retrieve an image of this news caption. A man in\nParis \n", ["Retrieve an image of this news caption."]),
        ("Represent the given dialogue: \nQ: is it?\n\n", ["Represent the given dialogue:"]),
        ("golden retriever", []),
        (f'{MARKER}\nSelect the portion labeled as "a dog"\n', ["Select the portion labeled as"]),
    ],
)
def test_the_strings_of_mmeb_come_out_byte_by_byte(string: str, instructions: list[str]) -> None:
    pictured = string.startswith(MARKER)
    words = Reader(instructions, bare=True).read(string, pictured, "the string")
    item = Item("x", text=words.text, instruction=words.instruction, image=noise(4, 4) if pictured else None)
    assert prompt_of(item, PLACE) == string.replace(MARKER, PLACE)


@given(TEXTS, TEXTS)
def test_joining_adds_at_most_one_space_and_only_between_words(first: str, second: str) -> None:
    found = joined(first, second)
    assert found in (first + second, f"{first} {second}")
    both = first and second and not first[-1].isspace() and not second[0].isspace()
    assert (found == first + second) == (not both)
