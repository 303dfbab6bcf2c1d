"""UniIR on BLIP: score fusion (BLIP_SF) and feature fusion (BLIP_FF); what they read of an item: `uniir_base`.

BLIP_SF adds the projected first tokens of the text encoder and of the vision transformer. BLIP_FF lets the text encoder
look at all tokens of the picture and takes its pooled first token; an absent text or picture takes part as what stands
for it. The first token is [CLS] in both, where BLIP itself puts [ENC] for a text with a picture.

Texts are cut after 100 tokens. Pictures are resized to 224 x 224 pixels, whatever their proportions. The vocabulary is
BERT's: tokenizer/vocab.txt or vocab.txt beside the weights, else that of google-bert/bert-base-uncased on the Hub. The
momentum copies, queues and temperature of a checkpoint serve its training.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from mbench.core.errors import CheckpointError
from mbench.core.files import file_sha256
from mbench.core.types import LoadOptions, Vectors
from mbench.models.cards import shipped_card
from mbench.models.hub import locate
from mbench.models.options import Text
from mbench.models.uniir_base import Plan, ReleasedArgs, Uniir, UniirArgs, Weights
from mbench.models.uniir_picture import squashed
from mbench.models.uniir_prompt import Content
from mbench.models.uniir_sizes import BLIP, BlipSizes, sizes_of
from mbench.models.uniir_wordpiece import WordPiece

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn

    from mbench.models.weights_io import Checkpoint

TOWER = "visual_encoder.patch_embed.proj.weight"
POSITIONS = "text_encoder.embeddings.position_ids"
MOMENTUM = ("visual_encoder_m.*", "text_encoder_m.*", "vision_proj_m.*", "text_proj_m.*")
QUEUES = ("query_queue", "cand_queue", "idx_queue", "new_ptr_queue")
FOR_TRAINING = (*MOMENTUM, *QUEUES, "temp")
BERT = "google-bert/bert-base-uncased"
BERT_REVISION = "86b5e0934494bd15c9632b12f734a8a67f723594"


class BlipArgs(UniirArgs):
    """Arguments of `uniir-blip-sf`."""

    tokenizer: Text | None = Field(None, description=f"folder or Hub name of another BERT vocabulary than {BERT}")


class ReleasedBlipArgs(ReleasedArgs, BlipArgs):
    """Arguments of `uniir-blip-ff`."""


class UniirBlip(Uniir[BlipArgs]):
    """What both have in common: BERT's tokens, squashed pictures, the sizes."""

    tokenizer: WordPiece

    def _preprocessed(self, picture: Image) -> Vectors:
        return squashed(picture, self.side)

    def _plan(self, weights: Weights, args: BlipArgs, options: LoadOptions) -> Plan:
        from mbench.models.uniir_net import without_weights

        sizes = sizes_of(weights.path, BLIP, weights.width(TOWER))
        check_positions(weights.checkpoint, sizes.med.max_position_embeddings)
        vocabulary = find_vocabulary(weights.path.parent, args.tokenizer, options)
        self.tokenizer = WordPiece(vocabulary, sizes.tokenizer_max_length)
        if len(self.tokenizer.ids) > sizes.med.vocab_size:
            raise CheckpointError(
                f"{vocabulary}: {len(self.tokenizer.ids)} tokens with BLIP's two, but the model embeds "
                f"{sizes.med.vocab_size}; one of the two is of another checkpoint."
            )
        network = without_weights(lambda: self._network(sizes), self.where)
        return Plan(network, sizes.vit.image_size, self._dimension(sizes), file_sha256(vocabulary)[:12])

    @abstractmethod
    def _network(self, sizes: BlipSizes) -> nn.Module:
        """Build the network, without memory for its weights."""

    @abstractmethod
    def _dimension(self, sizes: BlipSizes) -> int:
        """Return the dimension of the embeddings."""

    def _tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        import torch

        tokens = self.tokenizer.encode(texts)
        device = self.where.device
        return {"ids": torch.from_numpy(tokens.ids).to(device), "present": torch.from_numpy(tokens.present).to(device)}


class UniirBlipSf(UniirBlip):
    """UniIR BLIP_SF. Its weights were not published."""

    card = shipped_card("uniir-blip-sf")
    args = BlipArgs
    released = "checkpoint/BLIP_SF/blip_sf_large.pth"
    without_effect = (*FOR_TRAINING, POSITIONS, "text_encoder.encoder.layer.*.crossattention.*")

    def _network(self, sizes: BlipSizes) -> nn.Module:
        from mbench.models.uniir_blip_net import BlipScore

        return BlipScore(sizes)

    def _dimension(self, sizes: BlipSizes) -> int:
        return sizes.embed_dim

    def _embed(self, contents: Sequence[Content]) -> Tensor:
        return self._sums(contents, lambda texts: self.network.text(**self._tokens(texts)), self.network.image)


class UniirBlipFf(UniirBlip):
    """UniIR BLIP_FF."""

    card = shipped_card("uniir-blip-ff")
    args = ReleasedBlipArgs
    released = "checkpoint/BLIP_FF/blip_ff_large.pth"
    without_effect = (*FOR_TRAINING, POSITIONS)

    def _network(self, sizes: BlipSizes) -> nn.Module:
        from mbench.models.uniir_blip_net import BlipFeature

        return BlipFeature(sizes)

    def _dimension(self, sizes: BlipSizes) -> int:
        return sizes.med.hidden_size

    def _embed(self, contents: Sequence[Content]) -> Tensor:
        picture = self._image_states(contents, self.network.visual_encoder)
        tokens = self._tokens([one.text for one in contents])
        pooled: Tensor = self.network.text_encoder(**tokens, picture=picture)
        return pooled


def check_positions(checkpoint: Checkpoint, count: int) -> None:
    """Raise CheckpointError when the checkpoint numbers the positions of a text in another way than 0, 1, 2, ..."""
    import torch

    shape = checkpoint.shapes.get(POSITIONS)
    if shape is None:
        return
    if shape != (1, count) or checkpoint.read(POSITIONS).tolist() != torch.arange(count)[None].tolist():
        raise CheckpointError(
            f"{checkpoint.where}: {POSITIONS} is not [0, 1, ... {count - 1}]; texts are read in that order alone."
        )


def find_vocabulary(folder: Path, asked: str | None, options: LoadOptions) -> Path:
    """Return the vocab.txt to use: that of the repository or folder `asked` for, that in `folder`, or BERT's.

    Raises UserError, ModelError, and CheckpointError when there is none where it was asked for.
    """
    here = folder if asked is None else Path(asked).expanduser()
    for path in (here / "tokenizer" / "vocab.txt", here / "vocab.txt"):
        if path.is_file():
            return path
    free = replace(options, revision=None)
    name = asked or BERT
    found = locate(name, free, BERT_REVISION if name == BERT else None, files=("vocab.txt",)).folder / "vocab.txt"
    if not found.is_file():
        raise CheckpointError(f"{name}: holds no vocab.txt, the vocabulary of BERT.")
    return found
