"""What the adapters on Phi-3.5 share: rotary positions in two lengths, and the last state of many inputs at once.

The networks are those of transformers, built without weights; the caller fills them and proves each tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from mbench.core.errors import CheckpointError
from mbench.models.device import Placement
from mbench.models.hf import quiet

Network = TypeVar("Network", bound=nn.Module)
ROPE_KINDS = ("longrope", "su")
"""Two names of one rule: Phi-3 called it `su` at first."""


@dataclass(frozen=True, slots=True)
class RopeSettings:
    """Frequencies of `base`, divided by the factors `short` for inputs of up to `short_length` tokens, else by `long`.

    Each has a factor for each pair of a head's dimensions; cosines and sines are multiplied by `scale`.
    """

    base: float
    short: tuple[float, ...]
    long: tuple[float, ...]
    short_length: int
    scale: float

    @staticmethod
    def of(config: Mapping[str, Any], network: Any, path: Path) -> RopeSettings:
        """Read the language model's part of config.json; `network` is what transformers makes of it, with defaults.

        Raises CheckpointError that names the key.
        """
        try:
            pairs = network.hidden_size // network.num_attention_heads // 2
            longest = int(network.max_position_embeddings)
            base, scaling = float(config.get("rope_theta", 10000.0)), config.get("rope_scaling")
            if scaling is None:
                return RopeSettings(base, (1.0,) * pairs, (1.0,) * pairs, longest, 1.0)
            kind = scaling["type"] if "type" in scaling else scaling["rope_type"]
            if kind not in ROPE_KINDS:
                raise ValueError(f"rope_scaling is of the type {kind!r}; {' or '.join(ROPE_KINDS)} expected")
            short_length = int(config["original_max_position_embeddings"])
            short, long = (_factors(scaling, key, pairs) for key in ("short_factor", "long_factor"))
            return RopeSettings(base, short, long, short_length, _scale(longest, short_length))
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise CheckpointError(f"{path}: no positions of Phi-3.5: {type(error).__name__}: {error}") from None


class LongRope(nn.Module):
    """Rotary positions as in LongRoPE (Ding et al. 2024, https://arxiv.org/abs/2402.13753), as Phi-3's own code has it.

    It takes the place of the module of transformers, whose buffers remember the length of the input before.
    """

    def __init__(self, settings: RopeSettings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, x: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines and sines [n, tokens, d] in the precision of `x` for positions [n, tokens]."""
        settings = self.settings
        stretched = int(position_ids.max()) >= settings.short_length
        factors = torch.tensor(settings.long if stretched else settings.short, device=x.device)
        exponents = torch.arange(len(factors), device=x.device).float() / len(factors)
        frequencies = 1.0 / (factors * settings.base**exponents)
        angles = position_ids[..., None].float() * frequencies
        both = torch.cat([angles, angles], dim=-1)
        return (both.cos() * settings.scale).to(x.dtype), (both.sin() * settings.scale).to(x.dtype)


def hollow(build: Callable[[], Network], where: Placement, path: Path) -> Network:
    """Return the network of `build` with memory on the device in the wanted precision, but without values.

    Raises CheckpointError when the settings of `path` make no network.
    """
    try:
        with quiet(), torch.device("meta"):
            model = build()
    except CheckpointError:
        raise
    except Exception as error:
        # Validators of the library raise exceptions of their own.
        raise CheckpointError(f"{path}: no network can be built of it: {error}") from error
    return model.to(where.torch_dtype).to_empty(device=where.device).eval().requires_grad_(False)


def language_network(config: Any, rope: RopeSettings) -> Any:
    """Return the bare language model that transformers has for its config, with the positions of `rope`."""
    model = _network(config)
    model.rotary_emb = LongRope(rope)
    return model


def vision_network(config: Any) -> Any:
    """Return the CLIP vision tower that transformers has for its config, without what transformers 4 wraps it in."""
    tower = _network(config)
    return getattr(tower, "vision_model", tower)


def number_patches(tower: Any) -> None:
    """Fill the one buffer of a vision tower that no checkpoint holds."""
    places = tower.embeddings.position_ids
    places.copy_(torch.arange(places.shape[-1]))


def patch_states(tower: Any, pixels: Tensor, layer: int) -> Tensor:
    """Return hidden states [n, patches, d] of pictures [n, 3, side, side]; `layer` counts as in transformers.

    Zero is what enters the first layer, -1 what leaves the last one. Layers behind it are not run, and the states of
    those before it are not kept.
    """
    layers = tower.encoder.layers
    tower.encoder.layers = layers[: layer if layer >= 0 else len(layers) + 1 + layer]
    try:
        states: Tensor = tower(pixel_values=pixels).last_hidden_state
    finally:
        tower.encoder.layers = layers
    return states


def last_states(model: Any, rows: Sequence[Tensor], short_length: int) -> Tensor:
    """Return [n, d]: the last layer's state, after the norm, at the last token of each row of embeddings [tokens, d].

    Attention is causal, so padding behind a row is never seen. Rows of more than `short_length` tokens run apart:
    positions depend on the longest row of a batch, and an input must not depend on what it is batched with.
    """
    found = rows[0].new_empty(len(rows), rows[0].shape[1])
    for long in (False, True):
        places = [place for place, row in enumerate(rows) if (len(row) > short_length) == long]
        if places:
            batch = [rows[place] for place in places]
            padded = nn.utils.rnn.pad_sequence(batch, batch_first=True)
            states = model(inputs_embeds=padded, use_cache=False).last_hidden_state
            found[places] = states[range(len(batch)), [len(row) - 1 for row in batch]]
    return found


def _factors(scaling: Mapping[str, Any], key: str, pairs: int) -> tuple[float, ...]:
    values = tuple(float(one) for one in scaling[key])
    if len(values) != pairs:
        raise ValueError(f"{key} has {len(values)} factors for heads of {pairs} pairs")
    return values


def _scale(longest: int, short_length: int) -> float:
    ratio = longest / short_length
    return 1.0 if ratio <= 1 else math.sqrt(1 + math.log(ratio) / math.log(short_length))


def _network(config: Any) -> Any:
    from transformers import AutoModel

    networks: Any = AutoModel
    return networks.from_config(config, attn_implementation="sdpa")
