"""ABC (Schneider et al. 2025, https://arxiv.org/abs/2503.00329; code: https://github.com/TIGER-AI-Lab/ABC).

Qwen2-VL with bidirectional attention: the mean of the last hidden states goes through a residual head. The pretrain
LoRA is always merged; the instruct LoRA works for picture + instruction alone, in queries and candidates alike.

What the model reads of an item:

- its words are `instruction` and `text`, those of the two that are there, with a space between them if neither is
  empty. emoji-ctrl asks by the instruction and has no text; composed retrieval has a general sentence as instruction
  and the modification as text, so it reads "<sentence> <modification>"; a caption without instruction is read as it is;
- without a picture the words are the message (with the base model), without words the picture is (with the base model);
- with both, the message is the picture and "Instruction: <words>" (with the instruct LoRA). An empty string counts as
  words, as in the official code; None does not.

The official mean divides by the padded length, which makes an embedding depend on its batch. Here every embedding is
the one that the official code makes of the item alone. Positions are those of every official call but a process's
first: the code computes M-RoPE once, and from then on counts tokens plainly. `positions=mrope` is the first call's way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from mbench.core.errors import DataError, UnsupportedModalityError
from mbench.core.files import fingerprint
from mbench.core.specs import Modality, ModelCard
from mbench.core.types import Item, LoadOptions, Role, Vectors
from mbench.models.cards import shipped_card
from mbench.models.device import Placement, placement
from mbench.models.hf import require_transformers
from mbench.models.hub import Located, locate
from mbench.models.identity import Identity
from mbench.models.lora import Adapter, active, attach, merge, read_adapter
from mbench.models.options import Args, Text
from mbench.models.qwen2vl import Positions, Prompted, Qwen2VL
from mbench.models.qwen2vl_image import Budget
from mbench.models.qwen2vl_load import renamed
from mbench.models.weights_io import Checkpoint, complain, load_strict

if TYPE_CHECKING:
    from mbench.models.abc_net import SavedModules

VERSION = 1
"""To be raised by a change of this adapter that can change an embedding."""
TURN = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n{message}<|im_end|>\n<|im_start|>assistant\n"
)
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
PROMPTS: dict[Modality, str] = {
    "text": TURN.replace("{message}", "{words}"),
    "image": TURN.replace("{message}", PICTURE),
    "image+text": TURN.replace("{message}", PICTURE + "Instruction: {words}"),
}
BUDGETS = (Budget.tokens(4, 16384), Budget.tokens(256, 1024))
"""Pictures are resized twice: by the message's reader with its own limits, then by the image processor with ABC's."""
HEAD = "mlp_head.linear_layer1.weight"
OFFICIAL_HEAD_WIDTH = 4096


class AbcArgs(Args):
    """Arguments of `abc`: its three checkpoints, each a folder or a name on the Hugging Face Hub."""

    base: Text = Field("Qwen/Qwen2-VL-7B-Instruct", description="the Qwen2-VL checkpoint, a folder or a Hub name")
    pretrain: Text = Field("TIGER-Lab/ABC-Qwen2VL-Pretrain", description="the pretrain adapter, with the head")
    instruct: Text = Field("TIGER-Lab/ABC-Qwen2VL-Instruct", description="the instruct adapter; see --model-revision")
    base_revision: Text | None = Field(None, description="commit of a base on the Hub")
    pretrain_revision: Text | None = Field(None, description="commit of a pretrain adapter on the Hub")
    positions: Positions = Field("plain", description="mrope: as in the first call of a process of the official code")
    id: Text = Field("abc", description="the model's name in results")


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the three checkpoints lie."""

    base: Located
    pretrain: Located
    instruct: Located

    @property
    def revisions(self) -> dict[str, str]:
        """The commit, or the hash of the files, of each."""
        return {"base": self.base.revision, "pretrain": self.pretrain.revision, "instruct": self.instruct.revision}


class Abc:
    """ABC from its official checkpoints, or from others in their layout."""

    card: ModelCard = shipped_card("abc")
    args: ClassVar[type[Args]] = AbcArgs

    def __init__(self, parts: Parts, args: AbcArgs, where: Placement) -> None:
        self.backbone = Qwen2VL(parts.base.folder, where, causal=False, positions=args.positions)
        network = self.backbone.model
        pretrain = read_adapter(parts.pretrain.folder, network, renamed)
        instruct = read_adapter(parts.instruct.folder, network, renamed)
        complain(instruct.where, [], instruct.saved, [])
        self.saved = _saved_modules(pretrain, self.backbone.dimension, where)
        merge(network, pretrain)
        attach(network, instruct)
        weights = [*network.parameters(), *self.saved.parameters()]
        self.card = self.card.model_copy(
            update={
                "id": args.id,
                "revision": fingerprint(parts.revisions)[:12],
                "checkpoint": parts.instruct.name,
                "base_model": parts.base.name,
                "dimension": self.backbone.dimension,
                "parameters": sum(one.numel() for one in weights),
            }
        )
        self.identity: Identity = {
            "adapter_version": VERSION,
            **parts.revisions,
            "dtype": where.dtype,
            "positions": args.positions,
            "prompts": dict(PROMPTS),
            "pixels": [[one.least, one.most] for one in BUDGETS],
        }

    @classmethod
    def load(cls, options: LoadOptions) -> Abc:
        """Load the three checkpoints of `--model-args`; `--model-revision` is the commit of the instruct adapter.

        Raises UserError, ModelError, CheckpointError, MissingDependencyError.
        """
        args = AbcArgs.read(options, "abc")
        require_transformers("abc", "clip")
        where = placement(options, official="bf16")
        parts = Parts(
            base=locate(args.base, replace(options, revision=args.base_revision)),
            pretrain=locate(args.pretrain, replace(options, revision=args.pretrain_revision)),
            instruct=locate(args.instruct, options),
        )
        return cls(parts, args, where)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d] of length 1. Raises UnsupportedModalityError for an item with neither picture nor words,
        ImageError for a picture of impossible proportions, DataError for words that hold the place of a picture.
        """
        kinds = [self._kind(item, role) for item in items]
        vectors = np.empty((len(items), self.backbone.dimension), dtype=np.float32)
        for kind in PROMPTS:
            rows = [row for row, found in enumerate(kinds) if found == kind]
            if rows:
                vectors[rows] = self._embed([self._read(items[row], kind, role) for row in rows], kind)
        return vectors

    def _kind(self, item: Item, role: Role) -> Modality:
        words = words_of(item)
        if item.image is not None:
            return "image" if words is None else "image+text"
        if words is None:
            raise UnsupportedModalityError(f"Model {self.card.id!r}: {role} {item.id!r} has no picture and no text.")
        return "text"

    def _read(self, item: Item, kind: Modality, role: Role) -> Prompted:
        prompt = PROMPTS[kind].replace("{words}", words_of(item) or "")
        try:
            return self.backbone.read(prompt, item.image, BUDGETS)
        except DataError as error:
            raise type(error)(f"Model {self.card.id!r}: {role} {item.id!r}: {error}.") from None

    def _embed(self, inputs: Sequence[Prompted], kind: Modality) -> Vectors:
        import torch

        with torch.inference_mode(), active(self.backbone.model, kind == "image+text"):
            states = self.backbone.hidden(inputs)
            ids = [torch.tensor(one.ids, device=states[0].device) for one in inputs]
            vectors: Vectors = self.saved.embed(states, ids).cpu().numpy()
        return vectors


def words_of(item: Item) -> str | None:
    """Return the instruction, white space and the text, as far as they are there and not empty; None for neither.

    A space is added where neither brings white space of its own: MMEB's instructions end with it.
    """
    parts = [part for part in (item.instruction, item.text) if part is not None]
    filled = [part for part in parts if part]
    apart = len(filled) < 2 or filled[0][-1].isspace() or filled[1][0].isspace()
    return ("" if apart else " ").join(filled) if parts else None


def _saved_modules(pretrain: Adapter, dimension: int, where: Placement) -> SavedModules:
    from mbench.models.abc_net import SavedModules

    checkpoint = Checkpoint.of(pretrain.where, pretrain.saved)
    width = checkpoint.shapes.get(HEAD, (OFFICIAL_HEAD_WIDTH,))[0]
    modules = SavedModules(dimension, width).to(where.device, where.torch_dtype).requires_grad_(False)
    load_strict(modules, checkpoint)
    return modules
