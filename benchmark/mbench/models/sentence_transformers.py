"""`sentence-transformers:NAME`: any model of sentence-transformers 5.4 and later, of texts alone or of pictures too.

Queries go through its `encode_query` and candidates through `encode_document`, so that its own prompts and routes are
in force (https://sbert.net/docs/package_reference/sentence_transformer/SentenceTransformer.html).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
from pydantic import Field

from mbench.core.errors import CheckpointError, UnsupportedModalityError, listed
from mbench.core.specs import Modality, ModelCard
from mbench.core.types import Item, LoadOptions, Role, Vectors
from mbench.models.cards import shipped_card
from mbench.models.device import Placement, placement
from mbench.models.fusion import FusionArgs, LateFusion, part_of
from mbench.models.hub import Located
from mbench.models.options import Args, Count, Text
from mbench.models.pictures import prepared
from mbench.models.sentence_transformers_input import Kind, Whole, Words, instructed, media_places, without_places
from mbench.models.sentence_transformers_load import (
    code_hash,
    load_sentence_transformer,
    located_model,
    require_sentence_transformers,
)

if TYPE_CHECKING:
    from PIL.Image import Image

SENSES: tuple[Literal["text", "image"], ...] = ("text", "image")


class SentenceTransformersArgs(FusionArgs):
    """Arguments of `sentence-transformers:NAME`."""

    prompt: Text | None = Field(
        default=None,
        description="what an instruction becomes: {instruction}, {prompt} (the model's own for queries), \\n",
    )
    max_length: Count | None = Field(default=None, description="tokens of a text that are read; the model's own")
    id: Text | None = Field(default=None, description="the model's name in results; sentence-transformers:NAME")


class SentenceTransformers(LateFusion):
    """A model of sentence-transformers, which tells by itself what it embeds and with which prompts."""

    card: ModelCard = shipped_card("sentence-transformers")
    args: ClassVar[type[Args]] = SentenceTransformersArgs
    argument: ClassVar[str] = "NAME"
    family = ""

    def __init__(
        self, located: Located, args: SentenceTransformersArgs, where: Placement, loading: LoadOptions
    ) -> None:
        import sentence_transformers

        self.loading = loading
        trusted = loading.trust_remote_code
        model = load_sentence_transformer(located, where, trusted)
        if args.max_length is not None:
            model.max_seq_length = args.max_length
        self.senses = {sense for sense in SENSES if model.supports(sense)}
        if not self.senses:
            raise CheckpointError(f"{located.name}: embeds {listed(model.modalities)}, and no text and no image.")
        self.chats = "message" in model.modalities
        self.places = media_places(model.processor) if self.chats else ()
        self.joint = model.supports(("image", "text"))
        self.prompts, self.template = model.prompts, args.prompt
        self.processor = getattr(model.processor, "image_processor", model.processor)
        name = args.id or f"sentence-transformers:{located.name}"
        super().__init__(name, args, located, where, model, _dimension(model, self.senses, located.name))
        self.card = self.card.model_copy(update=self._told(located))
        if self.card.similarity == "dot":
            self.options = args.model_copy(update={"fusion": "sum"})
        self.identity = {
            **self.identity,
            "sentence_transformers": sentence_transformers.__version__,
            "image_processor": type(self.processor).__name__,
            **({"code": code_hash(located.folder)} if trusted else {}),
        }

    @classmethod
    def load(cls, options: LoadOptions) -> SentenceTransformers:
        """Load the checkpoint that the name's argument tells, a folder or a name on the Hub.

        Raises UserError, ModelError, CheckpointError, MissingDependencyError.
        """
        args = SentenceTransformersArgs.read(options, "sentence-transformers")
        require_sentence_transformers()
        where, located = placement(options, official="fp32"), located_model(options)
        fetched = not Path(options.argument or "").expanduser().is_dir()
        return cls(located, args, where, replace(options, revision=located.revision) if fetched else options)

    def __reduce__(self) -> tuple[Callable[[LoadOptions], SentenceTransformers], tuple[LoadOptions]]:
        """Load anew in another process: transformers hangs functions that do not travel into a model that was used."""
        return type(self).load, (self.loading,)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d]; a picture and a text meet in the model where it takes both, else their vectors are added.

        Raises UnsupportedModalityError for an item of which the model embeds nothing or not all.
        """
        words = [self.words_of(item, role) for item in items]
        for item, one in zip(items, words, strict=True):
            self._refuse_unseen(item, one, role)
        if self.joint or "image" not in self.senses:
            return self._whole([Whole(item.image, one) for item, one in zip(items, words, strict=True)], role)
        pictures = [Whole(item.image, None) if item.image else None for item in items]
        texts = [Whole(None, one) if one else None for one in words]
        both = np.array([bool(picture and text) for picture, text in zip(pictures, texts, strict=True)])
        vectors = np.zeros((len(items), self.dimension), dtype=np.float32)
        features = partial(self._whole, role=role)
        self._add(vectors, part_of(pictures, both, self.options.image_weight), features)
        self._add(vectors, part_of(texts, both, self.options.text_weight), features)
        return vectors

    def words_of(self, item: Item, role: Role) -> Words | None:
        """Return an item's text with its instruction as the prompt; None where it has neither."""
        told = item.instruction if role == "query" and self.options.use_instruction else None
        blank = not (item.text and item.text.strip())
        if told and told.strip():
            plain = without_places(told, self.places)
            prompt = instructed(self.prompts.get("query") or "", plain, self.chats, self.template)
            return Words("", prompt.rstrip(" ")) if blank else Words(item.text or "", prompt)
        if item.text is None or (blank and item.image is not None):
            return None
        return Words(item.text)

    def image_features(self, pictures: Sequence[Image]) -> Vectors:
        """Return [n, d] of candidates' pictures."""
        return self._whole([Whole(picture, None) for picture in pictures], "candidate")

    def text_features(self, texts: Sequence[str]) -> Vectors:
        """Return [n, d] of candidates' texts."""
        return self._whole([Whole(None, Words(text)) for text in texts], "candidate")

    def _whole(self, inputs: Sequence[Whole], role: Role) -> Vectors:
        """Return [n, d], one call of the model for all inputs of one kind."""
        rows_of: dict[Kind, list[int]] = defaultdict(list)
        for row, one in enumerate(inputs):
            rows_of[one.kind].append(row)
        vectors = np.zeros((len(inputs), self.dimension), dtype=np.float32)
        for kind, rows in rows_of.items():
            vectors[rows] = self._called([inputs[row] for row in rows], kind.prompt, role)
        return vectors

    def _called(self, inputs: Sequence[Whole], prompt: str | None, role: Role) -> Vectors:
        method = self.model.encode_query if role == "query" else self.model.encode_document
        contents = [self._content(one) for one in inputs]
        found = method(contents, prompt=prompt, batch_size=len(contents), show_progress_bar=False)
        vectors: Vectors = np.asarray(found, dtype=np.float32)
        return vectors

    def _content(self, one: Whole) -> str | Mapping[str, object]:
        """Return an input as the library takes it. A bare text could be taken for a path or an address of a picture."""
        if self.senses == {"text"}:
            return one.words.text if one.words else ""
        content: dict[str, object] = {}
        if one.image is not None:
            content["image"] = prepared(one.image, self.processor)
        # Beside a picture the library drops the prompt unless the model takes chats.
        words = one.words
        if words is not None and one.image is not None and not self.chats:
            content["text"] = f"{words.prompt or ''}{words.text}"
        elif words is not None and (words.text or one.image is None):
            content["text"] = without_places(words.text, self.places)
        return content

    def _refuse_unseen(self, item: Item, words: Words | None, role: Role) -> None:
        unseen = {"image"} - self.senses if item.image is not None else set()
        if words is not None:
            unseen |= {"text"} - self.senses
        if unseen or (words is None and item.image is None):
            what = f"has {' and '.join(sorted(unseen))}" if unseen else "has no picture and no text"
            raise UnsupportedModalityError(
                f"Model {self.card.id!r}: {role} {item.id!r} {what}; it embeds {', '.join(self.card.modalities)}."
            )

    def _told(self, located: Located) -> Mapping[str, object]:
        """Return what the card says of the loaded model. Raises CheckpointError."""
        modalities: list[Modality] = [sense for sense in SENSES if sense in self.senses]
        similarity = self.model.similarity_fn_name
        if similarity not in ("cosine", "dot"):
            raise CheckpointError(f"{located.name}: compares by {similarity}; mbench compares by cosine or dot.")
        told = {"modalities": modalities, "similarity": similarity, "roles_differ": self._roles_differ()}
        if len(modalities) == 1:
            return told
        modalities.append("image+text")
        meets = "Picture and text meet in the model." if self.joint else "Late fusion of picture and text."
        return {**told, "notes": f"{meets} {self.card.notes}"}

    def _roles_differ(self) -> bool:
        trials = [Item(sense, **{sense: TRIALS[sense]()}) for sense in self.senses]
        query, candidate = (self.encode(trials, role=role) for role in get_args(Role))
        return not np.allclose(query, candidate, atol=1e-5)


def _grey() -> Image:
    from PIL import Image

    return Image.new("RGB", (64, 48), "grey")


TRIALS: Mapping[str, Callable[[], Any]] = {"text": lambda: "a", "image": _grey}
"""Something to embed of each kind."""


def _dimension(model: Any, senses: Iterable[str], name: str) -> int:
    """Return d of the vectors of all kinds. Raises CheckpointError unless they agree."""
    shapes = {sense: np.shape(model.encode([TRIALS[sense]()], show_progress_bar=False)) for sense in senses}
    if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 2:
        raise CheckpointError(f"{name}: expected one vector of one length for each input; found the shapes {shapes}.")
    return int(next(iter(shapes.values()))[1])
