"""LoRA adapters in the layout of PEFT, read without PEFT, which leaves pairs that it cannot place at zero, silently.

Low-rank adaptation: Hu et al. 2022 (https://arxiv.org/abs/2106.09685); DoRA, which also learns the length of each row:
Liu et al. 2024 (https://arxiv.org/abs/2402.09353).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbench.core.errors import CheckpointError, DataError
from mbench.core.files import read_json
from mbench.models.weights_io import Checkpoint, Rename, Shape, complain

if TYPE_CHECKING:
    from torch import Tensor, nn

SETTINGS_FILE = "adapter_config.json"
WEIGHT_FILES = ("adapter_model.safetensors", "adapter_model.bin")
PREFIX = "base_model.model."
DOWN, UP, MAGNITUDE = "lora_A", "lora_B", "lora_magnitude_vector"
PART = re.compile(rf"{re.escape(PREFIX)}(?P<layer>.+)\.(?P<part>{DOWN}|{UP}|{MAGNITUDE})(?:\.weight)?")
CHANGES_THE_MATHS = (
    *("alora_invocation_tokens", "alpha_pattern", "arrow_config", "exclude_modules", "fan_in_fan_out"),
    *("kasa_config", "layer_replication", "layers_to_transform", "lora_bias", "monteclora_config", "rank_pattern"),
    *("target_parameters", "trainable_token_indices", "use_bdlora", "use_qalora"),
)
"""Settings of PEFT that would make other embeddings and are not followed here: refused unless empty."""
LEAVE_THE_BASE_ALONE = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
"""Values of init_lora_weights that set the pair alone. By the others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) PEFT takes a
part out of the base model's weights, whenever it loads the adapter."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What adapter_config.json says: `targets` are the ends of the names of the layers that are adapted."""

    rank: int
    scale: float
    targets: tuple[str, ...]
    dora: bool

    def adapts(self, layer: str) -> bool:
        """Tell whether the linear layer of that name is adapted."""
        return any(layer == target or layer.endswith(f".{target}") for target in self.targets)

    def shapes(self, layer: str, weight: Shape) -> dict[str, Shape]:
        """Return the shapes of the tensors that change a layer whose weight is [out, in]."""
        outputs, inputs = weight
        made: dict[str, Shape] = {f"{layer}.{DOWN}": (self.rank, inputs), f"{layer}.{UP}": (outputs, self.rank)}
        return made | ({f"{layer}.{MAGNITUDE}": (outputs,)} if self.dora else {})


@dataclass(frozen=True, slots=True)
class Pair:
    """The change of one linear layer of [out, in]: `scale * up @ down`, down [rank, in], up [out, rank], in fp32.

    With a `magnitude` [out] (DoRA) the changed rows are then brought to these lengths.
    """

    down: Tensor
    up: Tensor
    scale: float
    magnitude: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that fits a model: `pairs` by the model's name of the layer, `saved` modules that are stored whole."""

    where: str
    pairs: Mapping[str, Pair]
    saved: Mapping[str, Tensor]


def read_adapter(folder: Path, model: nn.Module, rename: Rename = str) -> Adapter:
    """Read the adapter in `folder` for `model`; `rename` turns its names of layers into the model's.

    Raises CheckpointError that names what is missing, unexpected or of another shape, judged by the layers that
    adapter_config.json targets, and for settings that this reader does not follow.
    """
    settings = read_settings(folder / SETTINGS_FILE)
    path = next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), folder / WEIGHT_FILES[0])
    checkpoint = Checkpoint.open(path)
    found = _parts(checkpoint, rename)
    saved = {name for name in found if name.startswith(PREFIX)}
    layers = _adapted_layers(model, settings)
    expected = {key: shape for layer, weight in layers.items() for key, shape in settings.shapes(layer, weight).items()}
    _prove(checkpoint, {key: source for key, source in found.items() if key not in saved}, expected)
    return Adapter(
        str(path),
        {layer: _pair(layer, checkpoint, found, settings) for layer in layers},
        {key.removeprefix(PREFIX): checkpoint.read(found[key]) for key in saved},
    )


def read_settings(path: Path) -> Settings:
    """Read adapter_config.json. Raises CheckpointError that names the key that is missing or not followed."""
    try:
        found = read_json(path)
    except DataError as error:
        raise CheckpointError(f"{error}; a folder with a LoRA adapter has one.") from None
    kind = found.get("peft_type") if isinstance(found, dict) else found
    if kind != "LORA":
        raise CheckpointError(f"{path}: peft_type is {kind!r}; only 'LORA' adapters can be loaded.")
    refused = {key: found[key] for key in CHANGES_THE_MATHS if found.get(key)}
    refused |= {"bias": found["bias"]} if found.get("bias", "none") != "none" else {}
    start = found.get("init_lora_weights")
    refused |= {} if start in LEAVE_THE_BASE_ALONE else {"init_lora_weights": start}
    if refused:
        told = ", ".join(f"{key} = {value!r}" for key, value in refused.items())
        raise CheckpointError(f"{path}: settings that are not followed here: {told}. Merge the adapter with PEFT.")
    try:
        return _settings(found)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: no settings of LoRA: {type(error).__name__}: {error}") from None


def merge(model: nn.Module, adapter: Adapter) -> None:
    """Add the adapter to the model's weights, for good. The sum is made in fp32 and rounded once, as PEFT does."""
    for layer, pair in adapter.pairs.items():
        weight: Tensor = model.get_parameter(f"{layer}.weight").data
        changed = weight.float() + pair.up.to(weight.device) @ pair.down.to(weight.device) * pair.scale
        if pair.magnitude is not None:
            changed *= (pair.magnitude.to(weight.device) / changed.norm(dim=1))[:, None]
        weight.copy_(changed)


def attach(model: nn.Module, adapter: Adapter) -> None:
    """Put the adapter beside the model's weights, where `active` turns it on; at first it is off.

    Raises CheckpointError for DoRA, which can only be merged.
    """
    from mbench.models.lora_net import LoraLinear

    for layer, pair in adapter.pairs.items():
        if pair.magnitude is not None:
            raise CheckpointError(f"{adapter.where}: a DoRA adapter cannot be turned on and off, only merged.")
        parent, _, leaf = layer.rpartition(".")
        holder: Any = model.get_submodule(parent)
        setattr(holder, leaf, LoraLinear(getattr(holder, leaf), pair.down, pair.up, pair.scale))


@contextmanager
def active(model: nn.Module, on: bool = True) -> Iterator[None]:
    """Run with the attached adapter on, or off with `on=False`; it is off outside of all such blocks."""
    from mbench.models.lora_net import LoraLinear

    layers = [layer for layer in model.modules() if isinstance(layer, LoraLinear)]
    try:
        for layer in layers:
            layer.on = on
        yield
    finally:
        for layer in layers:
            layer.on = False


def _settings(found: Mapping[str, Any]) -> Settings:
    targets, rank = found["target_modules"], found["r"]
    if not isinstance(targets, list) or not targets:
        raise ValueError(f"target_modules is {targets!r}; only a list of names is followed")
    if not isinstance(rank, int) or rank < 1:
        raise ValueError(f"r is {rank!r}; expected a positive whole number")
    scale = float(found["lora_alpha"]) / (math.sqrt(rank) if found.get("use_rslora") else rank)
    return Settings(rank, scale, tuple(map(str, targets)), bool(found.get("use_dora")))


def _adapted_layers(model: nn.Module, settings: Settings) -> dict[str, Shape]:
    from torch import nn

    linear = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    return {name: tuple(layer.weight.shape) for name, layer in linear.items() if settings.adapts(name)}


def _parts(checkpoint: Checkpoint, rename: Rename) -> dict[str, str]:
    """Return the checkpoint's name for each `<layer>.<part>`; names of whole modules keep PEFT's prefix."""
    found: dict[str, str] = {}
    for source in checkpoint.shapes:
        match = PART.fullmatch(source)
        key = f"{rename(match['layer'])}.{match['part']}" if match else source
        if key in found:
            raise CheckpointError(f"{checkpoint.where}: {found[key]} and {source} are the same tensor of the model.")
        found[key] = source
    return found


def _prove(checkpoint: Checkpoint, found: Mapping[str, str], expected: Mapping[str, Shape]) -> None:
    misshaped = [
        f"{source} is {list(checkpoint.shapes[source])}, expected {list(expected[key])}"
        for key, source in found.items()
        if key in expected and checkpoint.shapes[source] != expected[key]
    ]
    unexpected = [source for key, source in found.items() if key not in expected]
    complain(checkpoint.where, expected.keys() - found.keys(), unexpected, misshaped)


def _pair(layer: str, checkpoint: Checkpoint, found: Mapping[str, str], settings: Settings) -> Pair:
    def part(name: str) -> Tensor:
        return checkpoint.read(found[f"{layer}.{name}"]).float()

    return Pair(part(DOWN), part(UP), settings.scale, part(MAGNITUDE) if settings.dora else None)
