"""Checkpoints of sentence-transformers: where they lie, what code they ask for, and the proof that they arrived."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbench.core.errors import CheckpointError, DataError, MissingDependencyError, UserError, listed
from mbench.core.files import file_sha256, read_json
from mbench.core.types import LoadOptions
from mbench.models.device import Placement
from mbench.models.hf import quiet
from mbench.models.hub import SIDE_FILES, Located, locate
from mbench.models.weights_by_content import prove_arrived
from mbench.models.weights_io import LAYOUTS, Checkpoint

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

OLDEST = (5, 4)
"""The first version that tells which modalities a model embeds."""
INSTALL = "pip install 'mbench-eval[sentence-transformers]'"
SAFE_WEIGHTS = ("model*.safetensors", "*/model*.safetensors")
STORED_WITHOUT_EFFECT = ("*position_ids", "*.inv_freq")
WITHOUT_PROMPT_IN_POOLING = ("hkunlp/instructor-base", "hkunlp/instructor-large", "hkunlp/instructor-xl")
"""sentence-transformers knows by their names that these models leave the prompt's tokens out of the mean."""


def require_sentence_transformers() -> None:
    """Raise MissingDependencyError that says how to install it unless sentence-transformers 5.4 or later is there."""
    if find_spec("sentence_transformers") is None:
        raise MissingDependencyError(f"Model 'sentence-transformers' needs sentence-transformers: {INSTALL}")
    found = version("sentence-transformers")
    if tuple(int(part) for part in re.findall(r"\d+", found)[:2]) < OLDEST:
        wanted = f"sentence-transformers {OLDEST[0]}.{OLDEST[1]} or later; here is {found}"
        raise MissingDependencyError(f"Model 'sentence-transformers' needs {wanted}: {INSTALL} --upgrade")


def located_model(options: LoadOptions) -> Located:
    """Return the folder of the checkpoint that the name's argument tells. Raises UserError, ModelError.

    Of what the Hub offers, weights in the old format are fetched only for modules without safetensors.
    """
    name = options.argument or ""
    side = (*SIDE_FILES, *(("*.py",) if options.trust_remote_code else ()))
    located = locate(name, options, files=(*side, *SAFE_WEIGHTS))
    lacking = [folder for folder in module_folders(located.folder) if not _has_weights(folder)]
    if not lacking or Path(name).expanduser().is_dir():
        return located
    places = [folder.relative_to(located.folder).as_posix() for folder in lacking]
    old = [f"{'' if place == '.' else place + '/'}pytorch_model*.bin" for place in places]
    return locate(name, options, files=(*side, *SAFE_WEIGHTS, *old))


def load_sentence_transformer(located: Located, where: Placement, trusted: bool) -> SentenceTransformer:
    """Load the model in the wanted precision on the wanted device, without network, and prove its weights.

    Raises UserError for code of the checkpoint's own that is not trusted, CheckpointError for what cannot be built and
    for tensors that are missing, left over or did not arrive.
    """
    from sentence_transformers import SentenceTransformer

    folder = located.folder
    _refuse_untrusted(located, trusted)
    checkpoints = _checkpoints(folder)
    with quiet():
        try:
            model = SentenceTransformer(
                str(folder),
                device=where.device,
                local_files_only=True,
                trust_remote_code=trusted,
                # Shapes that differ are let through here and named by the proof below.
                model_kwargs={"dtype": where.torch_dtype, "ignore_mismatched_sizes": True},
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError) as error:
            if "out of memory" in str(error).lower():
                raise
            raise CheckpointError(f"{located.name}: sentence-transformers cannot load it: {error}") from error
    model.to(where.torch_dtype)
    if located.name in WITHOUT_PROMPT_IN_POOLING:
        model.set_pooling_include_prompt(include_prompt=False)
    prove_arrived(located.name, model, checkpoints, where.torch_dtype, _without_effect(model))
    return model.eval().requires_grad_(False)


def module_folders(folder: Path) -> list[Path]:
    """Return the folders of the model's modules, a router's included. Raises CheckpointError for a broken list."""
    listing = folder / "modules.json"
    if not listing.is_file():
        return [folder]
    places = [folder / str(module["path"]) for module in _modules(listing)]
    routed = [place / name for place in places for name in _routes(place / "router_config.json")]
    return list(dict.fromkeys([*places, *routed]))


def code_hash(folder: Path) -> str:
    """Return 12 hex digits that change with any Python file below `folder`."""
    lines = [f"{path.relative_to(folder).as_posix()} {file_sha256(path)}" for path in sorted(folder.rglob("*.py"))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _modules(listing: Path) -> list[Mapping[str, Any]]:
    found = _json(listing)
    if not isinstance(found, list) or not all(
        isinstance(one, dict) and {"path", "type"} <= one.keys() for one in found
    ):
        raise CheckpointError(f"{listing}: expected a list of modules, each with a path and a type.")
    modules: list[Mapping[str, Any]] = found
    return modules


def _routes(path: Path) -> Mapping[str, str]:
    """Return the modules of a router, their classes by their folders; none where there is no router."""
    if not path.is_file():
        return {}
    found = _json(path)
    if not isinstance(found, dict) or not isinstance(found.get("types"), dict):
        raise CheckpointError(f"{path}: expected a mapping with the key 'types'.")
    routes: Mapping[str, str] = found["types"]
    return routes


def _json(path: Path) -> Any:
    try:
        return read_json(path)
    except DataError as error:
        raise CheckpointError(str(error)) from None


def _checkpoints(folder: Path) -> list[Checkpoint]:
    """Open the weights of all modules. Raises CheckpointError where there are none, or an adapter's alone."""
    folders = module_folders(folder)
    adapted = [place for place in folders if (place / "adapter_config.json").is_file()]
    if adapted:
        raise CheckpointError(
            f"{folder}: holds a PEFT adapter, not a whole model; merge it into its base model and save that."
        )
    found = [Checkpoint.open(place) for place in folders if _has_weights(place)]
    return found or [Checkpoint.open(folder)]


def _has_weights(folder: Path) -> bool:
    return any((folder / name).is_file() for name in LAYOUTS)


def _refuse_untrusted(located: Located, trusted: bool) -> None:
    """Raise UserError that names the classes which a checkpoint brings along, unless they are trusted."""
    if trusted:
        return
    foreign = _foreign_code(located.folder)
    if foreign:
        raise UserError(
            f"{located.name} comes with code of its own ({listed(foreign)}). "
            "Read it; it runs only with --trust-remote-code."
        )


def _foreign_code(folder: Path) -> list[str]:
    from transformers import CONFIG_MAPPING

    listing = folder / "modules.json"
    classes = [str(module["type"]) for module in _modules(listing)] if listing.is_file() else []
    folders = module_folders(folder)
    classes += [str(name) for place in folders for name in _routes(place / "router_config.json").values()]
    foreign = [name for name in classes if not name.startswith("sentence_transformers.")]
    for path in (place / "config.json" for place in folders):
        config = _json(path) if path.is_file() else {}
        if "auto_map" in config and config.get("model_type") not in CONFIG_MAPPING:
            foreign += map(str, config["auto_map"].values())
    return foreign


def _without_effect(model: SentenceTransformer) -> tuple[str, ...]:
    """Return globs of what checkpoints hold or lack without moving an embedding."""
    names = list(model.state_dict())
    ignored: tuple[str, ...] = STORED_WITHOUT_EFFECT
    outputs = [str(getattr(module, "modality_config", "")) for module in model.modules()]
    if not any("pooler_output" in one for one in outputs):
        ignored += ("*pooler.*",)
    decoders = [getattr(getattr(module, "config", None), "is_encoder_decoder", False) for module in model]
    if any(decoders) and not any("decoder." in name for name in names):
        ignored += ("decoder.*", "lm_head.*")
    return ignored
