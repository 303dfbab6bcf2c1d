"""Builds tasks/emoji/data: `python -m tools.emoji.build --out tasks/emoji/data --cache build/emoji`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.emoji.check import problems
from tools.emoji.cir import cir_task
from tools.emoji.questions import Task
from tools.emoji.scenes import control_tasks
from tools.emoji.single import classification_task, image_to_text_task, text_to_image_task
from tools.emoji.sources import DEFAULT_CACHE, SourceError
from tools.emoji.union import union_concepts, union_task
from tools.emoji.vqa import vqa_task
from tools.emoji.write import used_pictures, write_pictures, write_task


def all_tasks(cache_dir: Path) -> list[Task]:
    """The eight tasks, built anew."""
    concepts = union_concepts(cache_dir)
    return [
        *control_tasks(cache_dir),
        cir_task([row.hex for row in concepts], cache_dir),
        classification_task(cache_dir),
        vqa_task(cache_dir),
        image_to_text_task(cache_dir),
        text_to_image_task(cache_dir),
        union_task(concepts, cache_dir),
    ]


def build(out: Path, cache_dir: Path) -> list[str]:
    """Writes the data set and returns what the check finds wrong in it: nothing, if all is well."""
    out.mkdir(parents=True, exist_ok=True)
    tasks = all_tasks(cache_dir)
    for task in tasks:
        write_task(task, out)
        print(f"{task.id}: {len(task.queries)} queries, {len(task.candidates)} candidates")
    write_pictures(used_pictures(tasks), out, cache_dir)
    print(f"{sum(path.stat().st_size for path in out.glob('*.parquet')):,} bytes in {out}")
    return problems(out)


def main() -> int:
    """Command line; exit code 0 when the data set is built and sound, 1 when it is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("tasks/emoji/data"))
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="packages and rendered pictures")
    arguments = parser.parse_args()
    try:
        found = build(arguments.out, arguments.cache)
    except SourceError as error:
        found = [str(error)]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
