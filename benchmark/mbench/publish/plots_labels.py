"""Labels beside points that cover neither each other nor a point: the important ones first, the rest where room is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbench.publish.plots import CHARACTER

HEIGHT = 13.0
GAP = 7.0
MOST = 80
"""So many points are tried for a label; after the first of them there is hardly any room."""
PLACES = ((1, 0), (1, -1), (1, 1), (-1, 0), (-1, -1), (-1, 1), (0, -1), (0, 1), (1, -2), (1, 2), (-1, -2), (-1, 2))
"""Where a label is tried, in steps from its point: right, left, above, below, then farther out."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, from its upper left corner to its lower right one."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Tell whether the two have a point in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def inside(self, other: Box) -> bool:
        """Tell whether this lies wholly in `other`."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True, slots=True)
class Anchor:
    """A point that wants a label; `text` is empty for one that only takes room."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text and where it stands: `x`, `y` is the left end of its base line."""

    x: float
    y: float
    text: str


def place_labels(anchors: Sequence[Anchor], frame: Box, obstacles: Sequence[Box] = ()) -> list[Label]:
    """Return a label for each anchor that room is found for, the first ones first. Deterministic."""
    taken = [*obstacles, *(Box(a.x - GAP + 1, a.y - GAP + 1, a.x + GAP - 1, a.y + GAP - 1) for a in anchors)]
    found = []
    for anchor in anchors[:MOST]:
        boxes = (_box(anchor, *place) for place in PLACES if anchor.text)
        box = next((one for one in boxes if one.inside(frame) and not _hits(one, taken)), None)
        if box is not None:
            taken.append(box)
            found.append(Label(box.left, box.bottom - 3, anchor.text))
    return found


def _box(anchor: Anchor, across: int, down: int) -> Box:
    width = len(anchor.text) * CHARACTER
    left = anchor.x + GAP if across > 0 else anchor.x - GAP - width if across < 0 else anchor.x - width / 2
    step = HEIGHT if across else HEIGHT + 1
    middle = anchor.y + down * (step if down in (-1, 1) else step * 0.9)
    return Box(left, middle - HEIGHT / 2, left + width, middle + HEIGHT / 2)


def _hits(box: Box, taken: Sequence[Box]) -> bool:
    return any(box.overlaps(other) for other in taken)
