"""The cards of the models that ship with mbench: one strict YAML file a model in `cards/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from mbench.core.declared import spec_from
from mbench.core.errors import SpecError
from mbench.core.specs import ModelCard

FOLDER = Path(__file__).parent / "cards"


def read_card(path: Path) -> ModelCard:
    """Read one card file. Raises SpecError that names the file and each wrong key."""
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not valid YAML: {error}") from None
    card: ModelCard = spec_from(ModelCard, data, str(path))
    return card


@cache
def shipped_card(name: str) -> ModelCard:
    """Return the card in `cards/<name>.yaml`. Raises SpecError, also when the card bears another id."""
    path = FOLDER / f"{name}.yaml"
    card = read_card(path)
    if card.id != name:
        raise SpecError(f"{path}: id is {card.id!r}, but the file's name says {name!r}; the two must agree.")
    return card
