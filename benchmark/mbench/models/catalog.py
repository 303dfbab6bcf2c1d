"""All models by name, and the one way to load them.

A name is one of the registered names (`tiny`), a registered name and its argument (`text-only:tiny`), or an adapter in
a file (`path/to/adapter.py:Class`; the file is executed).
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace

from mbench.core.declared import cause
from mbench.core.errors import MbenchError, MissingDependencyError, ModelError, UnknownNameError, UserError
from mbench.core.files import canonical_json
from mbench.core.registry import Registry
from mbench.core.specs import ModelCard
from mbench.core.types import Encoder, EncoderFactory, LoadOptions
from mbench.models.adapter_file import factory_in_file, names_a_file, with_file_hash

MODELS: Registry[EncoderFactory] = Registry(
    "model",
    {
        "tiny": "mbench.models.tiny:Tiny",
        "tiny-dual": "mbench.models.tiny:TinyDual",
        "random": "mbench.models.baselines:Random",
        "constant": "mbench.models.baselines:Constant",
        "text-only": "mbench.models.baselines:TextOnly",
        "image-only": "mbench.models.baselines:ImageOnly",
        "precomputed": "mbench.models.precomputed:Precomputed",
        "clip": "mbench.models.clip:Clip",
        "siglip": "mbench.models.siglip:Siglip",
        "siglip2": "mbench.models.siglip:Siglip2",
        "blip": "mbench.models.blip:Blip",
        "searle": "mbench.models.searle:Searle",
        "pic2word": "mbench.models.pic2word:Pic2word",
        "hf": "mbench.models.hf_auto:HfAuto",
        "sentence-transformers": "mbench.models.sentence_transformers:SentenceTransformers",
        "open_clip": "mbench.models.open_clip:OpenClip",
        "mteb": "mbench.models.mteb:Mteb",
        "abc": "mbench.models.abc:Abc",
        "vlm2vec": "mbench.models.vlm2vec:Vlm2Vec",
        "instructcir": "mbench.models.instructcir:InstructCir",
        "uniir-clip-sf": "mbench.models.uniir_clip:UniirClipSf",
        "uniir-clip-ff": "mbench.models.uniir_clip:UniirClipFf",
        "uniir-blip-sf": "mbench.models.uniir_blip:UniirBlipSf",
        "uniir-blip-ff": "mbench.models.uniir_blip:UniirBlipFf",
    },
    group="mbench.models",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a name stands for: a factory, and what follows the colon."""

    factory: EncoderFactory
    argument: str | None = None


def load_model(name: str, options: LoadOptions) -> Encoder:
    """Load the model called `name`.

    Raises UnknownNameError with the nearest names, UserError for a missing or superfluous argument, and ModelError,
    which tells the cause, when the adapter cannot be imported or raises while it loads.
    """
    if _is_file(name):
        encoder = _load(name, factory_in_file(name), options)
        return with_file_hash(encoder, name, options)
    choice = choose(name)
    return _load(name, choice.factory, replace(options, argument=choice.argument))


def choose(name: str) -> Choice:
    """Find the factory for a registered `name`, with its argument. Raises UnknownNameError, UserError, ModelError."""
    registered, colon, argument = name.partition(":")
    factory = MODELS.get(registered)
    wanted = argument_of(factory)
    if wanted and not argument:
        raise UserError(f"Model {registered!r} needs a name after a colon: {registered}:{wanted}.")
    if colon and not wanted:
        raise UserError(f"Model {registered!r} takes nothing after its name; write {registered!r}, not {name!r}.")
    return Choice(checked_factory(factory, registered), argument or None)


def model_card(name: str) -> ModelCard:
    """Return the card of the model called `name` as it stands before loading. Raises what `load_model` raises."""
    if _is_file(name):
        return checked_factory(factory_in_file(name), name).card
    return choose(name).factory.card


def model_cards(pattern: str = "*") -> list[ModelCard]:
    """Return the cards of all registered models whose name fits the glob `pattern`, by name; nothing is loaded.

    The id of a card is what `--model` takes. Raises UnknownNameError when none fits, ModelError for a broken plug-in.
    """
    names = [name for name in MODELS if fnmatch.fnmatchcase(name, pattern)]
    if not names:
        raise UnknownNameError("model", pattern, MODELS, "`mbench models` lists all.")
    return [_listed(name) for name in names]


def argument_of(factory: EncoderFactory) -> str:
    """Return what stands after the colon in the names of `factory` (`M` in `text-only:M`), or nothing."""
    return str(getattr(factory, "argument", ""))


def checked_factory(factory: EncoderFactory, name: str) -> EncoderFactory:
    """Return `factory` if it has a card and can load. Raises ModelError that says what it lacks."""
    try:
        card, load = getattr(factory, "card", None), getattr(factory, "load", None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ModelError(f"Model {name!r}: its adapter's `card` or `load` raised {cause(error)}") from error
    if not isinstance(card, ModelCard):
        raise ModelError(f"Model {name!r}: its adapter has no attribute `card` that is a ModelCard.")
    if not callable(load):
        raise ModelError(f"Model {name!r}: its adapter has no class method `load(options)`.")
    return factory


def _is_file(name: str) -> bool:
    return names_a_file(name) and name.partition(":")[0] not in MODELS


def _listed(name: str) -> ModelCard:
    factory = checked_factory(MODELS.get(name), name)
    wanted = argument_of(factory)
    return factory.card.model_copy(update={"id": f"{name}:{wanted}" if wanted else name})


def _load(name: str, factory: EncoderFactory, options: LoadOptions) -> Encoder:
    checked_factory(factory, name)
    try:
        encoder = factory.load(options)
        _check_told(encoder, name)
        return encoder
    except (MbenchError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        if error.name is None:
            raise MissingDependencyError(f"Model {name!r} needs a Python package that is missing: {error}") from error
        package = error.name.partition(".")[0]
        raise MissingDependencyError(
            f"Model {name!r} needs the Python package {package!r}: pip install {package}"
        ) from error
    except BaseException as error:
        raise _failure(name, error) from error


def _check_told(encoder: Encoder, name: str) -> None:
    """Refuse what is no encoder, and optional attributes that nothing could be made of. Raises ModelError."""
    if not isinstance(getattr(encoder, "card", None), ModelCard) or not callable(getattr(encoder, "encode", None)):
        raise ModelError(
            f"Model {name!r}: load() returned {type(encoder).__name__}, which lacks `card` or `encode(items, *, role)`."
        )
    needs: object = getattr(encoder, "needs", frozenset())
    if not isinstance(needs, frozenset | set) or not needs <= {"id", "text", "image"}:
        raise ModelError(f"Model {name!r}: `needs` must be a set of id, text and image, not {needs!r}.")
    identity = getattr(encoder, "identity", {})
    try:
        canonical_json(dict(identity))
    except (TypeError, ValueError) as error:
        raise ModelError(f"Model {name!r}: `identity` must be a mapping of JSON values: {error}") from None


def _failure(name: str, error: BaseException) -> ModelError:
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return ModelError(
            f"Model {name!r} does not fit into memory: {error or 'out of memory'}. "
            "Try --dtype bf16, another --device or a smaller checkpoint."
        )
    return ModelError(f"Model {name!r} cannot be loaded: {cause(error)}")
