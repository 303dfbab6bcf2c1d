"""`hf:NAME`: any model of transformers with `get_image_features` and `get_text_features`, with late fusion."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mbench.core.errors import CheckpointError, DataError, UserError, listed
from mbench.core.files import file_sha256, read_json
from mbench.core.specs import ModelCard
from mbench.core.types import LoadOptions, Vectors
from mbench.models.cards import shipped_card
from mbench.models.device import Placement, placement
from mbench.models.fusion import FusionArgs, LateFusion
from mbench.models.hf import features_of, load_part, load_tokenizer, processed, require_transformers, unproven
from mbench.models.hub import OLD_WEIGHTS, SAFE_WEIGHTS, SIDE_FILES, Located, locate
from mbench.models.options import Args, Count, Text
from mbench.models.siglip_text import Words, gemma_words, sentencepiece_words
from mbench.models.weights_io import Checkpoint, Rename, prove_loaded

if TYPE_CHECKING:
    from PIL.Image import Image

STORED_WITHOUT_EFFECT = ("*.position_ids",)
SIGLIP = ("siglip", "siglip2")
"""Types of models whose texts transformers reads otherwise than they were trained to, for some versions and files."""
OLD_NAMES = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))


ENDLESS = 10**9
"""Tokenizers without a limit tell a number beyond."""

Tokens = Callable[[Sequence[str]], Mapping[str, Any]]


class HfArgs(FusionArgs):
    """Arguments of `hf:NAME`."""

    max_length: Count | None = Field(
        default=None, description="tokens of a text that are read; as many as there can be"
    )
    id: Text | None = Field(default=None, description="the model's name in results; hf:NAME")


class HfAuto(LateFusion):
    """A checkpoint that tells by itself which model, tokenizer and preprocessing it needs."""

    card: ModelCard = shipped_card("hf")
    args: ClassVar[type[Args]] = HfArgs
    argument: ClassVar[str] = "NAME"
    family = ""

    def __init__(self, located: Located, args: HfArgs, where: Placement, trusted: bool) -> None:
        folder = located.folder
        config = _config(located, trusted)
        self.model = _model(located, where, trusted)
        self.processor = _image_processor(folder, trusted)
        self.tokens = _siglip_tokens(folder, args, config) or _tokens(folder, args, config, trusted)
        self.where = where
        super().__init__(
            args.id or f"hf:{located.name}", args, located, where, self.model, self._dimension(located.name)
        )
        if trusted:
            self.identity = {**self.identity, "code": _code_hash(folder)}

    @classmethod
    def load(cls, options: LoadOptions) -> HfAuto:
        """Load the checkpoint that the name's argument tells, a folder or a name on the Hub.

        Raises UserError, ModelError, CheckpointError, MissingDependencyError.
        """
        args = HfArgs.read(options, "hf")
        require_transformers("hf", "clip")
        trusted = options.trust_remote_code
        return cls(_located(options, trusted), args, placement(options, official="fp32"), trusted)

    def image_features(self, pictures: Sequence[Image]) -> Vectors:
        """Return [n, d], not normalised."""
        method = self.model.get_image_features
        return features_of(method, self.where, **_taken(method, processed(self.processor, pictures)))

    def text_features(self, texts: Sequence[str]) -> Vectors:
        """Return [n, d], not normalised."""
        method = self.model.get_text_features
        return features_of(method, self.where, **_taken(method, self.tokens(texts)))

    def _dimension(self, name: str) -> int:
        """Return d of the features of a grey picture and of a letter. Raises CheckpointError unless they agree."""
        from PIL import Image

        shapes = [
            self.image_features([Image.new("RGB", (64, 48), "grey")]).shape,
            self.text_features(["a"]).shape,
        ]
        if len(shapes[0]) != 2 or shapes[0] != shapes[1]:
            raise CheckpointError(
                f"{name}: a picture has features of the shape {list(shapes[0])} and a text {list(shapes[1])}; expected "
                "one vector each, of one length. It is no model of two towers."
            )
        return int(shapes[0][1])


def _located(options: LoadOptions, trusted: bool) -> Located:
    name = options.argument or ""
    if not trusted:
        return locate(name, options)
    located = locate(name, options, files=(*SIDE_FILES, *SAFE_WEIGHTS, "*.py"))
    if any(file for pattern in SAFE_WEIGHTS for file in located.folder.glob(pattern)):
        return located
    return locate(name, options, files=(*SIDE_FILES, *OLD_WEIGHTS, "*.py"))


def _config(located: Located, trusted: bool) -> dict[str, Any]:
    """Return the configuration with all defaults. Raises UserError when it takes code to read it, CheckpointError."""
    from transformers import CONFIG_MAPPING, AutoConfig

    try:
        raw = read_json(located.folder / "config.json")
    except DataError as error:
        raise CheckpointError(f"{error}; a checkpoint of transformers has one.") from None
    if "auto_map" in raw and raw.get("model_type") not in CONFIG_MAPPING and not trusted:
        code = listed(raw["auto_map"].values())
        raise UserError(
            f"{located.name} comes with code of its own ({code}). Read it; it runs only with --trust-remote-code."
        )
    config = load_part(AutoConfig, located.folder, "config.json", trust_remote_code=trusted)
    settings: dict[str, Any] = config.to_dict()
    return settings


def _model(located: Located, where: Placement, trusted: bool) -> Any:
    """Return the model, each tensor proven. Raises CheckpointError, also for a model that lacks a tower."""
    from transformers import AutoModel

    checkpoint = Checkpoint.open(located.folder)
    model = unproven(AutoModel, located.folder, where, trust_remote_code=trusted)
    lacks = [name for name in ("get_image_features", "get_text_features") if not hasattr(model, name)]
    if lacks:
        raise CheckpointError(
            f"{located.name}: {type(model).__name__} has no {' and no '.join(lacks)}; hf:NAME takes models that embed "
            "pictures and texts apart, as CLIP does. Try sentence-transformers:NAME."
        )
    prove_loaded(model, checkpoint, _renaming(model), STORED_WITHOUT_EFFECT)
    return model.eval().requires_grad_(False).to(where.device)


def _renaming(model: Any) -> Rename:
    """Return what translates names of older checkpoints, and of ones saved with or without the model's prefix."""
    names, prefix = model.state_dict().keys(), f"{model.base_model_prefix}."

    def renamed(name: str) -> str:
        for old, new in OLD_NAMES:
            name = name.replace(old, new)
        return next((one for one in (name, name.removeprefix(prefix), prefix + name) if one in names), name)

    return renamed


def _image_processor(folder: Path, trusted: bool) -> Any:
    """Load the processor that works on PIL and numpy: torchvision's, where it is there, resizes otherwise."""
    import transformers

    pil = {"backend": "pil"} if int(transformers.__version__.split(".")[0]) >= 5 else {"use_fast": False}
    return load_part(transformers.AutoImageProcessor, folder, "image processor", trust_remote_code=trusted, **pil)


def _siglip_tokens(folder: Path, args: HfArgs, config: Mapping[str, Any]) -> Tokens | None:
    """Return what cuts texts for SigLIP and SigLIP 2, NaFlex too; None for other models. Raises UserError."""
    if config.get("model_type") not in SIGLIP:
        return None
    sizes = config["text_config"]
    if args.max_length is not None:
        places = sizes["max_position_embeddings"]
        raise UserError(f"{folder.name} reads texts of {places} tokens, no more and no fewer; leave out max_length.")
    words_of = sentencepiece_words if (folder / "spiece.model").is_file() else gemma_words
    words = words_of(folder, sizes["vocab_size"])
    return partial(_exactly, words, sizes["max_position_embeddings"])


def _tokens(folder: Path, args: HfArgs, config: Mapping[str, Any], trusted: bool) -> Tokens:
    """Return what cuts texts: filled up to the longest, or to the model's length where there is no attention mask."""
    tokenizer = load_tokenizer(folder, config, trust_remote_code=trusted)
    places = config.get("text_config", config).get("max_position_embeddings")
    known = [length for length in (places, tokenizer.model_max_length) if isinstance(length, int) and length < ENDLESS]
    length = args.max_length or (min(known) if known else None)
    blind = "attention_mask" not in tokenizer.model_input_names
    if blind and length is None:
        raise UserError(f"{folder.name} does not tell the length of its texts; give --model-args max_length=.")
    settings = {"padding": "max_length" if blind else "longest", "truncation": length is not None, "max_length": length}
    return partial(_at_most, tokenizer, settings)


def _exactly(words: Words, length: int, texts: Sequence[str]) -> Mapping[str, Any]:
    import torch

    return {"input_ids": torch.tensor(words.rows(texts, length))}


def _at_most(tokenizer: Any, settings: Mapping[str, Any], texts: Sequence[str]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = tokenizer(list(texts), return_tensors="pt", **settings)
    return found


def _taken(method: Callable[..., Any], found: Mapping[str, Any]) -> dict[str, Any]:
    names: Iterable[str] = inspect.signature(method).parameters
    return {name: found[name] for name in names if name in found}


def _code_hash(folder: Path) -> str:
    lines = [f"{path.name} {file_sha256(path)}" for path in sorted(folder.glob("*.py"))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
