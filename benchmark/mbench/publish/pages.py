"""What the site shows besides its tables: figures, the comparison of two models and the query explorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mbench.publish.aligned import QueryColumns
from mbench.publish.board import Board, TaskKey
from mbench.publish.compareview import CompareView, compare_view
from mbench.publish.explorer import ExplorerView, explorer_views
from mbench.publish.explorer_pictures import Pictures
from mbench.publish.openings import Openings
from mbench.publish.plots_page import GroupFigures, group_figures
from mbench.publish.scripts import SiteFile
from mbench.publish.standings import standings
from mbench.publish.tables import Table


@dataclass(frozen=True, slots=True)
class MorePages:
    """The views of these pages, and the files that they load: data as scripts, and small pictures.

    `standings` are tables for the pages of tasks, by their addresses.
    """

    figures: tuple[GroupFigures, ...]
    compare: CompareView
    explorers: tuple[ExplorerView, ...]
    standings: Mapping[str, Table]
    files: tuple[SiteFile, ...]


def more_pages(board: Board, openings: Openings, columns: QueryColumns) -> MorePages:
    """Return all of these pages. Pictures are shown only of data that `openings` opens."""
    pictures = Pictures()
    explorers = tuple(explorer_views(board, openings, pictures))
    explored = {TaskKey(view.task_id, view.protocol): view.page for view in explorers}
    compare = compare_view(board, columns, explored)
    scripts = (view.file for view in explorers)
    places = {board.task_page(task): standings(board, columns.of(task)) for task in board.tasks if board.on_task(task)}
    known = {page: table for page, table in places.items() if table is not None}
    return MorePages(
        group_figures(board), compare, explorers, known, (*compare.files, *scripts, *pictures.files.values())
    )
