"""Checks of what an adapter may offer beside `encode`: two stages, smaller pictures, one embedding for both roles."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from mbench.core.errors import MbenchError
from mbench.core.staged import reducer, staged
from mbench.core.types import Item
from mbench.models.conformance_checks import ROLES, widest, within
from mbench.models.conformance_items import PICTURES, drawing, ordinary, pictured, turned
from mbench.models.conformance_subject import Check, Finding, MisbehaviourError, Subject, failed, noted, skipped


def two_stages(subject: Subject) -> Finding:
    """What was prepared, several batches ahead, is embedded as `encode` embeds it."""
    if staged(subject.encoder) is None:
        return noted("no `prepare` and `encode_prepared`: only decoding is done while the model is busy")
    items = ordinary(subject.card)
    lists = dict(zip(ROLES, (items, items[::-1]), strict=True))
    whole = {role: subject.encode(some, role) for role, some in lists.items()}
    ahead = {role: subject.prepared(some, role) for role, some in lists.items()}
    worst, where = 0.0, ""
    for role, some in lists.items():
        far, item_id = widest(subject, some, whole[role], subject.encode_prepared(ahead[role]))
        worst, where = max((worst, where), (far, f"{role} {item_id!r}"))
    return within(subject, worst, f"between `encode` and `encode_prepared` after `prepare`, most for {where}")


def reduced_pictures(subject: Subject) -> Finding:
    """An item is embedded as it is if its picture was reduced before: alone to the last bit."""
    if reducer(subject.encoder) is None:
        return noted("no `reduced`: a batch of pictures is held as large as they are")
    items = [item for item in ordinary(subject.card) if item.image is not None]
    if not items:
        return skipped("the card lists no modality with a picture")
    moved = _moved(subject, [*items, *_unusual(subject)])
    if moved:
        return failed(f"`encode` gives another vector after `reduced` for {', '.join(map(repr, moved))}")
    far, where = widest(subject, items, subject.encode(items), subject.encode([subject.reduced(one) for one in items]))
    return within(subject, far, f"between whole and reduced pictures in a batch, most for {where!r}")


def _moved(subject: Subject, items: Sequence[Item]) -> list[str]:
    """Return the ids of items whose vectors are not the same bits after `reduced`."""
    pairs = ((item, subject.reduced(item), role) for item in items for role in ROLES)
    other = {
        item.id: None
        for item, small, role in pairs
        if not np.array_equal(subject.alone(item, role), subject.alone(small, role))
    }
    return list(other)


def _unusual(subject: Subject) -> list[Item]:
    """Return items with pictures of strange forms, those that the adapter embeds; the others are another check's."""
    made = {name: make() for name, make in PICTURES.items()} | {"turned by EXIF": turned(drawing(1, 90, 50))}
    found = []
    for name, picture in made.items():
        item = pictured(subject.card, f"check-{name}", picture)
        with suppress(MbenchError, MisbehaviourError):
            if item is not None and all(len(subject.alone(item, role)) for role in ROLES):
                found.append(item)
    return found


def roles_alike(subject: Subject) -> Finding:
    """An item without instruction has one embedding in both roles, if the adapter says so: it is embedded once."""
    if not getattr(subject.encoder, "roles_alike", False):
        return noted("not told: what is a query here and a candidate there is embedded twice")
    items = ordinary(subject.card, instruction=None)
    query, candidate = (np.stack([subject.alone(item, role) for item in items]) for role in ROLES)
    worst, where = widest(subject, items, query, candidate)
    return within(subject, worst, f"as query and as candidate, most for {where!r}; the adapter says roles_alike: True")


CHECKS = (
    Check("declared", "two stages", two_stages),
    Check("declared", "reduced pictures", reduced_pictures),
    Check("declared", "roles alike", roles_alike),
)
