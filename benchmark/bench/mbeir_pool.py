"""Loading M-BEIR: a synthetic pool in the official format, read by json, by pyarrow and by mbench.

`python benchmark/bench/mbeir_pool.py make FOLDER [--share S]` writes the union pool, queries and qrels of all 16
settings with the official numbers of rows (5,609,079 and 190,573), or a share of them; about 1.5 GB.
`python benchmark/bench/mbeir_pool.py measure FOLDER [--only NAME]` prints one JSON line a figure, each from a process
of its own: seconds, processor seconds over all cores, the highest resident memory, the highest anonymous memory (what
is left without the pages of mapped files, which the system takes back), rows, and how busy the machine was before.
`mbench-cold` loads all 16 tasks with an empty cache, `mbench-warm` again with a full one; `json` and `pyarrow` only
read the pool.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mbench.core.specs import TaskSpec
from mbench.data.catalog import Catalog, Task
from mbench.data.loading import load

POOL = "cand_pool/global/mbeir_union_test_cand_pool.jsonl"
OFFICIAL = {"image+text": "image,text"}
WORDS = ("lamp", "river", "wool", "tower", "copper", "lemon", "quiet", "harbour", "seven", "window", "glass", "under")
PHRASES = 4096
LENGTHS = {"text": 45, "image": 0, "image,text": 30}
"""Words of a candidate's text by modality: passages of Wikipedia are long."""


@dataclass(frozen=True)
class Setting:
    """What is made of one setting: its name, data set, and the number and modality of its rows."""

    name: str
    dataset: str
    queries: int
    candidates: int
    asks: str
    answers: str

    @staticmethod
    def of(spec: TaskSpec, share: float) -> Setting:
        """Take a share of the rows of a declared task."""
        options, queries, candidates = spec.source.options, 0, 0
        if spec.sizes is not None:
            queries, candidates = spec.sizes.queries, spec.sizes.candidates
        return Setting(
            str(options["setting"]),
            str(options["dataset"]),
            max(1, round(queries * share)),
            max(1, round(candidates * share)),
            OFFICIAL.get(spec.query.modality[0], spec.query.modality[0]),
            str(options["target"]),
        )


class OwnMemory(threading.Thread):
    """Looks every 20 ms how much anonymous memory this process holds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._most = 0
        self._done = threading.Event()

    def run(self) -> None:
        """Look until `peak` is called."""
        while True:
            found = re.search(r"^RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
            self._most = max(self._most, int(found[1]) if found else 0)
            if self._done.wait(0.02):
                return

    def peak(self) -> int:
        """Return the most that was seen, in kB, and stop looking."""
        self._done.set()
        self.join()
        return self._most


def main() -> None:
    """Make the files, measure every figure, or one in this process."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("action", choices=["make", "measure", "one"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--only", choices=FIGURES)
    args = parser.parse_args()
    if args.action == "make":
        make(args.folder, args.share)
    elif args.action == "one":
        print(json.dumps(one(args.only, args.folder)))
    else:
        for name in [args.only] if args.only else FIGURES:
            subprocess.run([sys.executable, __file__, "one", str(args.folder), "--only", name], check=True)


def make(folder: Path, share: float) -> None:
    """Write the files of all settings below `folder/mbeir`."""
    generator = random.Random(0)  # noqa: S311
    phrases = {
        modality: [" ".join(generator.choices(WORDS, k=length)) for _ in range(PHRASES)]
        for modality, length in LENGTHS.items()
    }
    used: dict[str, int] = {}
    with _opened(folder, POOL) as pool:
        for task in Catalog.read().tasks(["mbeir-local"]):
            setting = Setting.of(task.spec, share)
            first = used.get(setting.dataset, 0) + 1
            used[setting.dataset] = first + setting.candidates - 1
            pool.writelines(_candidates(setting, first, phrases[setting.answers]))
            _write_queries(folder, setting, first, generator)


def _candidates(setting: Setting, first: int, phrases: list[str]) -> Iterator[str]:
    named = "image" in setting.answers
    for number in range(first, first + setting.candidates):
        text = f'"{number} {phrases[number % PHRASES]}"' if phrases[0] else "null"
        path = f'"mbeir_images/{setting.name}_images/{number % 1000:03}/{number:09}.jpg"' if named else "null"
        yield (
            f'{{"txt": {text}, "img_path": {path}, "modality": "{setting.answers}", '
            f'"did": "{setting.dataset}:{number}", "src_content": null}}\n'
        )


def _write_queries(folder: Path, setting: Setting, first: int, generator: random.Random) -> None:
    """Every query has one to three right answers."""
    with (
        _opened(folder, f"query/test/mbeir_{setting.name}_test.jsonl") as queries,
        _opened(folder, f"qrels/test/mbeir_{setting.name}_test_qrels.txt") as qrels,
    ):
        for number in range(1, setting.queries + 1):
            qid = f"{setting.dataset}:{setting.name[-1]}{number:07}"
            answers = generator.choices(range(first, first + setting.candidates), k=generator.randint(1, 3))
            names = [f"{setting.dataset}:{one}" for one in dict.fromkeys(answers)]
            row = {
                "qid": qid,
                "query_txt": f"What is {number}?" if "text" in setting.asks else None,
                "query_img_path": f"mbeir_images/queries/{number}.jpg" if "image" in setting.asks else None,
                "query_modality": setting.asks,
                "query_src_content": None,
                "pos_cand_list": names,
                "neg_cand_list": [],
            }
            queries.write(json.dumps(row) + "\n")
            qrels.writelines(f"{qid} 0 {name} 1 {setting.name[-1]}\n" for name in names)


def _opened(folder: Path, name: str) -> TextIO:
    path = folder / "mbeir" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8")


def one(name: str, folder: Path) -> dict[str, object]:
    """Measure one figure in this process."""
    load_before = os.getloadavg()[0]
    if name == "mbench-cold":
        shutil.rmtree(folder / "mbeir" / ".mbench-arrow", ignore_errors=True)
    own = OwnMemory()
    own.start()
    start, busy = time.perf_counter(), time.process_time()
    rows = FIGURES[name](folder)
    return {
        "figure": name,
        "seconds": round(time.perf_counter() - start, 2),
        "processor_seconds": round(time.process_time() - busy, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, 2),
        "peak_own_gb": round(own.peak() / 1024**2, 2),
        "rows": rows,
        "load_before": round(load_before, 1),
        "cores": len(os.sched_getaffinity(0)),
    }


def _by_json(folder: Path) -> int:
    with (folder / "mbeir" / POOL).open(encoding="utf-8") as file:
        return len([json.loads(line) for line in file])


def _by_json_kept_in_columns(folder: Path) -> int:
    columns: dict[str, list[object]] = {name: [] for name in ("did", "txt", "img_path", "modality")}
    with (folder / "mbeir" / POOL).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            for name, values in columns.items():
                values.append(row[name])
    return len(columns["did"])


def _by_pyarrow(folder: Path) -> int:
    import pyarrow.json as pj

    return int(pj.read_json(folder / "mbeir" / POOL).num_rows)


def _by_mbench(folder: Path) -> int:
    """Hold queries, candidates and judgments of all 16 tasks at once."""
    data = [load(_unsized(task), folder) for task in Catalog.read().tasks(["mbeir"])]
    return len(data[0].corpus) + sum(len(one.queries) for one in data)


def _unsized(task: Task) -> Task:
    """Let a share of the official rows load, too."""
    return Task(task.spec.model_copy(update={"sizes": None}), task.path, task.fingerprint)


FIGURES: dict[str, Callable[[Path], int]] = {
    "json": _by_json,
    "json-columns": _by_json_kept_in_columns,
    "pyarrow": _by_pyarrow,
    "mbench-cold": _by_mbench,
    "mbench-warm": _by_mbench,
}

if __name__ == "__main__":
    main()
