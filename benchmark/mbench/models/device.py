"""Where a model runs and in which precision, from `--device` and `--dtype`."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from mbench.core.errors import UserError, nearest
from mbench.core.types import LoadOptions

if TYPE_CHECKING:
    import torch

Dtype = Literal["fp32", "fp16", "bf16"]

TORCH_NAMES: dict[Dtype, str] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
ALIASES: dict[str, Dtype] = {"float": "fp32", "half": "fp16", **{name: key for key, name in TORCH_NAMES.items()}}
DEVICES = ("auto", "cpu", "cuda", "cuda:0", "mps")
GPU_FILES = ("nvidia", "nvhost", "nvmap", "nvgpu", "dxg", "kfd")
"""How the names in /dev begin by which the drivers of NVIDIA, Tegra, WSL and AMD are reached: without one, no GPU."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A device of torch (`cpu`, `cuda:0`, `mps`) and a precision."""

    device: str
    dtype: Dtype

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision as torch names it."""
        import torch

        found: torch.dtype = getattr(torch, TORCH_NAMES[self.dtype])
        return found


def placement(options: LoadOptions, official: Dtype = "fp32") -> Placement:
    """Resolve `--device` and `--dtype`; a dtype of `auto` is fp32 on a CPU and elsewhere the model's `official` one.

    Raises UserError for an unknown name and for a device that this machine does not have.
    """
    device = resolve_device(options.device)
    return Placement(device, resolve_dtype(options.dtype, "fp32" if device == "cpu" else official))


def resolve_device(name: str, flag: str = "--device") -> str:
    """Return `cpu`, `cuda:N` or `mps`. `auto` takes the first of CUDA, MPS and CPU that is there. Raises UserError.

    torch, which takes long to start, is asked only where its answer could be another one than the CPU.
    """
    if name == "cpu" or (name == "auto" and "torch" not in sys.modules and not _may_have_gpu()):
        return "cpu"
    import torch

    if name == "auto":
        return "cuda:0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match:
        return _cuda(int(match[1] or 0), flag)
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("--device mps: this machine or this build of torch has no MPS; use --device cpu or auto.")
    if name != "mps":
        raise UserError(f"--device {name}: unknown device.{_guess(name, DEVICES)} Use auto, cpu, cuda, cuda:N or mps.")
    return name


def _may_have_gpu(folder: Path = Path("/dev")) -> bool:
    """Tell whether torch could find a GPU; it could wherever the files of devices do not tell, as beyond Linux."""
    try:
        return not sys.platform.startswith("linux") or any(one.name.startswith(GPU_FILES) for one in folder.iterdir())
    except OSError:
        return True


def resolve_dtype(name: str, auto: Dtype = "fp32") -> Dtype:
    """Return fp32, fp16 or bf16; torch's names (float32, torch.bfloat16, half) are taken too. Raises UserError."""
    if name == "auto":
        return auto
    short = name.removeprefix("torch.")
    for known in get_args(Dtype):
        if known in (short, ALIASES.get(short)):
            found: Dtype = known
            return found
    guess = _guess(short, [*TORCH_NAMES, *ALIASES])
    raise UserError(f"--dtype {name}: unknown precision.{guess} Use auto, fp32, fp16 or bf16.")


def _cuda(index: int, flag: str) -> str:
    import torch

    other = "cpu or auto" if flag == "--device" else "cpu"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        has = f"it has {count} (cuda:0 to cuda:{count - 1})" if count else "it has none that torch can use"
        raise UserError(f"{flag} cuda:{index}: this machine lacks that GPU; {has}. Use {flag} {other}.")
    return f"cuda:{index}"


def _guess(name: str, known: list[str] | tuple[str, ...]) -> str:
    near = nearest(name, known)
    return f" Did you mean {near[0]!r}?" if near else ""
