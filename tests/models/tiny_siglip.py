"""Random SigLIP checkpoints of a few thousand weights with vocabularies of their own, saved in the Hub's layout."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from tests.models.tiny_clip import noise

from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.siglip import Siglip

SIDE, LENGTH = 32, 16
SENTENCES = [
    "a red cat",
    "the dog on a mat",
    "find the same picture in blue",
    "two birds",
    "what is this?",
    "jumping fox",
]

ITEMS = [
    Item("text", text="A red CAT, on: the mat!"),
    Item("picture", image=noise(50, 40)),
    Item("pair", text="Dog!", image=noise(40, 70, seed=1), instruction="find"),
    Item("long", text="cat dog " * 40),
    Item("told", image=noise(33, 32, seed=2), instruction="the red one"),
    Item("empty", text=""),
    Item("marks", text="?!"),
    Item("snow", text="☃ é 狗"),
]


def save_tiny_siglip(folder: Path) -> Path:
    """Save a SigLIP with a vocabulary of sentencepiece into `folder` and return it."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=written, vocab_size=48, hard_vocab_limit=False,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, num_threads=1,
    )  # fmt: skip
    (folder / "spiece.model").write_bytes(written.getvalue())
    size = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue()).get_piece_size()
    special = {"lstrip": True, "normalized": False, "rstrip": True, "single_word": False, "special": True}
    settings = {
        "added_tokens_decoder": {"1": special | {"content": "</s>"}, "2": special | {"content": "<unk>"}},
        "do_lower_case": True, "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>",
        "model_input_names": ["input_ids"], "model_max_length": LENGTH, "sp_model_kwargs": {},
        "tokenizer_class": "SiglipTokenizer", "processor_class": "SiglipProcessor",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return _save_model(folder, size, end=1, fill=1, resample=3)


def save_tiny_siglip2(folder: Path) -> Path:
    """Save a SigLIP 2 of fixed resolution, whose vocabulary is built like Gemma's, into `folder` and return it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder.mkdir(parents=True, exist_ok=True)
    merges = [("c", "a"), ("ca", "t"), ("d", "o"), ("do", "g"), ("▁", "r"), ("e", "d")]
    letters = sorted({letter for sentence in SENTENCES for letter in sentence.replace(" ", "▁")} | {*"ACDTgt!▁"})
    names = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    vocab = {name: place for place, name in enumerate(dict.fromkeys([*names, *map("".join, merges)]))}
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    tokenizer.add_special_tokens(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(direction="right", pad_id=0, pad_token="<pad>", length=LENGTH)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GemmaTokenizer"}))
    return _save_model(folder, tokenizer.get_vocab_size(), end=1, fill=0, resample=2)


def _save_model(folder: Path, vocab_size: int, end: int, fill: int, resample: int) -> Path:
    import torch
    from transformers import SiglipConfig, SiglipModel

    tower = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    text: dict[str, Any] = tower | {
        "vocab_size": vocab_size, "max_position_embeddings": LENGTH, "projection_size": 24,
        "bos_token_id": None, "eos_token_id": end, "pad_token_id": fill,
    }  # fmt: skip
    torch.manual_seed(0)
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=tower | {"image_size": SIDE, "patch_size": 8}))
    with torch.no_grad():
        # As initialised, all texts and all pictures of so small a tower look alike.
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.2)
    model.save_pretrained(folder)
    processor = {
        "image_processor_type": "SiglipImageProcessor", "do_resize": True, "size": {"height": SIDE, "width": SIDE},
        "resample": resample, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "do_convert_rgb": None,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


SAVED = {"siglip": save_tiny_siglip, "siglip2": save_tiny_siglip2}


def load(name: str, folder: Path, **args: str) -> Siglip:
    options = LoadOptions(args={"checkpoint": str(folder), **args}, device="cpu", offline=True)
    model = load_model(name, options)
    assert isinstance(model, Siglip)
    return model
