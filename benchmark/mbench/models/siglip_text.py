"""How SigLIP and SigLIP 2 read a text: as exactly so many tokens as they were trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mbench.core.errors import CheckpointError, MissingDependencyError
from mbench.models.hf import check_vocabulary, load_part

SENTINEL = "<extra_id_"
"""Begins the names of pieces of the multilingual vocabulary that no text is cut into and that have no embedding."""


@dataclass(frozen=True, slots=True)
class Words:
    """A vocabulary: how it cuts a text, the token that ends it and the one that fills it up."""

    cut: Callable[[str], list[int]]
    end: int
    fill: int

    def rows(self, texts: Sequence[str], length: int) -> list[list[int]]:
        """Return `length` tokens a text: what fits of its own, the end token, and the filling."""
        ended = [[*self.cut(text)[: length - 1], self.end] for text in texts]
        return [row + [self.fill] * (length - len(row)) for row in ended]


def sentencepiece_words(folder: Path, embedded: int) -> Words:
    """Return SigLIP's vocabulary; texts are lower-cased and lose their punctuation.

    Raises CheckpointError when it is not there or has more tokens than the model has `embedded`,
    MissingDependencyError without sentencepiece.
    """
    if find_spec("sentencepiece") is None or find_spec("google.protobuf") is None:
        raise MissingDependencyError(
            "Model 'siglip' needs sentencepiece and protobuf for its vocabulary: pip install 'mbench-eval[siglip]'"
        )
    from transformers import SiglipTokenizer

    if not (folder / "spiece.model").is_file():
        raise CheckpointError(f"{folder}: holds no vocabulary for its tokenizer; expected spiece.model.")
    tokenizer = load_part(SiglipTokenizer, folder, "tokenizer")
    pieces = [piece for piece in tokenizer.get_vocab() if not piece.startswith(SENTINEL)]
    check_vocabulary(folder, len(pieces), {"vocab_size": embedded})
    cut = partial(tokenizer.encode, add_special_tokens=False, verbose=False)
    return Words(cut, tokenizer.eos_token_id, tokenizer.pad_token_id)


def gemma_words(folder: Path, embedded: int) -> Words:
    """Return SigLIP 2's vocabulary, that of Gemma; texts are lower-cased.

    It is read without transformers, of which some versions lower-case and some do not, some add the end token and some
    fill up on the left. Raises CheckpointError when it is not there or has more tokens than the model has `embedded`.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise CheckpointError(f"{folder}: holds no vocabulary for its tokenizer; expected tokenizer.json.")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        # The library raises nothing more special for a damaged file.
        raise CheckpointError(f"{path}: not a tokenizer: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    check_vocabulary(folder, tokenizer.get_vocab_size(), {"vocab_size": embedded})
    end, fill = tokenizer.token_to_id("<eos>"), tokenizer.token_to_id("<pad>")
    if end is None or fill is None:
        raise CheckpointError(f"{path}: lacks <eos> or <pad>, which Gemma's vocabulary has.")
    return Words(partial(_lower_cased, tokenizer), end, fill)


def _lower_cased(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text.lower(), add_special_tokens=False).ids
    return ids
