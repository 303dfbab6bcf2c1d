"""VLM2Vec on Phi-3.5-V: no chat template, causal attention, a picture as tokens of its crops."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbench.core.errors import DataError
from mbench.models.device import Placement
from mbench.models.hf import read_config
from mbench.models.phi3_tokens import LlamaTokens
from mbench.models.vlm2vec_base import Vlm2VecArgs, token_limit
from mbench.models.vlm2vec_phi3v_image import Colours, Crops, cut
from mbench.models.vlm2vec_prompt import MMEB_MARKER

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

PLACE = re.compile(r"<\|image_\d+\|>")


@dataclass(frozen=True, slots=True)
class Prompted:
    """One input: the ids of the tokens before and, where there is a picture, behind it."""

    before: Sequence[int]
    behind: Sequence[int] = ()
    crops: Crops | None = None


class Phi3VBackbone:
    """The backbone that `vlm2vec` runs for checkpoints of the type `phi3_v`."""

    marker = MMEB_MARKER

    def __init__(self, base: Path, processing: Path, args: Vlm2VecArgs, where: Placement) -> None:
        """Load `base`, with the tokenizer and image settings of `processing`. Raises CheckpointError."""
        from mbench.models.vlm2vec_phi3v_net import load_network

        config = read_config(base, "vlm2vec", ["phi3_v"])
        self.colours, self.crops = Colours.of(processing), args.crops
        self.tokens = LlamaTokens(processing, config)
        self.limit = token_limit(processing, args.max_tokens)
        self.network: Any = load_network(base, config, where)
        self.dimension = int(self.network.language.config.hidden_size)
        self.settings: Mapping[str, object] = {"crops": self.crops, "token_limit": self.limit}

    def renamed(self, name: str) -> str:
        """Return what the network calls a layer of an adapter."""
        from mbench.models.vlm2vec_phi3v_net import renamed

        return renamed(name)

    def read(self, prompt: str, picture: Image | None) -> Prompted:
        """Return the input; without a picture it is cut where `token_limit` says, as by the official code.

        The texts around a picture are tokenised apart, each with its own `<s>`, as there. Raises ImageError for a
        picture of impossible proportions, DataError when the prompt holds further places of pictures.
        """
        if picture is None:
            return Prompted(self.tokens.ids(prompt)[: self.limit])
        parts = PLACE.split(prompt)
        if len(parts) != 2:
            raise DataError(
                f"there are {len(parts) - 1} places for one picture; its text must not contain {self.marker}"
            )
        before, behind = map(self.tokens.ids, parts)
        return Prompted(before, behind, cut(picture, self.crops, self.colours))

    def last_states(self, inputs: Sequence[Prompted]) -> Tensor:
        """Return [n, d]: the last layer's state at the last token of each input."""
        import torch

        from mbench.models.phi3_net import last_states

        pictures = iter(self.network.pictures([one.crops for one in inputs if one.crops is not None]))
        rows = []
        for one in inputs:
            parts = [self.network.words(one.before)]
            if one.crops is not None:
                parts += [next(pictures), self.network.words(one.behind)]
            rows.append(torch.cat(parts))
        return last_states(self.network.language, rows, self.network.rope.short_length)
