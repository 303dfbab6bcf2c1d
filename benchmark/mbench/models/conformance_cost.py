"""Whether a worker process can embed as this one does, and what embedding costs."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stdout
from dataclasses import dataclass

import numpy as np

from mbench.core.declared import cause
from mbench.core.errors import MbenchError
from mbench.core.files import canonical_json
from mbench.core.memory import is_out_of_memory, peak_memory
from mbench.core.types import Encoder, Floats, Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.conformance_items import drawing, of_modality, ordinary
from mbench.models.conformance_subject import Check, Finding, Subject, failed, noted, passed, skipped

TIMED = 16
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Order:
    """All that a worker is sent: what to load, and what to embed. The encoder itself never travels."""

    name: str
    options: LoadOptions
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back: vectors [n, d] and what identifies the model there, or why there are none."""

    vectors: Floats | None = None
    identity: str = ""
    error: str = ""
    out_of_memory: bool = False


def fulfil(order: Order) -> Answer:
    """Load a model by its name and options and embed: how every worker gets its model. Never raises, never prints."""
    try:
        with redirect_stdout(sys.stderr):
            encoder = load_model(order.name, order.options)
            vectors = np.asarray(encoder.encode(order.items, role="query"), dtype=np.float64)
        return Answer(vectors, identified(encoder))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        told = str(error) if isinstance(error, MbenchError) else cause(error)
        lacking = is_out_of_memory(error) or "not fit into memory" in told
        return Answer(error=told, out_of_memory=lacking)


def identified(encoder: Encoder) -> str:
    """Return what tells the loaded model from others: its revision and its identity, as JSON."""
    return canonical_json([encoder.card.revision, dict(getattr(encoder, "identity", None) or {})])


def worker(subject: Subject) -> Finding:
    """A spawned process that is sent the name and the options loads the same model and gives the same vectors."""
    items = ordinary(subject.card)[: subject.batch]
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            answer = pool.submit(fulfil, Order(subject.name, subject.options, items)).result()
    except BrokenProcessPool:
        return failed("the spawned process died while it loaded the model or embedded")
    if answer.out_of_memory:
        return skipped(f"the model does not fit into memory a second time: {answer.error}")
    if answer.vectors is None:
        return failed(f"a spawned process could not embed: {answer.error}")
    if answer.identity != identified(subject.encoder):
        return failed("loaded again, revision or identity are others: stored embeddings would never be found")
    gaps = [subject.gap(*pair) for pair in zip(subject.encode(items), answer.vectors, strict=True)]
    verdict = failed if max(gaps) > subject.tolerance else passed
    return verdict(f"gap {max(gaps):.1e} to this process; tolerance {subject.tolerance:g}", gap=max(gaps))


def speed(subject: Subject) -> Finding:
    """Items a second in each modality, in batches, on items that the model has not seen before."""
    found = {}
    for modality in subject.card.modalities:
        fresh = [
            of_modality(modality, f"timed-{place}", f"a cat beside {place} dogs", drawing(100 + place, 224, 224))
            for place in range(TIMED)
        ]
        start = time.perf_counter()
        subject.encode(fresh, "candidate")
        found[modality] = TIMED / (time.perf_counter() - start)
    told = ", ".join(
        f"{modality} {rate:,.0f}" if rate >= 10 else f"{modality} {rate:.2g}" for modality, rate in found.items()
    )
    return noted(f"{told} (pictures of 224 x 224)", **found)


def memory(_subject: Subject) -> Finding:
    """The most memory that this process has held so far, weights and libraries included, and the GPU's."""
    peak = peak_memory()
    found = {} if peak is None else {"resident": peak / MEGABYTE}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        devices = range(torch.cuda.device_count())
        found["GPU"] = sum(torch.cuda.max_memory_allocated(one) for one in devices) / MEGABYTE
    if not found:
        return skipped("this system does not tell")
    return noted("at most " + ", ".join(f"{amount:,.0f} MB {where}" for where, amount in found.items()), **found)


WORKER = Check("worker", "spawned, same vectors", worker)
CHECKS = (Check("cost", "items a second", speed), Check("cost", "memory", memory))
