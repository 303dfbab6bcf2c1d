"""Random models of sentence-transformers: of texts, of two towers, and one that reads pictures and texts as chats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.models.tiny_clip import MEAN, SIDE, STD, save_tiny_clip

PROMPTS = {"query": "find: ", "document": "thing: "}
WORDS = ["a", "red", "cat", "dog", "find", "thing", "the", "one", ":", "!", "instruct", "query", "user", "system"]
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} : {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %} {% endfor %}"
)


def save_text(folder: Path, prompts: dict[str, str] | None = None, similarity: str = "cosine") -> Path:
    """Save a BERT with mean pooling and a dense layer behind it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel, BertTokenizer

    raw = folder.parent / f"{folder.name}-raw"
    raw.mkdir(parents=True)
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (raw / "vocab.txt").write_text("\n".join([*specials, *WORDS]) + "\n")
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(**sizes, vocab_size=len(specials) + len(WORDS), max_position_embeddings=32)
    BertModel(config).save_pretrained(raw)
    BertTokenizer.from_pretrained(raw).save_pretrained(raw)
    modules = [Transformer(str(raw)), Pooling(24, "mean"), Dense(24, 16)]
    model = SentenceTransformer(
        modules=modules, device="cpu", prompts=PROMPTS if prompts is None else prompts, similarity_fn_name=similarity
    )
    model.save(str(folder))
    return folder


def save_towers(folder: Path, similarity: str = "cosine") -> Path:
    """Save a CLIP."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer

    raw = save_tiny_clip(folder.parent / f"{folder.name}-raw")
    towers = Transformer(str(raw), processor_kwargs={"model_max_length": 20})
    SentenceTransformer(modules=[towers], device="cpu", prompts=PROMPTS, similarity_fn_name=similarity).save(
        str(folder)
    )
    return folder


def save_chat(folder: Path) -> Path:
    """Save a LLaVA with a chat template, pooled at the last token."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaModel

    raw = folder.parent / f"{folder.name}-raw"
    words = ["<pad>", "<unk>", "<image>", *WORDS]
    sizes: dict[str, Any] = {"intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = CLIPVisionConfig(**sizes, hidden_size=16, image_size=SIDE, patch_size=8)
    text = LlamaConfig(**sizes, hidden_size=24, vocab_size=len(words), num_key_value_heads=2, pad_token_id=0)
    torch.manual_seed(0)
    LlavaModel(LlavaConfig(vision_config=vision, text_config=text, image_token_index=2)).save_pretrained(raw)
    chat_processor(words).save_pretrained(raw)
    modules = [Transformer(str(raw)), Pooling(24, "lasttoken")]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder))
    return folder


def chat_processor(words: list[str]) -> Any:
    """Return what cuts the words and pictures of `save_chat`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import LlavaProcessor, PreTrainedTokenizerFast

    from mbench.models.hf import pil_processor

    cutter = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    cutter.normalizer = normalizers.Lowercase()
    cutter.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=cutter, pad_token="<pad>", unk_token="<unk>", padding_side="left",
        additional_special_tokens=["<image>"], model_max_length=64,
    )  # fmt: skip
    pixels = pil_processor("CLIP")(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, image_mean=MEAN, image_std=STD
    )
    return LlavaProcessor(
        pixels, tokenizer, patch_size=8, vision_feature_select_strategy="default", chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    )  # fmt: skip
