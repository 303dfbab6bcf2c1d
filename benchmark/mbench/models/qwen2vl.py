"""Qwen2-VL (Wang et al. 2024, https://arxiv.org/abs/2409.12191) as a backbone: a prompt and a picture in, the last
layer's hidden states out. The layer over the vocabulary is neither loaded nor computed.

The network is that of transformers, built without weights and filled here, so that each tensor is proven to arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mbench.core.errors import DataError, ModelError
from mbench.models.device import Placement
from mbench.models.hf import read_config
from mbench.models.qwen2vl_image import Budget, Patches, Preprocessor
from mbench.models.qwen2vl_load import MODEL_TYPES, PICTURE_PLACE, load_backbone, load_tokenizer

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

Positions = Literal["plain", "mrope"]
"""How tokens are counted: `plain` one by one, `mrope` the tokens of a picture by row and column, as in the paper."""


@dataclass(frozen=True, slots=True)
class Prompted:
    """One input: `ids` of the tokens, with one image token for each 2 x 2 patches of the picture where there is one."""

    ids: Sequence[int]
    patches: Patches | None = None


class Qwen2VL:
    """The backbone with its tokenizer and image preprocessing. Attention is causal, or every token sees all others."""

    def __init__(
        self,
        folder: Path,
        where: Placement,
        *,
        causal: bool,
        positions: Positions = "plain",
        processing: Path | None = None,
    ) -> None:
        """Load a checkpoint, sharded or not, in the layout of transformers 4 or 5.

        `processing` is the folder of the tokenizer and the image settings where they are not the checkpoint's own.
        Raises CheckpointError for another architecture and for tensors or files that are missing, unexpected, of
        another shape or damaged; ModelError when the installed transformers does not attend as asked.
        """
        self.where, self.causal, self.positions = where, causal, positions
        # Of another architecture the image settings are others, too, which says less.
        read_config(folder, "Qwen2-VL", MODEL_TYPES)
        self.preprocessor = Preprocessor.of(processing or folder)
        self.model = load_backbone(folder, where)
        self.tokenizer = load_tokenizer(processing or folder, self.model.config)
        self.image_id = int(self.model.config.image_token_id)
        for layer in self.model.language_model.layers:
            layer.self_attn.is_causal = causal
        self._prove_attention()

    @property
    def dimension(self) -> int:
        """The width of the hidden states."""
        return int(self.model.config.text_config.hidden_size)

    def read(self, prompt: str, picture: Image | None = None, budgets: Sequence[Budget] = ()) -> Prompted:
        """Return the input for `prompt`, in which one `<|image_pad|>` stands for `picture`, resized as in `budgets`.

        Raises ImageError for a picture of impossible proportions, DataError when the prompt holds further places of
        pictures. Without a picture the place of one is a token as any other, as in the official code.
        """
        ids = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        if picture is None:
            return Prompted(ids)
        places = ids.count(self.image_id)
        if places != 1:
            raise DataError(f"there are {places} places for one picture; its text must not contain {PICTURE_PLACE}")
        patches = self.preprocessor.patches(picture, budgets)
        place = ids.index(self.image_id)
        tokens = patches.rows * patches.columns // self.preprocessor.merge**2
        return Prompted([*ids[:place], *[self.image_id] * tokens, *ids[place + 1 :]], patches)

    def hidden(self, inputs: Sequence[Prompted]) -> list[Tensor]:
        """Return for each input the hidden states [tokens, d] of the last layer, after the final norm.

        An input's states do not depend on what it is batched with. Inputs without a picture run apart from those with
        one, since they are shorter by far.
        """
        import torch

        states: dict[int, Tensor] = {}
        with torch.inference_mode():
            for pictured in (False, True):
                rows = [row for row, one in enumerate(inputs) if (one.patches is not None) == pictured]
                if rows:
                    states |= zip(rows, self._forward([inputs[row] for row in rows]), strict=True)
        return [states[row] for row in range(len(inputs))]

    def _forward(self, batch: Sequence[Prompted]) -> list[Tensor]:
        import torch

        lengths = torch.tensor([len(one.ids) for one in batch])
        longest = int(lengths.max())
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        positions = torch.zeros(3, len(batch), longest, dtype=torch.long)
        for row, one in enumerate(batch):
            ids[row, : len(one.ids)] = torch.tensor(one.ids)
            positions[:, row, : len(one.ids)] = self._positions(one)
        device = self.where.device
        states = self.model(
            input_ids=ids.to(device),
            # A mapping is handed to the layers as it is; from a plain mask transformers makes a causal one.
            attention_mask={"full_attention": self._mask(lengths)},
            position_ids=positions.to(device),
            use_cache=False,
            **_pixels(batch, device),
        ).last_hidden_state
        return [states[row, :length] for row, length in enumerate(lengths.tolist())]

    def _mask(self, lengths: Tensor) -> Tensor | None:
        """Return which tokens may be seen, [n, 1, 1, tokens]; None for all. Padding stands last: causally unseen."""
        import torch

        longest = int(lengths.max())
        if self.causal or bool((lengths == longest).all()):
            return None
        return (torch.arange(longest) < lengths[:, None])[:, None, None].to(self.where.device)

    def _positions(self, one: Prompted) -> Tensor:
        import torch

        if self.positions == "mrope" and one.patches is not None:
            merge = self.preprocessor.merge
            return mrope(
                len(one.ids), one.ids.index(self.image_id), one.patches.rows // merge, one.patches.columns // merge
            )
        return torch.arange(len(one.ids)).expand(3, -1)

    def _prove_attention(self) -> None:
        """The first of two tokens must change with the second one unless attention is causal.

        Versions of transformers differ in how bidirectional attention is asked for, and do not say when they ignore it.
        """
        import torch

        first, other = (self.hidden([Prompted([0, last])])[0][0] for last in (1, 2))
        if torch.equal(first, other) != self.causal:
            asked = "causal" if self.causal else "bidirectional"
            raise ModelError(
                f"The installed transformers does not make the attention of Qwen2-VL {asked}, so that embeddings would "
                "be wrong. Install the version that mbench is tested with (constraints.txt)."
            )


def mrope(length: int, start: int, rows: int, columns: int) -> Tensor:
    """Return the positions (time, row, column) [3, length] of a text whose token `start` begins a picture.

    The picture has rows x columns tokens; the text behind it goes on after its longer side (paper, section 2.1).
    """
    import torch

    grid = torch.stack(
        [
            torch.zeros(rows * columns, dtype=torch.long),
            torch.arange(rows).repeat_interleave(columns),
            torch.arange(columns).repeat(rows),
        ]
    )
    before = torch.arange(start).expand(3, -1)
    behind = torch.arange(length - start - rows * columns).expand(3, -1) + start + max(rows, columns)
    return torch.cat([before, grid + start, behind], dim=1)


def _pixels(batch: Sequence[Prompted], device: str) -> dict[str, Tensor]:
    import torch

    pictures = [one.patches for one in batch if one.patches is not None]
    if not pictures:
        return {}
    return {
        "pixel_values": torch.cat([torch.from_numpy(one.values) for one in pictures]).to(device),
        "image_grid_thw": torch.tensor([[1, one.rows, one.columns] for one in pictures]).to(device),
    }
