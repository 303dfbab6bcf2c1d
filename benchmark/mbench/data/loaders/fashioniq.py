"""FashionIQ: a garment's picture and two captions that say how the wanted one differs, in one category's gallery.

Source of the format: https://github.com/XiaoxiaoGuo/fashion-iq (captions/, image_splits/). The reference picture
stands under the key `candidate`, and it stays in the gallery: no official code removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import pyarrow as pa

from mbench.core.declared import spec_from
from mbench.core.errors import DataError
from mbench.core.specs import Strict, TaskSpec
from mbench.core.types import EvalData, Judgments, Rendering
from mbench.data.images import FolderImages
from mbench.data.judging import sets_of
from mbench.data.loading import SourceFiles
from mbench.data.rows import Row, read_rows, read_texts
from mbench.data.table import ArrowTable

STRIPPED = ".?, "
ENDS = (".", "?", "!")

CaptionRule = Literal["searle-both-orders", "joined", "joined-reversed", "mbeir"]


class FashionIqOptions(Strict):
    """`source.options` of this loader.

    gallery: `original` is the category's image list, `val-union` only what its captions name (smaller, easier).
    captions: how the two captions of a query become its text; see CAPTION_RULES.
    """

    category: Literal["dress", "shirt", "toptee"]
    gallery: Literal["original", "val-union"] = "original"
    captions: CaptionRule = "searle-both-orders"
    pictures: str = "images/{}.jpg"


def load(spec: TaskSpec, files: SourceFiles) -> EvalData:
    """Read one category. Raises SpecError for wrong options and DataError, with file and row, for wrong files."""
    options: FashionIqOptions = spec_from(FashionIqOptions, spec.source.options, f"{spec.id}: source.options")
    split = f"{options.category}.{spec.source.split}.json"
    rows = read_rows(files.path(f"captions/cap.{split}"))
    pictures = FolderImages(files.root, options.pictures)
    references, targets = [row.text("candidate") for row in rows], [row.text("target") for row in rows]
    names = read_texts(files.path(f"image_splits/split.{split}"))
    if options.gallery == "val-union":
        names = sorted({*references, *targets})
    corpus = ArrowTable.of({"id": names, "image": names}, name=f"the candidates of {spec.id}", pictures=pictures)
    ids = [f"{options.category}-{place}" for place in range(len(rows))]
    worded = [CAPTION_RULES[options.captions](*_captions(row)) for row in rows]
    tables = [
        ArrowTable.of(
            {"id": ids, "text": list(texts), "image": references}, name=f"the queries of {spec.id}", pictures=pictures
        )
        for texts in zip(*worded, strict=True)
    ]
    relevant = sets_of(pa.array([[one] for one in targets]), tables[0], corpus, "target")
    renderings = tuple(Rendering(table) for table in tables) if len(tables) > 1 else ()
    return EvalData(tables[0], corpus, Judgments({"relevant": relevant}), renderings)


def _captions(row: Row) -> tuple[str, str]:
    texts = row.texts("captions")
    if len(texts) != 2:
        raise DataError(f"{row.where}: every query has two captions; found {len(texts)}.")
    return texts[0], texts[1]


def both_orders(first: str, second: str) -> tuple[str, ...]:
    """Return both orders of the captions without punctuation at their ends; the queries' vectors are averaged.

    Source: SEARLE (https://github.com/miccunifi/SEARLE, validate.py) and LinCIR, whose text begins with `a photo of $
    that`: a slot for the picture, which an adapter adds if its model has one. An empty caption leaves its `and`.
    """
    first, second = first.strip(STRIPPED), second.strip(STRIPPED)
    return f"{first} and {second}", f"{second} and {first}"


def joined(first: str, second: str) -> tuple[str, ...]:
    """Return the captions as they are, in the order of the file. Source: MagicLens."""
    return (f"{first} and {second}",)


def joined_reversed(first: str, second: str) -> tuple[str, ...]:
    """Return the captions as they are, the second one first. Source: Pic2Word."""
    return (f"{second} and {first}",)


def mbeir(first: str, second: str) -> tuple[str, ...]:
    """Return the captions as one sentence; an empty one is left out. Source: UniIR's preparation of M-BEIR."""
    parts = [one.strip().removesuffix(".") for one in (first, second)]
    sentence = " and ".join(one[:1].lower() + one[1:] for one in parts if one)
    sentence = sentence[:1].upper() + sentence[1:]
    return (sentence if sentence.endswith(ENDS) else f"{sentence}.",)


CAPTION_RULES: Mapping[CaptionRule, Callable[[str, str], tuple[str, ...]]] = {
    "searle-both-orders": both_orders,
    "joined": joined,
    "joined-reversed": joined_reversed,
    "mbeir": mbeir,
}
"""What a model reads for two captions: one text, or several whose vectors are averaged."""
