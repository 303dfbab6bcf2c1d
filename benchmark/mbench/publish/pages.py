"""What the site shows besides its tables: figures, the comparison of two models and the query explorer."""

from __future__ import annotations

from dataclasses import dataclass

from mbench.publish.board import Board, TaskKey
from mbench.publish.compareview import CompareView, compare_view
from mbench.publish.explorer import ExplorerView, explorer_views
from mbench.publish.explorer_pictures import Pictures
from mbench.publish.openings import Openings
from mbench.publish.plots_page import GroupFigures, group_figures
from mbench.publish.scripts import SiteFile


@dataclass(frozen=True, slots=True)
class MorePages:
    """The views of these pages, and the files that they load: data as scripts, and small pictures."""

    figures: tuple[GroupFigures, ...]
    compare: CompareView
    explorers: tuple[ExplorerView, ...]
    files: tuple[SiteFile, ...]


def more_pages(board: Board, openings: Openings) -> MorePages:
    """Return all of these pages. Pictures are shown only of data that `openings` opens."""
    pictures = Pictures()
    explorers = tuple(explorer_views(board, openings, pictures))
    explored = {TaskKey(view.task_id, view.protocol): view.page for view in explorers}
    compare = compare_view(board, openings, explored)
    scripts = (view.file for view in explorers)
    return MorePages(group_figures(board), compare, explorers, (*compare.files, *scripts, *pictures.files.values()))
