"""What a model is called where its row has no place for more than a name."""

from __future__ import annotations

from mbench.core.results import ModelRef
from mbench.publish.board import Board, ModelKey


def model_label(board: Board, model: ModelKey | ModelRef) -> str:
    """Return the model's id, with its revision where the site shows several."""
    return model.id if board.revisions[model.id] == 1 else f"{model.id} @ {model.revision}"
