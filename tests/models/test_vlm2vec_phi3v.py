"""VLM2Vec on Phi-3.5-V: crops, the order of their tokens, prompts in two parts.

The network agrees with the official code to 4e-7 on a checkpoint that is too large to be kept here; these tests hold
what that comparison settled.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.strange_pictures import STRANGE
from tests.models.test_vlm2vec import load
from tests.models.tiny_clip import noise
from tests.models.tiny_phi3 import IDS, VISION, save_phi3v_adapter, save_tiny_phi3v, small_tower

from mbench.core.errors import DataError, ImageError
from mbench.core.types import Item
from mbench.models.vlm2vec import Vlm2Vec
from mbench.models.vlm2vec_phi3v_image import CROP, MEAN, STD, Colours, Crops, cut

PLAIN = Colours(np.zeros(3, np.float32), np.ones(3, np.float32))


@pytest.fixture(autouse=True, scope="module")
def _small_tower() -> Iterator[None]:
    with small_tower():
        yield


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("phi3v")
    return {"base": str(save_tiny_phi3v(folder / "base")), "adapter": str(save_phi3v_adapter(folder / "adapter"))}


@pytest.fixture(scope="module")
def model(arguments: dict[str, str]) -> Vlm2Vec:
    return load(arguments)


def items() -> list[Item]:
    """All kinds of input, in no order, of very different lengths."""
    return [
        Item("text", text="a dog"),
        Item("picture", image=noise(40, 30)),
        Item("both", image=noise(900, 100), instruction="what is left?"),
        Item("empty", text=""),
        Item("long", text="the quick brown fox! " * 20),
        Item("tall", image=noise(10, 30), text="naïve 日本語 🐱"),
    ]


def test_embeddings_do_not_depend_on_the_batch_its_order_or_the_role(model: Vlm2Vec) -> None:
    given = items()
    alone = np.concatenate([model.encode([item], role="query") for item in given])
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(model.encode(given, role="candidate"), alone, atol=1e-5)
    np.testing.assert_allclose(model.encode(given[::-1], role="query")[::-1], alone, atol=1e-5)
    assert model.encode([], role="query").shape == (0, model.card.dimension)


def test_each_text_beside_a_picture_has_its_own_beginning(model: Vlm2Vec) -> None:
    read = model.read(Item("x", image=noise(9, 9), text="ab"), "query")
    assert read.before == [IDS["<s>"]]
    assert read.behind == [IDS[one] for one in ("<s>", "▁", "▁", "a", "b")]
    assert model.read(Item("x", text="ab"), "query").before == [IDS[one] for one in ("<s>", "▁", "a", "b")]


@pytest.mark.parametrize(
    ("size", "most", "rows", "columns"),
    [
        ((336, 336), 4, 2, 2),
        ((1, 1), 4, 2, 2),
        ((70, 33), 4, 1, 2),
        ((33, 70), 4, 2, 1),
        ((27, 90), 4, 3, 1),
        ((900, 60), 4, 1, 4),
        ((70, 33), 16, 3, 5),
        ((40, 700), 16, 16, 1),
        ((500, 400), 1, 1, 1),
    ],
)
def test_pictures_are_cut_as_by_the_official_image_processor(
    size: tuple[int, int], most: int, rows: int, columns: int
) -> None:
    found = cut(noise(*size), most, PLAIN)
    assert (found.rows, found.columns) == (rows, columns)
    assert tuple(found.values.shape) == (1 + rows * columns, 3, CROP, CROP)


def test_crops_are_row_by_row_and_what_is_filled_up_is_white() -> None:
    picture = Image.new("RGB", (800, 200), (255, 0, 0))
    picture.paste((0, 0, 255), (400, 0, 800, 200))
    found = cut(picture, 2, PLAIN)
    assert (found.rows, found.columns) == (1, 2)
    middle, edge = found.values[:, :, CROP // 2, CROP // 2], found.values[:, :, 0, CROP // 2]
    assert middle[1:].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert edge[1:].tolist() == [[1, 1, 1], [1, 1, 1]]
    np.testing.assert_allclose(found.values[0, :, CROP // 2, 60], [1, 0, 0], atol=1e-6)


def test_colours_are_those_of_clip_where_the_file_tells_none(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text('{"image_std": [1, 2, 3]}')
    found = Colours.of(tmp_path)
    assert (found.mean.tolist(), found.std.tolist()) == (np.float32(MEAN).tolist(), [1, 2, 3])
    black = cut(Image.new("RGB", (336, 336)), 1, Colours(np.float32(MEAN), np.float32(STD)))
    expected = -np.float32(MEAN) / np.float32(STD)
    np.testing.assert_allclose(black.values[1, :, 5, 5], expected, atol=1e-6)


def test_tokens_are_lines_of_crops_with_separators_then_the_view_of_the_whole(model: Vlm2Vec) -> None:
    network: Any = model.backbone.network
    rows, columns, patches = 1, 2, 24
    states = torch.randn(1 + rows * columns, patches * patches, VISION)
    network.img_projection, projection = torch.nn.Identity(), network.img_projection
    try:
        found = network._tokens(states, Crops(states, rows, columns))
    finally:
        network.img_projection = projection

    def token(crop: int, row: int, column: int) -> torch.Tensor:
        corner = 2 * row * patches + 2 * column
        return torch.cat([states[crop, corner + step] for step in (0, 1, patches, patches + 1)])

    expected = []
    for row in range(12):
        expected += [token(1 + column // 12, row, column % 12) for column in range(24)] + [network.sub_GN.flatten()]
    expected.append(network.glb_GN.flatten())
    for row in range(12):
        expected += [token(0, row, column) for column in range(12)] + [network.sub_GN.flatten()]
    torch.testing.assert_close(found, torch.stack(expected))
    assert len(found) == (rows * columns + 1) * 144 + 1 + (rows + 1) * 12


def test_every_kind_of_picture_has_an_embedding_or_is_named(model: Vlm2Vec) -> None:
    long = {"a line", "a column"}
    given = [Item(name, image=picture) for name, picture in STRANGE.items() if name not in long]
    np.testing.assert_allclose(np.linalg.norm(model.encode(given, role="candidate"), axis=1), 1, atol=1e-6)
    for name in long:
        with pytest.raises(ImageError, match=f"{name}': a picture of .* more than 1344 times as long"):
            model.encode([Item(name, image=STRANGE[name])], role="candidate")


def test_further_places_of_pictures_are_refused(model: Vlm2Vec) -> None:
    with pytest.raises(DataError, match="'q1': there are 2 places"):
        model.encode([Item("q1", image=noise(9, 9), text="<|image_1|> and <|image_2|>")], role="query")


def test_more_crops_are_another_model(arguments: dict[str, str], model: Vlm2Vec) -> None:
    other = load(arguments | {"crops": "1"})
    assert other.identity != model.identity
    item = Item("x", image=noise(60, 60), text="a")
    assert abs(other.encode([item], role="query") - model.encode([item], role="query")).max() > 1e-4


def test_a_worker_can_be_sent_the_model(model: Vlm2Vec) -> None:
    sent = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(sent.encode(items(), role="query"), model.encode(items(), role="query"))
