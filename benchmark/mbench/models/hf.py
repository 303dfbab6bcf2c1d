"""Models of the transformers library, loaded from a folder so that every tensor is proven to have arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbench.core.errors import CheckpointError, DataError, MissingDependencyError
from mbench.core.files import read_json
from mbench.core.types import Vectors
from mbench.models.device import Placement
from mbench.models.pictures import prepared
from mbench.models.pixels import pixel_values
from mbench.models.weights_io import Checkpoint, Rename, prove_loaded

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

VOCABULARIES = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("tokenizer.model",),
    ("spiece.model",),
)


def require_transformers(model: str, extra: str) -> None:
    """Raise MissingDependencyError that names the extra to install unless transformers is there."""
    from importlib.util import find_spec

    if find_spec("transformers") is None:
        raise MissingDependencyError(f"Model {model!r} needs transformers: pip install 'mbench-eval[{extra}]'")


def read_config(folder: Path, model: str, types: Iterable[str]) -> dict[str, Any]:
    """Return the folder's config.json. Raises CheckpointError unless its model_type is one of `types`."""
    try:
        config = read_json(folder / "config.json")
    except DataError as error:
        raise CheckpointError(f"{error}; a checkpoint of {model!r} has one.") from None
    found = config.get("model_type") if isinstance(config, dict) else None
    if found not in tuple(types):
        raise CheckpointError(
            f"{folder}: config.json describes a model of type {found!r}; {model!r} loads {' or '.join(types)}."
        )
    settings: dict[str, Any] = config
    return settings


def load_pretrained(
    cls: Any, folder: Path, placement: Placement, ignore: Iterable[str] = (), rename: Rename = str
) -> Any:
    """Load `cls` from `folder` in the wanted precision, prove it, and move it to the device, ready for inference.

    `ignore` are globs of names that official checkpoints have or lack to no effect. Raises CheckpointError.
    """
    checkpoint = Checkpoint.open(folder)
    model = unproven(cls, folder, placement)
    prove_loaded(model, checkpoint, rename, ignore)
    return model.eval().requires_grad_(False).to(placement.device)


def unproven(cls: Any, folder: Path, placement: Placement, **settings: Any) -> Any:
    """Load `cls` as transformers does, on the CPU: which tensors arrived is to be proven. Raises CheckpointError."""
    with quiet():
        try:
            # Shapes that differ are let through here and named, all of them, by the proof below.
            return cls.from_pretrained(
                folder, dtype=placement.torch_dtype, local_files_only=True, ignore_mismatched_sizes=True, **settings
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            if "out of memory" in str(error).lower():
                raise
            raise CheckpointError(f"{folder}: {cls.__name__} cannot be built: {error}") from error


def load_part(cls: Any, folder: Path, what: str, **settings: Any) -> Any:
    """Load a tokenizer or image processor from `folder`. Raises CheckpointError that says which one is not there."""
    with quiet():
        try:
            return cls.from_pretrained(folder, local_files_only=True, **settings)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{folder}: no usable {what}: {error}") from error


def load_tokenizer(folder: Path, config: Mapping[str, Any], **settings: Any) -> Any:
    """Load the folder's tokenizer. Raises CheckpointError when its vocabulary is not there or exceeds the model's.

    transformers makes up a vocabulary of a few tokens where it finds none.
    """
    from transformers import AutoTokenizer

    if not any(all((folder / name).is_file() for name in files) for files in VOCABULARIES):
        expected = " or ".join(" with ".join(files) for files in VOCABULARIES)
        raise CheckpointError(f"{folder}: holds no vocabulary for its tokenizer; expected {expected}.")
    tokenizer = load_part(AutoTokenizer, folder, "tokenizer", **settings)
    check_vocabulary(folder, len(tokenizer), config)
    return tokenizer


def check_vocabulary(folder: Path, tokens: int, config: Mapping[str, Any]) -> None:
    """Raise CheckpointError when a tokenizer has more `tokens` than the model of `config` embeds."""
    size = config.get("text_config", config).get("vocab_size")
    if isinstance(size, int) and tokens > size:
        raise CheckpointError(
            f"{folder}: the tokenizer has {tokens} tokens, but the model embeds {size}; "
            "one of the two is of another checkpoint."
        )


def pil_processor(family: str) -> Any:
    """Return the image processor class of a `family` (CLIP, Siglip, Blip) that works on PIL, without torchvision."""
    import transformers

    name = f"{family}ImageProcessor"
    try:
        module = import_module(f"transformers.models.{family.lower()}.image_processing_pil_{family.lower()}")
    except ModuleNotFoundError:
        return getattr(transformers, name)
    return getattr(module, f"{name}Pil")


def processed(processor: Any, pictures: Iterable[Image]) -> Mapping[str, Tensor]:
    """Return what an image processor makes of pictures, `pixel_values` [n, 3, h, w] first of all.

    transformers 4 takes the height of a picture of one or three rows for its channels, unless it is told otherwise.
    """
    ready = [prepared(picture, processor) for picture in pictures]
    values = pixel_values(processor, ready)
    if values is not None:
        return {"pixel_values": values}
    own = type(processor).__module__.startswith("transformers.")
    found: Mapping[str, Tensor] = processor(
        ready, return_tensors="pt", **({"input_data_format": "channels_last"} if own else {})
    )
    return found


def features_of(method: Callable[..., Any], where: Placement, **inputs: Tensor) -> Vectors:
    """Return [n, d] float32: what a model's `method` makes of `inputs`, which are moved to `where` first."""
    import torch

    moved = {
        name: one.to(where.device, where.torch_dtype if one.is_floating_point() else None)
        for name, one in inputs.items()
    }
    with torch.inference_mode():
        vectors: Vectors = pooled(method(**moved)).float().cpu().numpy()
    return vectors


def pooled(found: Any) -> Tensor:
    """Return the features of `get_image_features`: transformers 4 gives them, 5 a record that holds them."""
    import torch

    features: Tensor = found if torch.is_tensor(found) else found.pooler_output
    return features


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from drawing progress bars and printing its loading report; what matters is checked."""
    from transformers.utils import logging as reports

    logging: Any = reports

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
