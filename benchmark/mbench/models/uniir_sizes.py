"""The sizes of UniIR's networks: the official ones, or those that arch.json beside the weights tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mbench.core.errors import CheckpointError, DataError
from mbench.core.files import read_json
from mbench.models.options import Count

FILE = "arch.json"
Small = Annotated[float, Field(gt=0, lt=1)]


class Sizes(BaseModel):
    """Base of all sizes: nothing is converted, and notes beside the numbers are let be."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class ClipSizes(Sizes):
    """CLIP's two towers; `image_resolution` and `vision_patch_size` in pixels."""

    embed_dim: Count
    image_resolution: Count
    vision_layers: Count
    vision_width: Count
    vision_patch_size: Count
    vision_heads: Count
    context_length: Annotated[int, Field(ge=2)]
    vocab_size: Count
    transformer_width: Count
    transformer_heads: Count
    transformer_layers: Count

    @model_validator(mode="after")
    def _divide(self) -> Self:
        _divides("vision_width", self.vision_width, self.vision_heads)
        _divides("transformer_width", self.transformer_width, self.transformer_heads)
        return self


class T5Sizes(Sizes):
    """The layers that fuse CLIP's features."""

    num_layers: Count
    num_heads: Count
    d_model: Count
    d_kv: Count
    d_ff: Count
    relative_attention_num_buckets: Annotated[int, Field(ge=4)] = 32
    relative_attention_max_distance: Count = 128
    feed_forward_proj: Literal["relu"] = "relu"
    layer_norm_epsilon: Small = 1e-6

    @model_validator(mode="after")
    def _far(self) -> Self:
        if self.relative_attention_max_distance <= self.relative_attention_num_buckets // 4:
            raise ValueError("relative_attention_max_distance is not beyond the positions that have their own bucket")
        return self


class VitSizes(Sizes):
    """BLIP's vision transformer; `image_size` and `patch_size` in pixels."""

    image_size: Count
    patch_size: Count
    embed_dim: Count
    depth: Count
    num_heads: Count
    qkv_bias: Literal[True] = True
    layer_norm_eps: Small = 1e-6

    @model_validator(mode="after")
    def _divide(self) -> Self:
        _divides("embed_dim", self.embed_dim, self.num_heads)
        return self


class MedSizes(Sizes):
    """BLIP's text encoder, in the words of its med_config.json; `encoder_width` is the vision transformer's."""

    hidden_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    intermediate_size: Count
    max_position_embeddings: Count
    vocab_size: Count
    encoder_width: Count
    hidden_act: Literal["gelu"] = "gelu"
    layer_norm_eps: Small = 1e-12
    add_cross_attention: Literal[True] = True

    @model_validator(mode="after")
    def _divide(self) -> Self:
        _divides("hidden_size", self.hidden_size, self.num_attention_heads)
        return self


class ClipScoreSizes(Sizes):
    """CLIP_SF."""

    clip: ClipSizes


class ClipFeatureSizes(Sizes):
    """CLIP_FF: the texts' states, the pictures' features and the fusing layers have one width."""

    clip: ClipSizes
    t5: T5Sizes

    @model_validator(mode="after")
    def _one_width(self) -> Self:
        widths = {self.clip.embed_dim, self.clip.transformer_width, self.t5.d_model}
        if len(widths) > 1:
            raise ValueError("clip.embed_dim, clip.transformer_width and t5.d_model differ")
        return self


class BlipSizes(Sizes):
    """BLIP_SF and BLIP_FF; `embed_dim` is the dimension of the embeddings, `tokenizer_max_length` in tokens."""

    vit: VitSizes
    med: MedSizes
    embed_dim: Count
    tokenizer_max_length: Annotated[int, Field(ge=2)] = 100

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.med.encoder_width != self.vit.embed_dim:
            raise ValueError("med.encoder_width is not vit.embed_dim")
        if self.tokenizer_max_length > self.med.max_position_embeddings:
            raise ValueError("tokenizer_max_length exceeds med.max_position_embeddings")
        return self


AnySizes = TypeVar("AnySizes", bound=Sizes)


def sizes_of(weights: Path, official: Mapping[int, AnySizes], width: int | None) -> AnySizes:
    """Return the sizes in arch.json beside the file `weights`, else the official ones of a vision tower of this width.

    Raises CheckpointError for an arch.json that does not hold, and for weights of no official width without one.
    """
    path = weights.parent / FILE
    if path.is_file():
        return _read(path, type(next(iter(official.values()))))
    if width is not None and width in official:
        return official[width]
    known = " or ".join(str(one) for one in official)
    raise CheckpointError(
        f"{weights}: its vision tower is {'absent' if width is None else f'{width} wide'}; official ones are {known} "
        f"wide, and no {path.name} beside the weights tells other sizes. Is it a checkpoint of another model?"
    )


def _read(path: Path, cls: type[AnySizes]) -> AnySizes:
    try:
        return cls.model_validate(read_json(path))
    except DataError as error:
        raise CheckpointError(str(error)) from None
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, one['loc'])) or '(all)'}: {one['msg']}" for one in error.errors()]
        raise CheckpointError(f"{path} does not tell the sizes of the model:\n" + "\n".join(lines)) from None


def _divides(name: str, width: int, heads: int) -> None:
    if width % heads:
        raise ValueError(f"{name} {width} is not divisible by {heads} heads")


def _clip(patch: int, layers: int, width: int, text: int) -> ClipSizes:
    return ClipSizes(
        embed_dim=text,
        image_resolution=224,
        vision_layers=layers,
        vision_width=width,
        vision_patch_size=patch,
        vision_heads=width // 64,
        context_length=77,
        vocab_size=49408,
        transformer_width=text,
        transformer_heads=text // 64,
        transformer_layers=12,
    )


def _t5(width: int) -> T5Sizes:
    return T5Sizes(num_layers=2, num_heads=12, d_model=width, d_kv=64, d_ff=2048)


def _blip(width: int, depth: int) -> BlipSizes:
    med = MedSizes(
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        max_position_embeddings=512,
        vocab_size=30524,
        encoder_width=width,
    )
    vit = VitSizes(image_size=224, patch_size=16, embed_dim=width, depth=depth, num_heads=width // 64)
    return BlipSizes(vit=vit, med=med, embed_dim=768)


CLIPS = {768: _clip(32, 12, 768, 512), 1024: _clip(14, 24, 1024, 768)}
"""ViT-B/32 and ViT-L/14, UniIR's Base and Large, by the width of the vision tower."""
CLIP_SCORE = {width: ClipScoreSizes(clip=clip) for width, clip in CLIPS.items()}
CLIP_FEATURE = {width: ClipFeatureSizes(clip=clip, t5=_t5(clip.embed_dim)) for width, clip in CLIPS.items()}
BLIP = {768: _blip(768, 12), 1024: _blip(1024, 24)}
