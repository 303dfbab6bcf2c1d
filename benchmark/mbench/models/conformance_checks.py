"""Checks of the vectors themselves: their form, that they come out the same, and what they depend on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mbench.core.errors import MbenchError
from mbench.core.specs import Modality
from mbench.core.types import Floats, Item, Role, needs_of
from mbench.models.conformance_items import INSTRUCTIONS, WORDS, drawing, of_modality, ordinary
from mbench.models.conformance_subject import LEAST_EFFECT, Check, Finding, Subject, failed, noted, passed, skipped

ROLES: tuple[Role, Role] = ("query", "candidate")


def shape(subject: Subject) -> Finding:
    """One vector an item, of the dimension that the card tells, in both roles."""
    items = ordinary(subject.card)
    widths = sorted({subject.encode(items, role).shape[1] for role in ROLES})
    if len(widths) > 1:
        return failed(f"queries and candidates have different dimensions: {widths}")
    declared = subject.card.dimension
    if declared is None:
        return passed(f"[{len(items)}, {widths[0]}]; the card tells no dimension")
    if declared != widths[0]:
        return failed(f"{widths[0]} numbers a vector; the card says {declared}")
    return passed(f"[{len(items)}, {declared}]")


def kind(subject: Subject) -> Finding:
    """A numpy array of float32."""
    found = subject.raw(ordinary(subject.card), "query")
    if not isinstance(found, np.ndarray):
        return failed(f"encode returned {type(found).__name__}; expected a numpy array")
    return passed() if found.dtype == np.float32 else failed(f"{found.dtype}; expected float32")


def finite(subject: Subject) -> Finding:
    """Neither NaN nor infinity."""
    for role in ROLES:
        subject.encode(ordinary(subject.card), role)
    return passed()


def length(subject: Subject) -> Finding:
    """A cosine model's vectors have a length that can be made 1, which mbench does; no other's are zero throughout."""
    vectors = np.concatenate([subject.encode(ordinary(subject.card), role) for role in ROLES])
    lengths = np.linalg.norm(vectors, axis=1)
    least, most = float(lengths.min()), float(lengths.max())
    between = f"{least:.4g}" if np.isclose(least, most, rtol=1e-4) else f"{least:.4g} to {most:.4g}"
    if subject.card.similarity == "dot":
        return noted(f"{between}; scores are dot products, so lengths count", least=least, most=most)
    if least == 0:
        return failed("a zero vector, which has no direction, for an ordinary item")
    return passed(f"{between}; scaled to 1 before scoring", least=least, most=most)


def empty_list(subject: Subject) -> Finding:
    """No items give no vectors, [0, d]."""
    try:
        found = subject.raw([], "query")
    except MbenchError as error:
        return passed(f"refused by name: {error}")
    if getattr(found, "ndim", None) != 2 or len(found):
        return failed(f"returned {type(found).__name__} {list(np.shape(found))} for no items; expected [0, dimension]")
    return passed(str(list(found.shape)))


def same_again(subject: Subject) -> Finding:
    """The same call gives the same bits."""
    for role in ROLES:
        items = ordinary(subject.card)
        first, second = subject.encode(items, role), subject.encode(items, role)
        unequal = (first != second).any(axis=1)
        if unequal.any():
            worst = max(map(subject.gap, first, second))
            which = items[int(unequal.argmax())].id
            return failed(f"the second call gave other vectors, first for {role} {which!r}", gap=worst)
    return passed("equal to the last bit")


def kept(subject: Subject) -> Finding:
    """What a call returned is the caller's: a later call leaves it alone."""
    items = ordinary(subject.card)[: subject.batch]
    first = subject.array(subject.raw(items, "query"))
    before = first.copy()
    subject.raw(items[::-1], "candidate")
    if np.array_equal(first, before, equal_nan=first.dtype.kind == "f"):
        return passed()
    return failed("a later call overwrote the vectors that an earlier one returned; return a copy of the buffer")


def alone_or_together(subject: Subject) -> Finding:
    """An item's vector does not depend on what shares its batch."""
    if subject.batch == 1:
        return skipped("batches of one item were asked for")
    worst, where = 0.0, ""
    for role in ROLES:
        items = ordinary(subject.card)
        alone = np.stack([subject.alone(item, role) for item in items])
        far, item_id = widest(subject, items, alone, subject.encode(items, role))
        worst, where = max((worst, where), (far, f"{role} {item_id!r}"))
    return within(subject, worst, f"alone and in a batch of {len(items)}, most for {where}")


def any_order(subject: Subject) -> Finding:
    """An item's vector does not depend on its place in a batch."""
    if subject.batch == 1:
        return skipped("batches of one item were asked for")
    items = ordinary(subject.card)
    straight = subject.encode(items)
    orders = [np.arange(len(items))[::-1], np.random.default_rng(0).permutation(len(items))]
    worst, where = 0.0, ""
    for order in orders:
        shuffled = subject.encode([items[place] for place in order])
        found = np.empty_like(straight)
        found[order] = shuffled
        worst, where = max((worst, where), widest(subject, items, straight, found))
    return within(subject, worst, f"in three orders, most for {where!r}")


def other_id(subject: Subject) -> Finding:
    """Equal items get equal vectors whatever their ids: mbench embeds each content once."""
    if "id" in needs_of(subject.encoder):
        return skipped("the adapter says that it needs the id")
    items = ordinary(subject.card)
    worst = max(_change(subject, item, replace(item, id=f"{item.id}-again")) for item in items)
    return within(subject, worst, "under two ids; `needs` does not list id")


def other_text(subject: Subject) -> Finding:
    """Another text changes the vectors of all modalities with text if `needs` lists text, and only then."""
    return _as_needed(subject, "text", lambda one: [of_modality(one, one, text=text) for text in WORDS[:2]])


def other_picture(subject: Subject) -> Finding:
    """Another picture changes the vectors of all modalities with pictures if `needs` lists image, and only then."""
    return _as_needed(subject, "image", lambda one: [of_modality(one, one, image=drawing(seed)) for seed in (3, 4)])


def role(subject: Subject) -> Finding:
    """An item without instruction has another vector as a candidate if the card says so, and only then."""
    items = [of_modality(modality, modality) for modality in subject.card.modalities]
    gaps = {one.id: subject.gap(subject.alone(one, "query"), subject.alone(one, "candidate")) for one in items}
    declared = subject.card.roles_differ
    worst = max(gaps.values())
    if declared is None:
        word = "differ" if worst > LEAST_EFFECT else "are alike"
        return noted(f"as query and as candidate {word}; the card does not tell (roles_differ)", gap=worst)
    if declared:
        return _changes(gaps, "role", "the card says roles_differ: true")
    return within(subject, worst, "as query and as candidate; the card says roles_differ: false")


def instruction(subject: Subject) -> Finding:
    """Another instruction changes a query if the card says that instructions are used, and only then."""
    gaps: dict[str, float] = {one: _instructed(subject, one, "query") for one in subject.card.modalities}
    if subject.card.uses_instructions:
        return _changes(gaps, "instruction", "the card says uses_instructions: true")
    worst = max(*gaps.values(), *(_instructed(subject, one, "candidate") for one in subject.card.modalities))
    return within(subject, worst, "under three instructions; the card says uses_instructions: false")


def candidate_instruction(subject: Subject) -> Finding:
    """Whether a candidate's instruction is read; models differ."""
    gaps = {one: _instructed(subject, one, "candidate") for one in subject.card.modalities}
    read = [one for one, gap in gaps.items() if gap > LEAST_EFFECT]
    return noted(f"read for {', '.join(read)}" if read else "not read")


def identity(subject: Subject) -> Finding:
    """Whether embeddings may be stored and used again."""
    told = getattr(subject.encoder, "identity", None)
    if not told:
        return noted("the adapter tells no `identity`: its embeddings are not stored, every run encodes anew")
    return passed(f"told by {', '.join(map(str, told))}")


def _as_needed(subject: Subject, need: str, pair: Callable[[Modality], list[Item]]) -> Finding:
    gaps = {one: _change(subject, *pair(one)) for one in subject.card.modalities if need in one}
    if not gaps:
        return skipped(f"the card lists no modality with {need}")
    if need not in needs_of(subject.encoder):
        return within(subject, max(gaps.values()), f"with two of them; `needs` does not list {need}")
    blind = [name for name, gap in gaps.items() if gap <= LEAST_EFFECT]
    if blind:
        return failed(f"another {need} changes nothing in {', '.join(blind)}, though `needs` lists {need}", gap=0.0)
    return passed(f"changes {', '.join(gaps)}", gap=min(gaps.values()))


def _change(subject: Subject, one: Item, other: Item) -> float:
    return subject.gap(subject.alone(one), subject.alone(other))


def _instructed(subject: Subject, modality: str, as_role: Role) -> float:
    """Return the gap that another instruction makes; where none may matter, also the gap that the first makes."""
    item = of_modality(modality, modality)
    plain, first, second = (subject.alone(replace(item, instruction=words), as_role) for words in (None, *INSTRUCTIONS))
    between = subject.gap(first, second)
    return between if subject.card.uses_instructions else max(between, subject.gap(plain, first))


def _changes(gaps: dict[str, float], what: str, declared: str) -> Finding:
    seen = [name for name, gap in gaps.items() if gap > LEAST_EFFECT]
    if not seen:
        return failed(f"another {what} changes nothing, though {declared}", gap=max(gaps.values()))
    blind = [name for name in gaps if name not in seen]
    return passed(f"changes {', '.join(seen)}" + (f"; not {', '.join(blind)}" if blind else ""), gap=max(gaps.values()))


def widest(subject: Subject, items: list[Item], one: Floats, other: Floats) -> tuple[float, str]:
    """Return the largest gap between the rows of two arrays [n, d], and the id of its item."""
    gaps = [subject.gap(*pair) for pair in zip(one, other, strict=True)]
    place = int(np.argmax(gaps))
    return gaps[place], items[place].id


def within(subject: Subject, gap: float, between: str) -> Finding:
    """Return whether rounding explains a gap; `between` says of what."""
    verdict = failed if gap > subject.tolerance else passed
    return verdict(f"gap {gap:.1e} {between}; tolerance {subject.tolerance:g}", gap=gap, tolerance=subject.tolerance)


CHECKS = (
    Check("vectors", "shape", shape),
    Check("vectors", "float32", kind),
    Check("vectors", "finite", finite),
    Check("vectors", "length", length),
    Check("vectors", "no items", empty_list),
    Check("repetition", "same call twice", same_again),
    Check("repetition", "vectors are kept", kept),
    Check("repetition", "alone or in a batch", alone_or_together),
    Check("repetition", "any order", any_order),
    Check("declared", "id", other_id),
    Check("declared", "text", other_text),
    Check("declared", "picture", other_picture),
    Check("declared", "role", role),
    Check("declared", "instruction", instruction),
    Check("declared", "instruction of a candidate", candidate_instruction),
    Check("declared", "identity", identity),
)
