from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mbench.core.errors import UserError
from mbench.core.types import LoadOptions
from mbench.models.device import _may_have_gpu, placement, resolve_device, resolve_dtype


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_takes_the_gpu_that_is_there(two_gpus: None) -> None:
    assert resolve_device("auto") == "cuda:0"
    assert resolve_device("cuda") == "cuda:0"
    assert resolve_device("cuda:1") == "cuda:1"


def test_auto_takes_mps_before_the_cpu(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_device("auto") == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto") == resolve_device("mps") == "mps"


def test_a_gpu_that_is_not_there_is_counted(two_gpus: None) -> None:
    with pytest.raises(UserError, match=r"it has 2 \(cuda:0 to cuda:1\)"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_an_absent_device_never_falls_back_to_the_cpu(name: str, no_gpu: None) -> None:
    with pytest.raises(UserError, match="--device cpu or auto"):
        resolve_device(name)


@pytest.mark.parametrize(("name", "near"), [("gpu", "cpu"), ("cuda:x", "cuda"), ("CPU", "cpu"), ("", "Use auto")])
def test_an_unknown_device_gets_the_nearest_name(name: str, near: str) -> None:
    with pytest.raises(UserError, match="unknown device") as caught:
        resolve_device(name)
    assert near in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("fp32", "fp32"), ("float32", "fp32"), ("torch.float32", "fp32"), ("float", "fp32"), ("half", "fp16"),
     ("torch.float16", "fp16"), ("bfloat16", "bf16"), ("bf16", "bf16")],
)  # fmt: skip
def test_names_of_torch_are_taken(name: str, expected: str) -> None:
    assert resolve_dtype(name) == expected


def test_an_unknown_precision_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match="Did you mean 'bf16'"):
        resolve_dtype("bf61")


def test_auto_precision_is_fp32_on_a_cpu_and_the_models_own_elsewhere(two_gpus: None) -> None:
    assert placement(LoadOptions(device="cpu"), official="bf16").dtype == "fp32"
    assert placement(LoadOptions(device="cuda"), official="bf16").dtype == "bf16"
    assert placement(LoadOptions(device="cpu", dtype="half"), official="bf16").torch_dtype == torch.float16


@pytest.mark.parametrize(
    ("files", "asked"), [(["null", "nvme0n1"], False), (["nvidiactl"], True), (["kfd"], True), (["dxg"], True)]
)
def test_torch_is_asked_wherever_a_driver_of_gpus_is_there(tmp_path: Path, files: list[str], asked: bool) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert _may_have_gpu(tmp_path) is (asked or not sys.platform.startswith("linux"))
    assert _may_have_gpu(tmp_path / "absent")


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_the_device_is_the_same_with_and_without_torch(name: str) -> None:
    program = f"import {{}}; from mbench.models.device import resolve_device; print(resolve_device({name!r}))"
    found = {
        subprocess.run([sys.executable, "-c", program.format(first)], capture_output=True, text=True, check=True).stdout
        for first in ("sys", "torch")
    }
    assert len(found) == 1
