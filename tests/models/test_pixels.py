"""The fast path to pixels: bit for bit what transformers' own processors make."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import noise

from mbench.core.compiled import available
from mbench.models import resampling
from mbench.models.hf import pil_processor, processed
from mbench.models.pictures import prepared
from mbench.models.pixels import pixel_values, reduced, steps_of

SIZES = [(224, 224), (225, 223), (33, 77), (320, 240), (240, 321), (224, 300), (3, 500), (1, 1)]
PICTURES = STRANGE | {f"{width} x {height}": noise(width, height) for width, height in SIZES}
PADDED = {"size": {"shortest_edge": 20}, "crop_size": {"height": 31, "width": 24}}
WIDE = {"size": {"shortest_edge": 40}, "crop_size": {"height": 17, "width": 39}}
SQUARE = {"size": {"height": 31, "width": 18}}
PROCESSORS: list[tuple[str, dict[str, Any]]] = [
    ("CLIP", {}), ("CLIP", PADDED), ("CLIP", WIDE), ("CLIP", SQUARE), ("CLIP", {"resample": 2}),
    ("CLIP", {"do_normalize": False}), ("CLIP", {"do_rescale": False}), ("CLIP", {"do_resize": False}),
    ("CLIP", {"rescale_factor": 1 / 127.5}), ("Siglip", {}), ("Siglip", SQUARE), ("Blip", {}), ("Blip", SQUARE),
]  # fmt: skip


@pytest.fixture(params=["loops", "no loops"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops are worth it from the first picture on, or never."""
    if request.param == "loops" and not available():
        pytest.skip("numba is not installed, or switched off")
    monkeypatch.setattr(resampling.PICTURES, "enough", -1 if request.param == "loops" else sys.maxsize)


@pytest.mark.usefixtures("loops")
@pytest.mark.parametrize(("family", "settings"), PROCESSORS)
def test_pixels_equal_those_of_the_processor_bit_for_bit(family: str, settings: dict[str, Any]) -> None:
    processor = pil_processor(family)(**settings)
    if not type(processor).__name__.endswith("Pil"):
        pytest.skip("this version of transformers has no processors on PIL alone; its own ones are used as they are")
    ready = {name: prepared(picture, processor) for name, picture in PICTURES.items()}
    found = pixel_values(processor, list(ready.values()))
    assert found is not None
    for one, (name, picture) in zip(found, ready.items(), strict=True):
        expected = processor([picture], return_tensors="pt", input_data_format="channels_last")["pixel_values"][0]
        assert one.dtype == expected.dtype and torch.equal(one, expected), name


@pytest.mark.usefixtures("loops")
@pytest.mark.parametrize(("family", "settings"), PROCESSORS)
def test_pixels_of_a_picture_that_was_reduced_are_those_of_the_whole(family: str, settings: dict[str, Any]) -> None:
    processor = pil_processor(family)(**settings)
    pictures = {name: picture.copy() for name, picture in PICTURES.items()}
    small = {name: reduced(processor, picture) for name, picture in pictures.items()}
    expected = processed(processor, PICTURES.values())["pixel_values"]
    for ready in (small.values(), [reduced(processor, picture) for picture in small.values()]):
        assert torch.equal(processed(processor, ready)["pixel_values"], expected)
    assert all(pictures[name].tobytes() == PICTURES[name].tobytes() for name in pictures)
    steps = steps_of(processor)
    if steps is not None and steps.shape is not None and steps.final:
        assert {one.size for one in small.values()} == {steps.shape[::-1]}


class OtherSteps(pil_processor("CLIP")):  # type: ignore[misc]
    """A processor of another class, whose steps nobody knows."""


@pytest.mark.parametrize(
    "processor",
    [
        OtherSteps(),
        pil_processor("CLIP")(do_center_crop=False),
        pil_processor("CLIP")(size={"shortest_edge": 20, "longest_edge": 40}),
        pil_processor("CLIP")(do_resize=False, do_center_crop=False),
    ],
)
def test_other_processors_do_their_work_themselves(processor: Any) -> None:
    picture = noise(30, 30)
    steps = steps_of(processor)
    assert steps is None or steps.shape is None
    assert pixel_values(processor, [picture]) is None
    expected = processor([picture], return_tensors="pt", input_data_format="channels_last")["pixel_values"]
    assert torch.equal(processed(processor, [picture])["pixel_values"], expected)
    assert torch.equal(processed(processor, [reduced(processor, picture)])["pixel_values"], expected)
