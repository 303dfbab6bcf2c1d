"""Speed of the exact search, as ratios to a bare product and to other searches measured in the same run.

`python benchmark/bench/search.py [--threads N] [--repeats R] [--k K] [--clock wall|processor] [--only NAME]` prints one
JSON line a figure: the median seconds of either side, and the median over the rounds of ours / theirs (below 1: mbench
is faster). In a round all take their turn, so that a busy machine slows all alike. What the others find must have our
scores, or there is no figure. The cases `avx2-` and `vnni-` are measured with the instructions of processors without
bfloat16: one of AVX2 alone, and one of AVX-512 that multiplies int8.

Each is measured twice: as the first searches of a process are, and, `with loops`, as they are once so much was searched
that compiled loops are used (numba, in the extra `fast`).

The bare product, tile by tile, is of float32, and includes the conversion of a float16 corpus. Faiss's index is there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from mbench.core.compiled import available
from mbench.retrieval.probe import fastest_precision
from mbench.retrieval.vectors import NUMBERS
from mbench.search import top_k

TILE = 8192
DIMENSION = 768
Search = Callable[[], np.ndarray | None]
"""Returns the scores [n_q, k], best first; None where nothing is searched (the bare product)."""


@dataclass(frozen=True)
class Case:
    """Unit vectors, `queries` x `corpus`; float16 on disk, or float32 in memory."""

    name: str
    queries: int
    corpus: int
    on_disk: bool
    alternatives: tuple[str, ...]


CASES = (
    Case("100k", 1000, 100_000, False, ("gemm", "faiss", "torch.topk", "numpy.argpartition")),
    Case("1m", 256, 1_000_000, True, ("gemm", "faiss", "torch.topk")),
    Case("fp32-filter-100k", 1000, 100_000, False, ("gemm", "faiss")),
    Case("avx2-100k", 1000, 100_000, False, ("gemm", "faiss")),
    Case("avx2-1m", 256, 1_000_000, True, ("gemm", "faiss")),
    Case("vnni-100k", 1000, 100_000, False, ("gemm", "faiss")),
)
PROCESSORS = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse3,+sse4.1,+sse4.2,+ssse3",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
    "vnni": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
}
"""Hold torch, faiss and numpy to what a processor without bfloat16 has; they read it when they are imported."""


def main() -> None:
    """Measure every figure and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--only", choices=[case.name for case in CASES])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for case in CASES:
        if options.only not in (None, case.name):
            continue
        processor = PROCESSORS.get(case.name.split("-")[0], {})
        if not processor.items() <= os.environ.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--only", case.name]
            subprocess.run(command, env=os.environ | processor, check=True)
        else:
            with tempfile.TemporaryDirectory() as folder:
                measure(case, options, Path(folder))


def measure(case: Case, options: argparse.Namespace, folder: Path) -> None:
    """Time all searches of a case in turn and print a line for each alternative."""
    queries = np.concatenate(list(unit_vectors(case.queries, seed=1)))
    corpus = made_corpus(case, folder)
    precision = "fp32" if case.name.startswith("fp32") else fastest_precision("cpu")
    settings = (queries, corpus, options.k, options.threads, precision)
    searches: dict[str, Search] = {"ours": partial(ours, *settings, False)}
    if available():
        searches["ours with loops"] = partial(ours, *settings, True)
        searches["ours with loops"]()
    mine = list(searches)
    for name in case.alternatives:
        if name != "faiss" or find_spec("faiss"):
            searches[name] = PREPARE[name](queries, corpus, options.k, options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    rounds = [one_round(searches, clock) for _ in range(options.repeats)]
    size = {
        "queries": case.queries,
        "corpus": case.corpus,
        "dimension": DIMENSION,
        "type": str(corpus.dtype),
        "k": options.k,
        "filter": precision,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": options.threads,
        "clock": options.clock,
        "repeats": options.repeats,
    }
    for name, ours_is in itertools.product(list(searches)[len(mine) :], mine):
        line = {
            "figure": f"search/{case.name}/{name}{ours_is.removeprefix('ours')}",
            "ratio": round(statistics.median(one[ours_is] / one[name] for one in rounds), 3),
            "ours_seconds": round(statistics.median(one[ours_is] for one in rounds), 3),
            "theirs_seconds": round(statistics.median(one[name] for one in rounds), 3),
            "against": against(name),
        }
        print(json.dumps(line | size), flush=True)


def one_round(searches: dict[str, Search], clock: Callable[[], float]) -> dict[str, float]:
    """Return the seconds that each search took. Raises AssertionError where the scores differ."""
    seconds: dict[str, float] = {}
    found: list[np.ndarray] = []
    for name, search in searches.items():
        start = clock()
        scores = search()
        seconds[name] = clock() - start
        if scores is not None:
            found.append(scores)
            np.testing.assert_allclose(scores, found[0], atol=1e-5)
    return seconds


def unit_vectors(n: int, seed: int) -> Iterator[np.ndarray]:
    """Yield `n` float32 vectors of length 1 in pieces."""
    random = np.random.default_rng(seed)
    for start in range(0, n, TILE):
        vectors = random.standard_normal((min(TILE, n - start), DIMENSION), dtype=np.float32)
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def made_corpus(case: Case, folder: Path) -> np.ndarray:
    """Return float32 vectors in memory, or float16 vectors mapped from a file."""
    if not case.on_disk:
        return np.concatenate(list(unit_vectors(case.corpus, seed=2)))
    path = folder / "corpus.f16"
    with path.open("wb") as file:
        for vectors in unit_vectors(case.corpus, seed=2):
            file.write(vectors.astype(np.float16).tobytes())
    return np.memmap(path, dtype=np.float16, mode="r", shape=(case.corpus, DIMENSION))


def ours(queries: np.ndarray, corpus: np.ndarray, k: int, threads: int, precision: str, loops: bool) -> np.ndarray:
    """Search with mbench, with compiled loops or without."""
    NUMBERS.enough = -1 if loops else sys.maxsize
    return top_k(queries, corpus, k, workers=threads, precision=precision).scores


def products(queries: np.ndarray, corpus: np.ndarray) -> Iterator[torch.Tensor]:
    """Yield the float32 products with each tile; the memory is used again for the next."""
    left = torch.from_numpy(queries)
    room = torch.empty(len(queries) * TILE)
    for start in range(0, len(corpus), TILE):
        tile = torch.from_numpy(np.asarray(corpus[start : start + TILE], dtype=np.float32))
        yield torch.mm(left, tile.T, out=room[: len(queries) * len(tile)].view(len(queries), len(tile)))


def bare_product(queries: np.ndarray, corpus: np.ndarray, k: int, threads: int) -> Search:
    """Prepare the product alone."""

    def search() -> None:
        for _ in products(queries, corpus):
            pass

    return search


def chunked_topk(queries: np.ndarray, corpus: np.ndarray, k: int, threads: int) -> Search:
    """Prepare torch.topk of each tile, merged into the best so far."""

    def search() -> np.ndarray:
        best = torch.empty((len(queries), 0))
        for product in products(queries, corpus):
            values = product.topk(k, dim=1).values
            best = torch.cat([best, values], dim=1).topk(k, dim=1).values
        return best.numpy()

    return search


def full_argpartition(queries: np.ndarray, corpus: np.ndarray, k: int, threads: int) -> Search:
    """Prepare one whole product with numpy's selection and sorting of the selected."""

    def search() -> np.ndarray:
        scores = np.concatenate([product.numpy().copy() for product in products(queries, corpus)], axis=1)
        selected = np.argpartition(-scores, k, axis=1)[:, :k]
        return -np.sort(-np.take_along_axis(scores, selected, axis=1), axis=1)

    return search


def faiss_flat(queries: np.ndarray, corpus: np.ndarray, k: int, threads: int) -> Search:
    """Prepare an exact index of faiss."""
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(DIMENSION)
    for start in range(0, len(corpus), TILE):
        index.add(np.asarray(corpus[start : start + TILE], dtype=np.float32))
    return lambda: index.search(queries, k)[0]


PREPARE: dict[str, Callable[[np.ndarray, np.ndarray, int, int], Search]] = {
    "gemm": bare_product,
    "faiss": faiss_flat,
    "torch.topk": chunked_topk,
    "numpy.argpartition": full_argpartition,
}


def against(name: str) -> str:
    """Return package and version of an alternative."""
    package = {"faiss": "faiss-cpu", "numpy.argpartition": "numpy"}.get(name, "torch")
    return f"{package} {version(package)}"


if __name__ == "__main__":
    main()
