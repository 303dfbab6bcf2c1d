"""The places of a task's models as ranges: which of them the queries can tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mbench.publish.aligned import Aligned
from mbench.publish.board import Board, ModelKey
from mbench.publish.names import model_label
from mbench.publish.tables import Cell, Head, Name, Row, Table, score
from mbench.publish.text import whole
from mbench.scoring.ranks import Ranked, rank_ranges

SHOWN = 20
"""Places of a task's page."""
TITLE = "Best models, with the places that the tests allow"


def standings(board: Board, found: Aligned) -> Table | None:
    """Return the first places of a task; None where fewer than two models have the scores of their queries."""
    models = list(found.columns)
    if len(models) < 2 or np.count_nonzero(~np.isnan(found.columns[models[0]])) < 2:
        return None
    judged = ~np.isnan(found.columns[models[0]])
    models = [model for model in models if (np.isnan(found.columns[model]) == ~judged).all()]
    if len(models) < 2:
        return None
    ranks = rank_ranges(np.stack([found.columns[model] for model in models]), found.clusters)
    order = sorted(range(len(models)), key=lambda place: (ranks[place].rank, models[place]))[:SHOWN]
    rows = [_row(board, found, models[place], ranks[place], _tied(ranks, place)) for place in order]
    heads = (
        Head("Place", numeric=True),
        Head("Possible places", numeric=True, explained="Behind all that are significantly better, before all worse."),
        Head(board.primary(found.key), numeric=True),
        Head("Not told apart from", numeric=True, explained="Models of the same tie group."),
    )
    return Table("Model", heads, tuple(rows), TITLE)


def _tied(ranks: Sequence[Ranked], place: int) -> int:
    return sum(one.group == ranks[place].group for one in ranks) - 1


def _row(board: Board, found: Aligned, model: ModelKey, rank: Ranked, tied: int) -> Row:
    entry = board.find(model, found.key)
    value = entry.result.metrics.get(board.primary(found.key)) if entry else None
    allowed = str(rank.best) if rank.best == rank.worst else f"{rank.best}–{rank.worst}"
    others = {0: "none", 1: "1 other"}.get(tied, f"{whole(tied)} others")
    return Row(
        Name(model_label(board, model), "", board.model_page(model.id), board.marks(entry) if entry else ()),
        (
            Cell(str(rank.rank), sort=str(rank.rank), numeric=True),
            Cell(allowed, sort=str(rank.best), numeric=True),
            score(value),
            Cell(others, sort=str(tied), numeric=True),
        ),
    )
