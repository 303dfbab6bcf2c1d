"""SEARLE: zero-shot composed retrieval by textual inversion (Baldrati et al. 2023, https://arxiv.org/abs/2303.15247).

Prompts, pictures and the place of the word are those of https://github.com/miccunifi/SEARLE, `src/validate.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field

from mbench.core.errors import UserError
from mbench.core.files import file_sha256
from mbench.core.specs import ModelCard
from mbench.core.types import LoadOptions
from mbench.models.cards import shipped_card
from mbench.models.clip import STORED_WITHOUT_EFFECT
from mbench.models.device import placement
from mbench.models.hf import load_pretrained, read_config
from mbench.models.hub import locate
from mbench.models.inversion import Inversion, InversionArgs, Networks, Prompt, combined_revision, require_packages
from mbench.models.options import Args, ExistingFile, Text
from mbench.models.weights_io import Checkpoint

RELEASE = "https://github.com/miccunifi/SEARLE/releases/download/weights/SEARLE_ViT-L14.pt"


class SearleArgs(InversionArgs):
    """Arguments of `searle`."""

    phi: ExistingFile | None = Field(
        default=None, description="SEARLE_ViT-L14.pt or SEARLE_ViT-B32.pt; may lie in CLIP's folder instead"
    )
    preprocess: Literal["targetpad", "clip"] = Field(
        default="targetpad", description="borders for long pictures, or CLIP's plain crop"
    )
    id: Text = Field(default="searle", description="the model's name in results")


class Searle(Inversion):
    """A CLIP checkpoint in the layout of transformers, and the released network phi."""

    card: ModelCard = shipped_card("searle")
    args: ClassVar[type[Args]] = SearleArgs
    family = "SEARLE"
    prompt = Prompt(slot="$", alone="a photo of $", with_text="a photo of $ that {}")

    @classmethod
    def load(cls, options: LoadOptions) -> Self:
        """Load `--model-args phi=,checkpoint=`. Raises UserError, ModelError, CheckpointError, MissingDependencyError.

        Nothing that the .pt file holds beside tensors is executed.
        """
        args = SearleArgs.read(options, "searle")
        require_packages("searle")
        from transformers import CLIPModel

        from mbench.models.inversion_net import load_phi

        phi, where, clip = args.phi or _beside(args.checkpoint), placement(options), shipped_card("clip")
        located = locate(args.checkpoint, options, clip.revision if args.checkpoint == clip.checkpoint else None)
        read_config(located.folder, "searle", ["clip"])
        model = load_pretrained(CLIPModel, located.folder, where, STORED_WITHOUT_EFFECT)
        sizes = model.config.projection_dim, model.config.text_config.hidden_size
        words = load_phi(Checkpoint.inside(phi, "Phi"), *sizes)
        revision = combined_revision(located.revision, file_sha256(phi))
        return cls(args, located, where, Networks(model, words, phi.name, revision))


def _beside(checkpoint: str) -> Path:
    """Return the one .pt file in the folder of CLIP. Raises UserError that tells where the released one is."""
    found = sorted(Path(checkpoint).expanduser().glob("*.pt"))
    if len(found) == 1:
        return found[0]
    raise UserError(
        f"Model 'searle' needs its network phi: download {RELEASE} (for checkpoint=openai/clip-vit-base-patch32 "
        "SEARLE_ViT-B32.pt) and give --model-args phi=FILE."
    )
