"""UniIR on CLIP: score fusion (CLIP_SF) and feature fusion (CLIP_FF); what they read of an item: `uniir_base`.

CLIP_SF adds the features of CLIP's two towers as they are. CLIP_FF puts the text's 77 states (padding included) before
the projected states of all image tokens, sends them through two T5 layers without a mask and takes the mean over all
positions; an absent text or picture takes part as what stands for it.

Texts are cut after 77 tokens. Pictures are resized to 224 pixels at their shorter edge and cut in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mbench.core.errors import CheckpointError
from mbench.core.types import LoadOptions, Vectors
from mbench.models.cards import shipped_card
from mbench.models.uniir_base import Plan, ReleasedArgs, Uniir, UniirArgs, Weights
from mbench.models.uniir_bpe import ClipTokenizer
from mbench.models.uniir_picture import cropped
from mbench.models.uniir_prompt import Content
from mbench.models.uniir_sizes import CLIP_FEATURE, CLIP_SCORE, ClipSizes, sizes_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

TOWER = "clip_model.visual.conv1.weight"


class UniirClip(Uniir[UniirArgs]):
    """What both have in common: CLIP's tokens and pictures."""

    packages = ("ftfy", "regex")
    tokenizer: ClipTokenizer

    def _preprocessed(self, picture: Image) -> Vectors:
        return cropped(picture, self.side)

    def _ids(self, texts: Sequence[str]) -> Tensor:
        import torch

        return torch.from_numpy(self.tokenizer.encode(texts)).to(self.where.device)


class UniirClipSf(UniirClip):
    """UniIR CLIP_SF."""

    card = shipped_card("uniir-clip-sf")
    args = ReleasedArgs
    released = "checkpoint/CLIP_SF/clip_sf_large.pth"
    without_effect = ("clip_model.logit_scale",)

    def _plan(self, weights: Weights, args: UniirArgs, options: LoadOptions) -> Plan:
        from mbench.models.uniir_clip_net import ClipScore
        from mbench.models.uniir_net import without_weights

        sizes = sizes_of(weights.path, CLIP_SCORE, weights.width(TOWER)).clip
        self.tokenizer = _tokenizer(weights.path, sizes)
        network = without_weights(lambda: ClipScore(sizes), self.where)
        return Plan(network, sizes.image_resolution, sizes.embed_dim, _vocabulary())

    def _embed(self, contents: Sequence[Content]) -> Tensor:
        towers = self.network.clip_model
        return self._sums(contents, lambda texts: towers.text(self._ids(texts)), towers.visual)


class UniirClipFf(UniirClip):
    """UniIR CLIP_FF. Its weights were not published."""

    card = shipped_card("uniir-clip-ff")
    args = UniirArgs
    released = "checkpoint/CLIP_FF/clip_ff_large.pth"
    # Some versions of transformers give T5's encoder a table of words, which nothing reads here.
    without_effect = ("clip_model.logit_scale", "t5_layers.embed_tokens.weight")

    def _plan(self, weights: Weights, args: UniirArgs, options: LoadOptions) -> Plan:
        from mbench.models.uniir_clip_net import ClipFeature
        from mbench.models.uniir_net import without_weights

        sizes = sizes_of(weights.path, CLIP_FEATURE, weights.width(TOWER))
        self.tokenizer = _tokenizer(weights.path, sizes.clip)
        network = without_weights(lambda: ClipFeature(sizes.clip, sizes.t5), self.where)
        return Plan(network, sizes.clip.image_resolution, sizes.clip.embed_dim, _vocabulary())

    def _embed(self, contents: Sequence[Content]) -> Tensor:
        towers = self.network.clip_model
        # Many texts of a batch may be the same: the empty one of pictures alone.
        texts = list(dict.fromkeys(one.text for one in contents))
        text = towers.text_states(self._ids(texts))[[texts.index(one.text) for one in contents]]
        image = self._image_states(contents, lambda pixels: towers.visual(pixels, every=True))
        fused: Tensor = self.network(text, image)
        return fused


def _tokenizer(weights: Path, sizes: ClipSizes) -> ClipTokenizer:
    tokenizer = ClipTokenizer(sizes.context_length)
    if len(tokenizer.ids) != sizes.vocab_size:
        raise CheckpointError(
            f"{weights}: the model embeds {sizes.vocab_size} tokens; the vocabulary of CLIP has {len(tokenizer.ids)}."
        )
    return tokenizer


def _vocabulary() -> str:
    """Tell what the tokens of a text depend on besides this package."""
    return f"openai-clip, ftfy {version('ftfy')}"
