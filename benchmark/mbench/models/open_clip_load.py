"""Models of open_clip: their weights found or fetched, loaded without executing anything in them, and proven."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mbench.core.errors import CheckpointError, MissingDependencyError, ModelError, UnknownNameError, UserError, listed
from mbench.core.files import file_sha256
from mbench.core.types import LoadOptions
from mbench.models.device import Placement
from mbench.models.hub import SIDE_FILES, Located, locate
from mbench.models.offline import hub_offline
from mbench.models.weights_by_content import prove_arrived
from mbench.models.weights_io import Checkpoint

INSTALL = "pip install 'mbench-eval[open-clip]'"
HUB, FOLDER = "hf-hub:", "local-dir:"
"""How open_clip marks names of the Hub and folders that hold open_clip_config.json beside the weights."""
SAFE_NAMES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
OLD_NAMES = ("open_clip_pytorch_model.bin", "open_clip_pytorch_model.pth", "pytorch_model.bin")
WITHOUT_EFFECT = ("*logit_scale", "*logit_bias", "*position_ids", "*attn_mask", "*num_batches_tracked")


@dataclass(frozen=True, slots=True)
class Source:
    """A model as open_clip names it, the file of its weights, and how the tag's pictures were prepared in training."""

    model: str
    weights: Path
    located: Located
    tag: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ready:
    """A model of open_clip, what it does to a picture and to texts."""

    network: Any
    transform: Any
    tokenizer: Any


def require_open_clip() -> None:
    """Raise MissingDependencyError that says how to install it unless open_clip is there."""
    if find_spec("open_clip") is None:
        raise MissingDependencyError(f"Model 'open_clip' needs open_clip_torch: {INSTALL}")


def source_of(options: LoadOptions, checkpoint: Path | None, config: Path | None) -> Source:
    """Find the model that the name's argument tells.

    ARCH/TAG is one of open_clip's, whose weights are fetched unless `checkpoint` is a file of them: then TAG tells the
    preprocessing alone and may be left out, and `config` may describe an architecture that open_clip lacks. A folder or
    hf-hub:NAME is in open_clip's layout.
    Raises UnknownNameError, UserError, ModelError, CheckpointError.
    """
    name = options.argument or ""
    if name.startswith(HUB) or Path(name).expanduser().is_dir():
        if checkpoint or config:
            raise UserError(f"open_clip:{name} has its weights and its config.json; leave out checkpoint and config.")
        return _in_layout(name.removeprefix(HUB), options)
    arch, _, tag = name.partition("/")
    _check_arch(arch, config)
    told = _tag(arch, tag, optional=checkpoint is not None)
    if checkpoint is None:
        weights = _fetched(name, told, options)
    elif options.revision is not None:
        raise UserError(f"{checkpoint.name} is a file, which has no revisions; leave out --model-revision.")
    else:
        weights = checkpoint
    return Source(arch, weights, Located(weights.parent, _revision(weights, config), name), told)


def load_open_clip(source: Source, where: Placement, offline: bool) -> Ready:
    """Load the model in the wanted precision on the wanted device, and prove each tensor.

    Raises CheckpointError for what cannot be built and for tensors that are missing, left over or did not arrive.
    """
    import open_clip

    checkpoint = _opened(source.weights)
    try:
        with hub_offline(offline):
            network, transform = _created(source, where)
            tokenizer = open_clip.get_tokenizer(source.model)
    except (OSError, ValueError, TypeError, KeyError, AssertionError, RuntimeError) as error:
        if "out of memory" in str(error).lower():
            raise
        raise CheckpointError(f"{source.located.name}: open_clip cannot load it: {error}") from error
    prove_arrived(str(source.weights.name), network, [checkpoint], where.torch_dtype, WITHOUT_EFFECT)
    return Ready(network.eval().requires_grad_(False), transform, tokenizer)


def _created(source: Source, where: Placement) -> Any:
    """Return the network and the transform of its pictures, made by open_clip."""
    import open_clip

    return open_clip.create_model_from_pretrained(
        source.model,
        pretrained=None if source.model.startswith(FOLDER) else str(source.weights),
        precision=where.dtype,
        device=where.device,
        force_quick_gelu=bool(source.tag.get("quick_gelu")),
        image_mean=source.tag.get("mean"),
        image_std=source.tag.get("std"),
        image_interpolation=source.tag.get("interpolation"),
        image_resize_mode=source.tag.get("resize_mode"),
        weights_only=True,
    )


def _in_layout(name: str, options: LoadOptions) -> Source:
    located = locate(name, options, files=(*SIDE_FILES, *SAFE_NAMES))
    if _weights_in(located.folder) is None:
        located = locate(name, options, files=(*SIDE_FILES, *OLD_NAMES))
    weights = _weights_in(located.folder)
    if weights is None or not (located.folder / "open_clip_config.json").is_file():
        lacks = "open_clip_config.json" if weights else f"weights; expected one of {', '.join(SAFE_NAMES + OLD_NAMES)}"
        raise CheckpointError(f"{name}: holds no {lacks}.")
    return Source(f"{FOLDER}{located.folder}", weights, located)


def _weights_in(folder: Path) -> Path | None:
    return next((folder / name for name in SAFE_NAMES + OLD_NAMES if (folder / name).is_file()), None)


def _check_arch(arch: str, config: Path | None) -> None:
    import open_clip

    if config is not None:
        open_clip.add_model_config(config)
        if config.stem != arch or arch not in open_clip.list_models():
            wanted = f"{arch}.json with embed_dim, vision_cfg and text_cfg"
            raise UserError(f"{config}: describes no architecture {arch!r}; expected {wanted}.")
    if arch not in open_clip.list_models():
        raise UnknownNameError("architecture of open_clip", arch, open_clip.list_models())


def _tag(arch: str, tag: str, *, optional: bool) -> Mapping[str, Any]:
    """Return what open_clip knows of the tag. Raises UserError where it is missing, UnknownNameError."""
    import open_clip

    known = open_clip.list_pretrained_tags_by_model(arch)
    if not tag and optional:
        return {}
    if not tag:
        raise UserError(f"open_clip:{arch} needs weights: open_clip:{arch}/TAG with one of {listed(known, 50)}.")
    told: Mapping[str, Any] = open_clip.get_pretrained_cfg(arch, tag)
    if not told:
        raise UnknownNameError(f"weights of {arch}", tag, known, f"It has {listed(known, 50)}.")
    return told


def _fetched(name: str, tag: Mapping[str, Any], options: LoadOptions) -> Path:
    """Return the weights of a tag from the Hub's cache, fetched unless `--offline`. Raises ModelError, UserError."""
    repository, _, file = str(tag.get("hf_hub") or "").rpartition("/")
    if not repository:
        return _downloaded(name, str(tag.get("url") or ""), options)
    names = _alternatives(file)
    for one in names:
        found = locate(repository, options, files=(one,)).folder / one
        if found.is_file():
            return found
    raise ModelError(f"open_clip:{name}: {repository} holds none of {', '.join(names)}.")


def _alternatives(file: str) -> tuple[str, ...]:
    """Return the names that a file of weights has, safetensors first."""
    if not file:
        return (SAFE_NAMES[0], OLD_NAMES[0])
    return tuple(dict.fromkeys([str(Path(file).with_suffix(".safetensors")), file]))


def _downloaded(name: str, url: str, options: LoadOptions) -> Path:
    from open_clip.pretrained import download_pretrained_from_url

    cached = Path("~/.cache/clip").expanduser() / Path(url).name
    if options.revision is not None:
        raise UserError(f"open_clip:{name} is a file at {url}, which has no revisions; leave out --model-revision.")
    if options.offline and not cached.is_file():
        raise ModelError(f"open_clip:{name}: {cached.name} is not on this machine, and --offline forbids to fetch it.")
    try:
        return Path(download_pretrained_from_url(url))
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"open_clip:{name}: {url} cannot be fetched: {error}") from error


def _revision(weights: Path, config: Path | None) -> str:
    """Return the Hub's commit, or 12 hex digits of the file's hash, and of the architecture's where it is given."""
    commit = re.search(r"/snapshots/([0-9a-f]{40})/", weights.as_posix())
    if commit and config is None:
        return commit[1]
    return "-".join(file_sha256(path)[:12] for path in (weights, config) if path is not None)


def _opened(weights: Path) -> Checkpoint:
    """Open a file of weights, or the part `state_dict` of a training checkpoint. Raises CheckpointError."""
    if weights.suffix in (".npz", ".npy"):
        raise CheckpointError(f"{weights}: arrays of JAX, whose arrival cannot be proven; take a tag of safetensors.")
    try:
        return Checkpoint.open(weights)
    except CheckpointError:
        if weights.suffix == ".safetensors":
            raise
        return Checkpoint.inside(weights, "state_dict")
