"""The two prompts of InstructCIR, put into the chat template of the checkpoint as the official code does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mbench.core.errors import CheckpointError
from mbench.core.types import Item, Role
from mbench.models.phi3_tokens import SETTINGS_FILE, LlamaTokens

PICTURE_PLACE = "<image>"
DESCRIBE = "<image>\n Describe this image in one word:"
MODIFY = '<image>Modify this image with "{}", desribe modified image in one word:'
"""Spelt and spaced as in the official code: the model was trained with these bytes."""
CUT = 3
"""The official code cuts three characters off the rendered template, meaning `<s>`, whatever they are."""


class ChatTemplate:
    """The template in tokenizer_config.json, or in chat_template.jinja, rendered in a sandbox.

    The sandbox is that of transformers: the template comes with the checkpoint and reaches nothing but its message.
    """

    def __init__(self, folder: Path, tokens: LlamaTokens) -> None:
        """Raises CheckpointError when there is no template or it cannot be rendered."""
        self.path = folder / SETTINGS_FILE
        self.source = _source(folder, tokens.settings.get("chat_template"))
        self.special = tokens.special
        self.prompt(DESCRIBE)

    def prompt(self, message: str) -> str:
        """Return what the model reads for a user's message. Raises CheckpointError."""
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        turns = [{"role": "user", "content": message}]
        try:
            template = environment.from_string(self.source)
            return template.render(messages=turns, add_generation_prompt=True, **self.special)[CUT:]
        except (TemplateError, TypeError) as error:
            raise CheckpointError(f"{self.path}: the chat template cannot be rendered: {error}") from None


def message_of(item: Item, role: Role) -> str:
    """Return the user's message for an item with a picture: the modification where there are words, else describing it.

    The words are the text or, in a query without text, the instruction. Empty words are words; None is not.
    """
    words = item.instruction if item.text is None and role == "query" else item.text
    return DESCRIBE if words is None else MODIFY.format(words)


def _source(folder: Path, template: Any) -> str:
    beside = folder / "chat_template.jinja"
    if template is None and beside.is_file():
        return beside.read_text(encoding="utf-8")
    if not isinstance(template, str):
        raise CheckpointError(f"{folder / SETTINGS_FILE}: holds no chat_template, which the prompts are put into.")
    return template
