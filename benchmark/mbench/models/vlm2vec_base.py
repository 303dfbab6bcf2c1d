"""What the backbones of VLM2Vec have in common: the arguments they are loaded with, and what they offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from mbench.core.errors import CheckpointError, DataError
from mbench.core.files import read_json
from mbench.models.device import Placement
from mbench.models.options import Args, Count, Text

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

DEFAULT_BASE = "Qwen/Qwen2-VL-7B-Instruct"
DEFAULT_ADAPTER = "TIGER-Lab/VLM2Vec-Qwen2VL-7B"
TOKENIZER_SETTINGS = "tokenizer_config.json"
UNLIMITED = 10**9
"""Values of model_max_length from here on mean that there is no limit."""


class Vlm2VecArgs(Args):
    """Arguments of `vlm2vec`. Without `base` and `adapter` it is the published 7B model."""

    base: Text | None = Field(None, description="a Qwen2-VL or Phi-3.5-V checkpoint, a folder or a Hub name")
    adapter: Text | None = Field(None, description="a LoRA adapter for it, a folder or a Hub name")
    base_revision: Text | None = Field(None, description="commit of a base on the Hub beside an adapter")
    resolution: Literal["native", "low", "mid", "high"] = Field(
        "native", description="squash pictures first: to 128, 672 or 1344 pixels square (published v1 scores: high)"
    )
    crops: Count = Field(4, description="Phi-3.5-V: the most crops of a picture (published scores: 4)")
    max_tokens: Count | None = Field(
        None, description="cut texts without picture after so many tokens (published scores of Phi-3.5-V: 256)"
    )
    id: Text = Field("vlm2vec", description="the model's name in results")


class Backbone(Protocol):
    """A vision-language model with causal attention. `settings` are what its embeddings depend on besides weights.

    `marker` is what stands for the picture in a prompt, `network` the module that adapters are merged into.
    """

    marker: str
    network: Any
    dimension: int
    settings: Mapping[str, object]

    def renamed(self, name: str) -> str:
        """Return what the network calls a layer of an adapter."""

    def read(self, prompt: str, picture: Image | None) -> Any:
        """Return one input. Raises ImageError, and DataError for a prompt with further places of pictures."""

    def last_states(self, inputs: Sequence[Any]) -> Tensor:
        """Return [n, d]: the last layer's state, after the norm, at the last token of each input of `read`."""


class BackboneLoader(Protocol):
    """What loads a backbone: usually its class."""

    def __call__(self, base: Path, processing: Path, args: Vlm2VecArgs, where: Placement) -> Backbone:
        """Load the checkpoint `base`, with tokenizer and image settings of `processing`. Raises CheckpointError."""


def token_limit(processing: Path, asked: int | None) -> int | None:
    """Return after how many tokens a text without picture is cut: as asked, or as tokenizer_config.json says.

    None is for no limit. Raises CheckpointError when the file is not there.
    """
    try:
        settings = read_json(processing / TOKENIZER_SETTINGS)
    except DataError as error:
        raise CheckpointError(f"{error}; a checkpoint of VLM2Vec has one.") from None
    length = settings.get("model_max_length") if isinstance(settings, dict) else None
    limits = [one for one in (length, asked) if isinstance(one, int | float) and one < UNLIMITED]
    return int(min(limits)) if limits else None
