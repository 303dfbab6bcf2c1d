"""Models of mteb's registry: found, loaded without their own code and without network unless that is allowed."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mbench.core.errors import MissingDependencyError, ModelError, UnknownNameError, UserError, listed
from mbench.core.types import LoadOptions
from mbench.models.hf import quiet
from mbench.models.offline import hub_offline

if TYPE_CHECKING:
    from mteb.models.model_meta import ModelMeta
    from torch import nn

INSTALL = "pip install 'mbench-eval[mteb]'"


def require_mteb() -> None:
    """Raise MissingDependencyError that says how to install it unless mteb is there."""
    if find_spec("mteb") is None:
        raise MissingDependencyError(f"Model 'mteb' needs mteb: {INSTALL}")


@contextmanager
def silent() -> Iterator[None]:
    """Keep mteb from warning of what it cannot know: that it runs no task of its own."""
    log = logging.getLogger("mteb")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


def registered(options: LoadOptions) -> ModelMeta:
    """Return what mteb's registry says of the model. Raises UnknownNameError, UserError for another revision."""
    from mteb.models.get_model_meta import MODEL_REGISTRY, get_model_meta

    name = options.argument or ""
    try:
        with silent():
            meta = get_model_meta(name)
    except KeyError:
        raise UnknownNameError("model of mteb", name, MODEL_REGISTRY, "mteb.get_model_metas() lists all.") from None
    if options.revision not in (None, meta.revision):
        raise UserError(f"mteb:{name}: mteb knows the revision {meta.revision}, and not {options.revision}.")
    return meta


def load_registered(meta: ModelMeta, options: LoadOptions, device: str, **settings: object) -> Any:
    """Load the model by mteb's own loader.

    Raises UserError for one that embeds no single vectors and for code that is not trusted, MissingDependencyError with
    mteb's command for packages that are missing, ModelError when mteb has no loader or offline files are missing.
    """
    _refuse_other_kinds(meta)
    with ExitStack() as stack:
        stack.enter_context(silent())
        stack.enter_context(quiet())
        if not options.trust_remote_code:
            _refuse_declared_code(meta)
            stack.enter_context(_own_code_refused(str(meta.name)))
        stack.enter_context(hub_offline(options.offline))
        try:
            return meta.load_model(device=device, **settings)
        except ImportError as error:
            raise MissingDependencyError(f"mteb:{meta.name} needs more packages: {error}") from error
        except NotImplementedError:
            raise ModelError(f"mteb:{meta.name}: mteb has results of it, but no code that loads it.") from None
        except OSError as error:
            where = " from the Hub's cache, and --offline forbids to fetch it" if options.offline else ""
            raise ModelError(f"mteb:{meta.name}: cannot be loaded{where}: {error}") from error


def networks(model: Any) -> list[nn.Module]:
    """Return the networks of torch that a wrapper of mteb holds."""
    from torch import nn

    held = [model, *vars(model).values()]
    return [one for one in held if isinstance(one, nn.Module)]


def weights_hash(held: list[nn.Module]) -> str:
    """Return 12 hex digits that change with any weight, its name or its precision."""
    import torch

    digest = hashlib.sha256()
    for network in held:
        for name, weights in network.state_dict().items():
            if not torch.is_tensor(weights):
                continue
            digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}\n".encode())
            digest.update(weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def _refuse_other_kinds(meta: ModelMeta) -> None:
    if "dense" not in meta.model_type:
        raise UserError(
            f"mteb:{meta.name} is {listed(meta.model_type)}; mbench evaluates models of one vector an item."
        )
    if not {"text", "image"} & set(meta.modalities):
        raise UserError(f"mteb:{meta.name} embeds {listed(meta.modalities)}; mbench evaluates texts and pictures.")


def _refuse_declared_code(meta: ModelMeta) -> None:
    """Raise UserError for a model whose entry in the registry asks for its checkpoint's code."""
    kwargs = meta.loader_kwargs
    nested = [value for value in kwargs.values() if isinstance(value, dict)]
    if any(one.get("trust_remote_code") for one in (kwargs, *nested)):
        raise _untrusted(str(meta.name))


@contextmanager
def _own_code_refused(name: str) -> Iterator[None]:
    """Refuse code that comes with a checkpoint while a model is loaded: some loaders of mteb trust all."""
    from transformers import dynamic_module_utils

    tools: Any = dynamic_module_utils
    fetching = tools.get_cached_module_file

    def refuse(*_: object, **__: object) -> str:
        raise _untrusted(name)

    tools.get_cached_module_file = refuse
    try:
        yield
    finally:
        tools.get_cached_module_file = fetching


def _untrusted(name: str) -> UserError:
    return UserError(f"mteb:{name} comes with code of its own. Read it; it runs only with --trust-remote-code.")
