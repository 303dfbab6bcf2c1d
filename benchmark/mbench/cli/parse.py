"""Values of flags: lists, sizes, key=value pairs. Every mistake is a UserError that shows a right value."""

from __future__ import annotations

import re

from mbench.core.errors import UserError

EXAMPLES = {"--ablate": "text-only", "--report": "control", "--dims": "64,128", "--quantize": "int8"}
UNITS = {"": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}


def names(values: list[str], flag: str) -> list[str]:
    """Split comma-separated names of a flag that may be repeated, keeping the order, dropping repetitions."""
    found = [name.strip() for value in values for name in value.split(",")]
    kept = [name for name in dict.fromkeys(found) if name]
    if not kept:
        raise UserError(f"{flag}: names nothing; for example {flag} {EXAMPLES.get(flag, 'tiny')}")
    return kept


def some_names(values: list[str] | None, flag: str) -> list[str]:
    """Split as `names` does; a flag that is not given names nothing."""
    return names(values, flag) if values else []


def pairs(values: list[str], flag: str) -> dict[str, str]:
    """Parse `key=value,key=value`; a flag given twice adds up, a key given twice is an error."""
    found: dict[str, str] = {}
    for part in (p for value in values for p in value.split(",") if p.strip()):
        key, equals, text = part.partition("=")
        if not equals or not key.strip():
            raise UserError(f"{flag}: expected key=value, found {part!r}; for example {flag} checkpoint=weights/clip")
        if key.strip() in found:
            raise UserError(f"{flag}: {key.strip()!r} is given twice")
        found[key.strip()] = text.strip()
    return found


def size(value: str | None, flag: str) -> int | None:
    """Parse a number of bytes such as 500MB, 4GB or 2GiB."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]I?B)?", value.strip().upper())
    amount = int(float(match[1]) * UNITS[match[2] or ""]) if match else 0
    if amount < 1:
        raise UserError(f"{flag}: expected a size such as 500MB or 4GB, found {value!r}")
    return amount


def duration(value: str | None, flag: str) -> float | None:
    """Parse a time such as 30d, 12h or 45m; return seconds."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([DHM])", value.strip().upper())
    if not match:
        raise UserError(f"{flag}: expected a time such as 30d, 12h or 45m, found {value!r}")
    return float(match[1]) * {"D": 86400, "H": 3600, "M": 60}[match[2]]


def batch_size(value: str) -> int | None:
    """Parse a positive number or `auto` (None)."""
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise UserError(f"--batch-size: expected a positive number or auto, found {value!r}")
    return int(value)


def device(value: str) -> str:
    """Check the name of a device: auto, cpu, mps, cuda or cuda:N; whether it is there is the model's question."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
        raise UserError(f"--device: expected auto, cpu, cuda, cuda:0 or mps, found {value!r}")
    return value


def search_device(value: str) -> str:
    """Return cpu or cuda:N, which must be there: a search that finds no device would come after all the encoding."""
    if value == "cpu":
        return value
    if not re.fullmatch(r"cuda(:\d+)?", value):
        raise UserError(f"--search-device: expected cpu, cuda or cuda:0, found {value!r}")
    from mbench.models.device import resolve_device

    return resolve_device(value, "--search-device")


def dtype(value: str) -> str:
    """Check the name of a precision: auto, fp32, bf16 or fp16, or torch's names of them."""
    known = ("auto", "fp32", "bf16", "fp16", "float32", "bfloat16", "float16")
    if value.removeprefix("torch.") not in known:
        raise UserError(f"--dtype: expected auto, fp32, bf16 or fp16, found {value!r}")
    return value
