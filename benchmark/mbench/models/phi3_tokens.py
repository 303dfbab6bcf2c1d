"""The tokenizer of Llama and Phi-3 checkpoints as transformers 4 reads it; transformers 5 makes other ids of the files.

Source of the rules: `LlamaTokenizerFast` of transformers 4.42 (https://github.com/huggingface/transformers).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mbench.core.errors import CheckpointError, DataError
from mbench.core.files import read_json
from mbench.models.hf import check_vocabulary

SETTINGS_FILE = "tokenizer_config.json"
TOKENIZER_FILE = "tokenizer.json"
CLASSES = (None, "LlamaTokenizer", "LlamaTokenizerFast")
FLAGS = ("single_word", "lstrip", "rstrip", "normalized")
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")


class LlamaTokens:
    """Token ids of texts; every text begins with `<s>` unless the settings say otherwise.

    `special` holds the words of the special tokens by their role.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Read tokenizer.json and tokenizer_config.json of `folder`; `config` is the model's.

        Raises CheckpointError that names the file: one that is not there, is damaged, of another kind of tokenizer, or
        has more tokens than the model.
        """
        self.path = folder / TOKENIZER_FILE
        self.settings = _settings(folder / SETTINGS_FILE)
        self.tokenizer = _tokenizer(self.path)
        self._apply_flags()
        check_vocabulary(folder, self.tokenizer.get_vocab_size(), config)
        self.special = {role: word for role in SPECIAL if (word := _word(self.settings.get(role))) is not None}
        self.first = self._around("add_bos_token", "bos_token", default=True)
        self.last = self._around("add_eos_token", "eos_token", default=False)

    def ids(self, text: str) -> list[int]:
        """Return the ids of `text`, which is never cut. Words of special tokens in it become these tokens."""
        return [*self.first, *self.tokenizer.encode(text, add_special_tokens=False).ids, *self.last]

    def id_of(self, word: str) -> int:
        """Return the id of a token. Raises CheckpointError when there is none of that name."""
        found: int | None = self.tokenizer.token_to_id(word)
        if found is None:
            raise CheckpointError(f"{self.path}: has no token {word}.")
        return found

    def _around(self, flag: str, role: str, *, default: bool) -> list[int]:
        if not self.settings.get(flag, default):
            return []
        if role not in self.special:
            raise CheckpointError(f"{self.path.parent / SETTINGS_FILE}: {flag} is set, but there is no {role}.")
        return [self.id_of(self.special[role])]

    def _apply_flags(self) -> None:
        """Let tokens strip white space as tokenizer_config.json says, which has the last word in transformers 4."""
        from tokenizers import AddedToken

        for place, entry in self.settings.get("added_tokens_decoder", {}).items():
            flags = {flag: bool(entry.get(flag, False)) for flag in FLAGS}
            if self.tokenizer.token_to_id(entry["content"]) != int(place):
                raise CheckpointError(
                    f"{self.path}: {entry['content']} is not token {place}, as {SETTINGS_FILE} has it."
                )
            self.tokenizer.add_tokens([AddedToken(entry["content"], special=bool(entry.get("special")), **flags)])


def _settings(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except DataError as error:
        raise CheckpointError(f"{error}; a Phi-3.5 checkpoint has one.") from None
    kind = found.get("tokenizer_class") if isinstance(found, dict) else found
    if not isinstance(found, dict) or kind not in CLASSES:
        raise CheckpointError(f"{path}: tokenizer_class is {kind!r}; a Phi-3.5 checkpoint has 'LlamaTokenizer'.")
    return found


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file; a Phi-3.5 checkpoint has one.")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        # The library raises bare exceptions.
        raise CheckpointError(f"{path}: not a tokenizer: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _word(token: object) -> str | None:
    """Return the word of a special token, which files give as text or with its flags."""
    found = token.get("content") if isinstance(token, Mapping) else token
    return found if isinstance(found, str) else None
