"""What can be had without looking: `python -m tools.emoji.floors` prints it for every task, in percent."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean

from tools.emoji.check import TASKS, Loaded, Row, load, load_pictures

SLICES = {"emoji-ctrl": "kind", "emoji-cir": "change", "emoji-cls": "level", "emoji-vqa": "kind"}
Floor = Callable[[Loaded, list[Row]], float]


def chance(task: Loaded, queries: list[Row]) -> float:
    """Expected hit@1 of a random ranking."""
    ranked = (len(query["gallery"] or task.by_id) - len(query["exclude"]) for query in queries)
    return fmean(len(query["relevant"]) / size for query, size in zip(queries, ranked, strict=True))


def subset_chance(_: Loaded, queries: list[Row]) -> float:
    """Expected hit@1 of a random ranking of the subset; nan where the task has none."""
    shares = [len(set(q["relevant"]) & set(q["subset"])) / len(q["subset"]) for q in queries if q["subset"]]
    return fmean(shares) if shares else float("nan")


def constant(task: Loaded, queries: list[Row]) -> float:
    """hit@1 where all candidates tie: the highest id that is not excluded comes first."""
    every = sorted(task.by_id, reverse=True)
    ranked = (sorted(query["gallery"], reverse=True) if query["gallery"] else every for query in queries)
    first = (next(c for c in codes if c not in query["exclude"]) for query, codes in zip(queries, ranked, strict=True))
    return fmean(code in query["relevant"] for query, code in zip(queries, first, strict=True))


def subset_constant(_: Loaded, queries: list[Row]) -> float:
    """hit@1 in the subset where all candidates tie; nan where the task has none."""
    firsts = [max(q["subset"]) in q["relevant"] for q in queries if q["subset"]]
    return fmean(firsts) if firsts else float("nan")


def best_guess(_: Loaded, queries: list[Row]) -> float:
    """hit@1 of the answer that is right most often."""
    return max(Counter(code for query in queries for code in query["relevant"]).values()) / len(queries)


def words_only(_: Loaded, queries: list[Row]) -> float:
    """hit@1 of the commonest answer to the other questions in the same words: what the words give away."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for query in queries:
        answers[_words(query)].update(query["relevant"])
    return fmean(
        _commonest(answers[_words(query)] - Counter(query["relevant"])) in query["relevant"] for query in queries
    )


def _words(query: Row) -> str:
    return f"{query['instruction']} {query['text']}"


def _commonest(counts: Counter[str]) -> str | None:
    return max(counts, key=lambda code: (counts[code], code), default=None)


FLOORS: dict[str, Floor] = {
    "chance": chance,
    "constant": constant,
    "best guess": best_guess,
    "words only": words_only,
    "chance in subset": subset_chance,
    "constant in subset": subset_constant,
}


def lines(folder: Path) -> Iterable[str]:
    """One line a task or slice, tab separated."""
    yield "\t".join(["task", "slice", "queries", *FLOORS])
    pictures = load_pictures(folder)
    for name in TASKS:
        task = load(folder, name, pictures)
        groups = {"all": task.queries}
        for query in task.queries if name in SLICES else ():
            groups.setdefault(query[f"tag_{SLICES[name]}"][0], []).append(query)
        for group, queries in groups.items():
            values = [f"{100 * floor(task, queries):.2f}" for floor in FLOORS.values()]
            yield "\t".join([name, group, str(len(queries)), *values])


if __name__ == "__main__":
    for line in lines(Path(sys.argv[1] if len(sys.argv) > 1 else "tasks/emoji/data")):
        print(line)
