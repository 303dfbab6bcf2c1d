"""Every adapter of mbench passes its own conformance suite: on checkpoints made here, and on the official layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from tests.models import tiny_blip, tiny_clip, tiny_inversion, tiny_phi3, tiny_qwen2vl, tiny_siglip, tiny_uniir

from mbench.core.types import LoadOptions
from mbench.models.conformance import checks, examine, subject_of

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden"
Saved = Callable[[Path], dict[str, str]]


def conforms(name: str, args: Mapping[str, str] = MappingProxyType({})) -> None:
    subject = subject_of(name, LoadOptions(args=args, device="cpu", offline=True))
    rows = list(examine(subject, checks(subject, worker=False)))
    assert len(rows) >= 40
    assert {row.check: row.finding.detail for row in rows if row.finding.state == "fail"} == {}


@pytest.mark.parametrize("name", ["tiny", "tiny-dual", "random", "constant", "text-only:tiny", "image-only:tiny-dual"])
def test_models_that_ship_with_mbench_conform(name: str) -> None:
    conforms(name)


def checkpoint(save: Callable[[Path], Path]) -> Saved:
    return lambda folder: {"checkpoint": str(save(folder / "model"))}


def searle(folder: Path) -> dict[str, str]:
    phi = tiny_inversion.save_phi(folder / "phi.pt", tiny_inversion.phi())
    return {"checkpoint": str(tiny_inversion.save_clip(folder / "clip")), "phi": str(phi)}


def pic2word(folder: Path) -> dict[str, str]:
    from transformers import CLIPModel

    clip = tiny_inversion.save_clip(folder / "clip")
    model: Any = CLIPModel.from_pretrained(clip)
    parts = {
        "state_dict": tiny_inversion.openai_names(model),
        "state_dict_img2text": tiny_inversion.im2text().state_dict(),
    }
    torch.save({key: {f"module.{one}": part[one] for one in part} for key, part in parts.items()}, folder / "both.pt")
    return {"checkpoint": str(clip), "weights": str(folder / "both.pt")}


SAVED: dict[str, Saved] = {
    "clip": checkpoint(tiny_clip.save_tiny_clip),
    "siglip": checkpoint(tiny_siglip.save_tiny_siglip),
    "siglip2": checkpoint(tiny_siglip.save_tiny_siglip2),
    "blip": checkpoint(tiny_blip.save_tiny_blip),
    "searle": searle,
    "pic2word": pic2word,
    "instructcir": checkpoint(tiny_phi3.save_tiny_instructcir),
    "abc": tiny_qwen2vl.save_tiny_abc,
    "vlm2vec": lambda folder: {"base": str(tiny_phi3.save_tiny_phi3v(folder / "model")), "crops": "1"},
}


@pytest.mark.parametrize("name", SAVED)
def test_adapters_conform(name: str, tmp_path: Path) -> None:
    with tiny_phi3.small_tower() if name == "vlm2vec" else nullcontext():
        conforms(name, SAVED[name](tmp_path))


@pytest.mark.parametrize("name", ["uniir-clip-sf", "uniir-clip-ff", "uniir-blip-sf", "uniir-blip-ff"])
def test_the_adapters_of_uniir_conform(name: str, tmp_path: Path) -> None:
    conforms(name, {"checkpoint": str(tiny_uniir.save_tiny(tmp_path, name))})


def test_a_checkpoint_without_an_adapter_of_its_own_conforms(tmp_path: Path) -> None:
    conforms(f"hf:{tiny_clip.save_tiny_clip(tmp_path)}")


OFFICIAL = {
    "abc": {"base": "base", "pretrain": "pretrain_adapter", "instruct": "instruct_adapter"},
    "vlm2vec": {"base": "base", "adapter": "adapter"},
    "instructcir": {"checkpoint": "checkpoint"},
    **{f"uniir-{name}": {"checkpoint": "."} for name in ("clip-sf", "clip-ff", "blip-sf", "blip-ff")},
}


@pytest.mark.parametrize("name", OFFICIAL)
@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the official layouts are not at {GOLDEN}")
def test_adapters_conform_on_the_official_layouts(name: str) -> None:
    folders = {key: str(GOLDEN / name / folder) for key, folder in OFFICIAL[name].items()}
    conforms(name, folders)
