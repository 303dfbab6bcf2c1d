"""Pic2Word: zero-shot composed retrieval by textual inversion (Saito et al. 2023, https://arxiv.org/abs/2302.03084).

Prompt, pictures and the place of the word are those of https://github.com/google-research/composed_image_retrieval,
`src/eval_utils.py` and `src/data.py`. The released file holds CLIP, too, which was not trained: that copy is loaded,
and the checkpoint in the layout of transformers gives sizes and vocabulary alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from mbench.core.files import file_sha256
from mbench.core.specs import ModelCard
from mbench.core.types import LoadOptions
from mbench.models.cards import shipped_card
from mbench.models.clip_layout import as_in_transformers, without_prefix
from mbench.models.device import Placement, placement
from mbench.models.hf import read_config
from mbench.models.hub import SIDE_FILES, locate
from mbench.models.inversion import Inversion, InversionArgs, Networks, Prompt, combined_revision, require_packages
from mbench.models.options import Args, ExistingFile, Text
from mbench.models.weights_io import Checkpoint, load_strict

PARALLEL = "module."
"""Begins all names of a model that was saved as it was trained on several GPUs."""


class Pic2wordArgs(InversionArgs):
    """Arguments of `pic2word`."""

    weights: ExistingFile = Field(description="the released pic2word_model.pt")
    preprocess: Literal["targetpad", "clip"] = Field(
        default="clip", description="borders for long pictures, or CLIP's plain crop"
    )
    id: Text = Field(default="pic2word", description="the model's name in results")


class Pic2word(Inversion):
    """The released network and CLIP, both out of one .pt file."""

    card: ModelCard = shipped_card("pic2word")
    args: ClassVar[type[Args]] = Pic2wordArgs
    family = "Pic2Word"
    prompt = Prompt(slot="*", alone="a photo of *", with_text="a photo of * , {}")

    @classmethod
    def load(cls, options: LoadOptions) -> Self:
        """Load `--model-args weights=,checkpoint=`. Raises UserError, ModelError, CheckpointError.

        Nothing that the .pt file holds beside tensors is executed.
        """
        from mbench.models.inversion_net import load_im2text

        args = Pic2wordArgs.read(options, "pic2word")
        require_packages("pic2word")
        where, clip = placement(options), shipped_card("clip")
        pinned = clip.revision if args.checkpoint == clip.checkpoint else None
        located = locate(args.checkpoint, options, pinned, files=SIDE_FILES)
        read_config(located.folder, "pic2word", ["clip"])
        model = _clip(located.folder, without_prefix(Checkpoint.inside(args.weights, "state_dict"), PARALLEL), where)
        words = load_im2text(
            without_prefix(Checkpoint.inside(args.weights, "state_dict_img2text"), PARALLEL),
            model.config.projection_dim,
            model.config.text_config.hidden_size,
        )
        revision = combined_revision(located.revision, file_sha256(args.weights))
        return cls(args, located, where, Networks(model, words, args.weights.name, revision))


def _clip(folder: Path, checkpoint: Checkpoint, where: Placement) -> Any:
    """Return CLIP of the sizes in `folder` with the weights of `checkpoint`, which has OpenAI's names."""
    from transformers import CLIPConfig, CLIPModel

    model: Any = CLIPModel(CLIPConfig.from_pretrained(folder, local_files_only=True))
    model.to(where.torch_dtype)
    load_strict(model, as_in_transformers(checkpoint))
    return model.eval().requires_grad_(False).to(where.device)
