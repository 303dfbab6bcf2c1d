"""Speed of encoding, as ratios to the bare forward pass, to a DataLoader with Hugging Face's processor and to mteb.

`python benchmark/bench/encode.py [--light N] [--heavy N] [--repeats R] [--only PART] [--against PART]` prints one JSON
line a figure: median seconds of either side, by the clock and of the processor, and the ratio of ours to theirs (below
1: we are faster). `--only heavy --against bare` takes a few minutes. Ours is all that a run does between a table of
files and its vectors: content keys, order by cost, decoding, preprocessing, the model, the checks. The bare forward
pass finds its tensors in memory. Pictures are measured twice: as the first ones of a process are prepared, and, `with
loops`, as later ones are, once compiled loops pay (numba, in the extra `fast`). Models are CLIP with random weights:
a light one, one of the size of ViT-B/32, the smallest that OpenAI has published, and a heavy one of that of ViT-B/16.
Both sides must give the same vectors, or there is no figure.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from bench_clip import LIGHT, VIT_B_16, VIT_B_32, Opened, picture_table, save_clip, save_photos, sentence, text_table

from mbench.core.compiled import available
from mbench.core.types import LoadOptions, Vectors
from mbench.data.images import file_digest
from mbench.data.table import ArrowTable
from mbench.models.clip import Clip
from mbench.models.resampling import PICTURES
from mbench.retrieval.encode import Tally, embed

BATCH = 16
TOLERANCE = 2e-5
Work = Callable[[], Vectors]


@dataclass(frozen=True, slots=True)
class Setting:
    """One model on items of one kind: `size` (width, height) of the pictures, None for texts."""

    name: str
    folder: Path
    size: tuple[int, int] | None
    count: int


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of one piece of work by the clock and of this process's processor time."""

    wall: float
    cpu: float


class Quiet:
    """Tells nobody."""

    def start(self, phase: str, total: int) -> None:
        """A phase begins."""

    def advance(self, items: int) -> None:
        """Items are done."""


def main() -> None:
    """Measure every figure and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--light", type=int, default=256, help="items for the light model")
    parser.add_argument("--heavy", type=int, default=32, help="items for the heavy model")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="settings whose name begins so")
    parser.add_argument("--against", default="", help="alternatives whose name begins so")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for setting in settings(Path(folder), options.light, options.heavy):
            if setting.name.startswith(options.only):
                measure(setting, Path(folder) / re.sub(r"\W", "-", setting.name), options.repeats, options.against)


def settings(folder: Path, light: int, heavy: int) -> Iterator[Setting]:
    """Yield what is measured; the models are made first."""
    small, large = save_clip(folder / "light", **LIGHT), save_clip(folder / "heavy", **VIT_B_16)
    middle = save_clip(folder / "middle", **VIT_B_32)
    yield Setting("light 224", small, (224, 224), light)
    yield Setting("light 320", small, (320, 240), light)
    yield Setting("light 640", small, (640, 480), light)
    yield Setting("light texts", small, None, light)
    yield Setting("ViT-B/32 640", middle, (640, 480), light // 4)
    yield Setting("heavy 224", large, (224, 224), heavy)
    yield Setting("heavy 640", large, (640, 480), heavy)


def measure(setting: Setting, folder: Path, repeats: int, against: str) -> None:
    """Time our path and the others in turn, so that all of them meet the same load; print a line for each other."""
    works = {name: work for name, work in works_of(setting, folder).items() if name.startswith(("ours", against))}
    times: dict[str, list[Timed]] = {name: [] for name in works}
    expected = unit(works["ours"]())
    for _ in range(repeats):
        for name, work in works.items():
            took, found = timed(work)
            np.testing.assert_allclose(unit(found), expected, atol=TOLERANCE)
            times[name].append(took)
    mine = [name for name in works if name.startswith("ours")]
    for name in works:
        for ours_is in mine if name not in mine else ():
            title = name + ours_is.removeprefix("ours")
            print(json.dumps(figure(setting, name, title, times[ours_is], times[name])), flush=True)


def works_of(setting: Setting, folder: Path) -> dict[str, Work]:
    """Return our path and the others, by name."""
    model = Clip.load(LoadOptions(args={"checkpoint": str(setting.folder)}, device="cpu", offline=True))
    if setting.size is None:
        texts = [sentence(n) for n in range(setting.count)]
        return {"ours": partial(ours, model, text_table(texts), False), "bare forward": bare_texts(model, texts)}
    files = save_photos(folder, setting.count, setting.size)
    works: dict[str, Work] = {
        "ours": partial(ours, model, picture_table(files), False),
        "ours with loops": partial(ours, model, picture_table(files), available()),
        "bare forward": bare_pictures(model, files),
        "DataLoader, 2 workers": partial(with_loader, model, files),
    }
    if find_spec("mteb") is not None:
        works["mteb"] = in_mteb(setting.folder, files)
    return works


def ours(model: Clip, table: ArrowTable, loops: bool) -> Vectors:
    """Embed a table as a run does, with nothing stored or remembered, and with compiled loops or without."""
    PICTURES.enough = -1 if loops else sys.maxsize
    file_digest.cache_clear()
    return embed(model, table, "candidate", Tally(BATCH), Quiet())


def bare_pictures(model: Clip, files: list[Path]) -> Work:
    """Return the forward pass over pixels that lie in memory."""
    import PIL.Image

    pixels = model.processor([PIL.Image.open(file) for file in files], return_tensors="pt")["pixel_values"]
    return partial(forward, model.model.get_image_features, [{"pixel_values": one} for one in pixels.split(BATCH)])


def bare_texts(model: Clip, texts: list[str]) -> Work:
    """Return the forward pass over tokens that lie in memory, the long texts first as ours has them."""
    order = sorted(range(len(texts)), key=lambda n: -len(texts[n]))
    parts = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    tokens = [dict(model.text_inputs([texts[n] for n in part])) for part in parts]
    return lambda: forward(model.model.get_text_features, tokens)[np.argsort(order)]


def forward(method: Any, batches: list[dict[str, Any]]) -> Vectors:
    """Return what the network makes of batches that are ready."""
    import torch

    with torch.inference_mode():
        return np.concatenate([method(**batch).pooler_output.numpy() for batch in batches])


def with_loader(model: Clip, files: list[Path]) -> Vectors:
    """Embed as most scripts do: a DataLoader of two workers that open and process pictures one by one."""
    import torch
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(Opened(files, model.processor), batch_size=BATCH, num_workers=2)
    with torch.inference_mode():
        found = [model.model.get_image_features(pixel_values=one).pooler_output for one in loader]
    result: Vectors = torch.cat(found).numpy()
    return result


def in_mteb(folder: Path, files: list[Path]) -> Work:
    """Return mteb's own adapter for CLIP on mteb's own batches of the same files."""
    import torch
    from datasets import Dataset, Image
    from mteb.models.model_implementations.clip_models import CLIPModel
    from torch.utils.data import DataLoader

    model = CLIPModel(str(folder), revision="main", device="cpu")
    data = Dataset.from_dict({"image": [str(file) for file in files]}).cast_column("image", Image())

    def collated(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {"image": [row["image"].convert("RGB") for row in rows]}

    def work() -> Vectors:
        loader: Any = DataLoader(data, batch_size=BATCH, collate_fn=collated)
        found: Any = model.get_image_embeddings(loader, show_progress_bar=False)
        return np.asarray(found if torch.is_tensor(found) else torch.cat(found), dtype=np.float32)

    return work


def unit(vectors: Vectors) -> Vectors:
    """Return the vectors at unit length."""
    found: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def timed(work: Work) -> tuple[Timed, Vectors]:
    """Return how long the work took and what it gave; time of worker processes counts as the processor's."""
    start, used = time.perf_counter(), processor_time()
    found = work()
    return Timed(time.perf_counter() - start, processor_time() - used), found


def processor_time() -> float:
    """Return the seconds of processor time of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def figure(setting: Setting, other: str, title: str, mine: list[Timed], theirs: list[Timed]) -> dict[str, Any]:
    """Return a line: medians of both sides, and of the ratio within each round."""
    packages = {"mteb": "mteb", "DataLoader, 2 workers": "torch", "bare forward": "torch"}
    return {
        "figure": f"encode/{setting.name}/{title}",
        "ratio": round(statistics.median(a.wall / b.wall for a, b in zip(mine, theirs, strict=True)), 3),
        "ratio_cpu": round(statistics.median(a.cpu / b.cpu for a, b in zip(mine, theirs, strict=True)), 3),
        "ours_seconds": round(statistics.median(one.wall for one in mine), 4),
        "theirs_seconds": round(statistics.median(one.wall for one in theirs), 4),
        "against": f"{packages[other]} {version(packages[other])}",
        "items": setting.count,
        "batch": BATCH,
        "repeats": len(mine),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
