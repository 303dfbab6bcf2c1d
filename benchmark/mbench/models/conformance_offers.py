"""Checks of what an adapter may offer beside `encode`: work in two stages, and one embedding for both roles."""

from __future__ import annotations

import numpy as np

from mbench.core.staged import staged
from mbench.models.conformance_checks import ROLES, widest, within
from mbench.models.conformance_items import ordinary
from mbench.models.conformance_subject import Check, Finding, Subject, noted


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


def roles_alike(subject: Subject) -> Finding:
    """An item without instruction has one embedding in both roles, if the adapter says so: it is embedded once."""
    if not getattr(subject.encoder, "roles_alike", False):
        return noted("not told: what is a query here and a candidate there is embedded twice")
    items = ordinary(subject.card, instruction=None)
    query, candidate = (np.stack([subject.alone(item, role) for item in items]) for role in ROLES)
    worst, where = widest(subject, items, query, candidate)
    return within(subject, worst, f"as query and as candidate, most for {where!r}; the adapter says roles_alike: True")


CHECKS = (Check("declared", "two stages", two_stages), Check("declared", "roles alike", roles_alike))
