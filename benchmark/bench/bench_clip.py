"""What the encoding figures are measured on: CLIP checkpoints with random weights, photographs made of noise, texts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mbench.data.images import FolderImages
from mbench.data.table import ArrowTable

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
LIGHT = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6, "patch_size": 32}
VIT_B_32 = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "patch_size": 32}
VIT_B_16 = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "patch_size": 16}
HEAD = 64
END = "<|endoftext|>"


def save_clip(folder: Path, **vision: Any) -> Path:
    """Save a CLIP checkpoint with random weights, a vocabulary of single bytes and OpenAI's preprocessing."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    folder.mkdir(parents=True)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(code) for code in (*printable, *range(256, 256 + 256 - len(printable)))]
    vocabulary = {
        word: n for n, word in enumerate([*letters, *(one + "</w>" for one in letters), "<|startoftext|>", END])
    }
    width = vision["hidden_size"]
    text = {name: vision[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers")} | {
        "num_attention_heads": width // HEAD, "vocab_size": len(vocabulary), "max_position_embeddings": 77,
        "bos_token_id": len(vocabulary) - 2, "eos_token_id": len(vocabulary) - 1, "pad_token_id": len(vocabulary) - 1,
    }  # fmt: skip
    torch.manual_seed(0)
    seen = vision | {"num_attention_heads": width // HEAD, "image_size": 224}
    CLIPModel(CLIPConfig(text_config=text, vision_config=seen, projection_dim=512)).save_pretrained(folder)
    write(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": END, "unk_token": END, "pad_token": END}
    write(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", **special})
    steps = {
        "do_resize": True,
        "do_center_crop": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": True,
    }
    sizes = {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, "resample": 3}
    values = {"rescale_factor": 1 / 255, "image_mean": MEAN, "image_std": STD}
    write(
        folder / "preprocessor_config.json", {"image_processor_type": "CLIPImageProcessor", **steps, **sizes, **values}
    )
    return folder


def save_photos(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """Save JPEG files of `size` (width, height) whose smooth ground and grain compress about as photographs do."""
    import PIL.Image

    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    width, height = size
    files = [folder / f"{n:05}.jpg" for n in range(count)]
    for file in files:
        coarse = random.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        ground = np.asarray(PIL.Image.fromarray(coarse).resize(size, PIL.Image.Resampling.BICUBIC), dtype=np.int64)
        grained = np.clip(ground + random.integers(-12, 13, ground.shape), 0, 255).astype(np.uint8)
        PIL.Image.fromarray(grained).save(file, "JPEG", quality=90)
    return files


@dataclass(frozen=True)
class Opened:
    """A data set of torch: the pixels of picture files."""

    files: list[Path]
    processor: Any

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> Any:
        import PIL.Image

        return self.processor(PIL.Image.open(self.files[place]).convert("RGB"), return_tensors="pt")["pixel_values"][0]


def sentence(number: int) -> str:
    """Return a text of 3 to 40 letters, another one for each number."""
    return f"{number} " + "a red car beside an old blue house"[: number % 35]


def picture_table(files: list[Path]) -> ArrowTable:
    """Return the table of picture files."""
    names = [file.name for file in files]
    return ArrowTable.of({"id": names, "image": names}, name="pictures", pictures=FolderImages(files[0].parent))


def text_table(texts: list[str]) -> ArrowTable:
    """Return the table of texts."""
    return ArrowTable.of({"id": [str(n) for n in range(len(texts))], "text": texts}, name="texts")


def write(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(value), encoding="utf-8")
