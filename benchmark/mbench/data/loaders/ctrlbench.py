"""Reconstructions of CtrlBench (ABC, https://arxiv.org/abs/2503.00329), whose own data, sizes and script are not
public: one picture with several instructions, each of which must find its own phrase among those of all pictures.

A phrase is one candidate however many pictures have it; its id is `content_id(phrase)`. Query ids are
`<picture>-<number>`. The pool `subset` holds the phrases of the query's own picture, and the queries of a picture are a
group. Should the original appear, files in the same schema and a YAML file are all that is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pydantic import Field

from mbench.core.declared import spec_from
from mbench.core.errors import DataError, listed
from mbench.core.specs import Strict, TaskSpec
from mbench.core.types import EvalData, Judgments
from mbench.data.content import content_id
from mbench.data.image_folders import SpreadImages
from mbench.data.judging import groups_of, sets_of
from mbench.data.loaders.ctrlbench_scenes import Scene, distinct, read_instruct, read_questions, sample
from mbench.data.loading import SourceFiles
from mbench.data.table import ArrowTable

LIST = pa.list_(pa.string())


class CtrlbenchOptions(Strict):
    """`source.options` of this loader.

    format, pairs: the files, a path or a pattern below the folder. pictures: paths in which a picture is looked for by
    its id, one after the other. least, most: pairs that a picture must have, and that are used. sample, salt: how many
    pictures, chosen by hash. images: a file of picture ids, one a line, that are taken instead. outside: files of
    ABC-VG-Instruct whose pictures are not taken.
    """

    format: Literal["abc-vg-instruct", "visual-genome-qa"]
    pairs: str
    pictures: list[str] = Field(min_length=1)
    least: int = Field(default=2, ge=2)
    most: int | None = Field(default=None, ge=2)
    sample: int | None = Field(default=None, ge=1)
    salt: str = "ctrlbench-1"
    images: str | None = None
    outside: str | None = None


def load(spec: TaskSpec, files: SourceFiles) -> EvalData:
    """Read the pairs of the chosen pictures.

    Raises SpecError for wrong options and DataError for files that are missing or wrong and for too few pictures.
    """
    options: CtrlbenchOptions = spec_from(CtrlbenchOptions, spec.source.options, f"{spec.id}: source.options")
    paths = _found(files, options.pairs)
    if options.format == "abc-vg-instruct":
        read: Iterable[Scene] = read_instruct(paths)
    else:
        read = (scene for path in paths for scene in read_questions(path))
    scenes = _chosen(read, options, files, spec.id)
    return _data(spec, scenes, SpreadImages.below(files.root, options.pictures))


def _chosen(read: Iterable[Scene], options: CtrlbenchOptions, files: SourceFiles, task: str) -> list[Scene]:
    """Return the pictures that a file names, or that the sample draws, with the pairs that are used."""
    outside = {one.image for one in read_instruct(_found(files, options.outside))} if options.outside else set()
    wanted = _listed_images(files.path(options.images)) if options.images else None
    usable = (
        scene
        for one in read
        if one.image not in outside and (wanted is None or one.image in wanted)
        for scene in [distinct(one, options.most)]
        if len(scene.pairs) >= options.least
    )
    number = options.sample if wanted is None else len(wanted)
    scenes = list(usable) if number is None else sample(usable, number, options.salt)
    if number is not None and len(scenes) < number:
        lacking = sorted((wanted or set()) - {one.image for one in scenes})
        names = f": {listed(lacking)} not among them" if lacking else ""
        raise DataError(
            f"{task}: {len(scenes)} pictures with at least {options.least} different instructions and answers; "
            f"{number} are needed{names}."
        )
    return scenes


def _data(spec: TaskSpec, scenes: list[Scene], pictures: SpreadImages) -> EvalData:
    pairs = [(scene, number) for scene in scenes for number in range(len(scene.pairs))]
    answers = [content_id(scene.pairs[number].answer) for scene, number in pairs]
    queries = ArrowTable.of(
        {
            "id": [f"{scene.image}-{number}" for scene, number in pairs],
            "instruction": [scene.pairs[number].instruction for scene, number in pairs],
            "image": [scene.image for scene, _ in pairs],
        },
        name=f"the queries of {spec.id}",
        pictures=pictures,
    )
    phrases = {name: scene.pairs[number].answer for name, (scene, number) in zip(answers, pairs, strict=True)}
    corpus = ArrowTable.of({"id": list(phrases), "text": list(phrases.values())}, name=f"the candidates of {spec.id}")
    subsets = [[content_id(pair.answer) for pair in scene.pairs] for scene, _ in pairs]
    return EvalData(
        queries,
        corpus,
        Judgments(
            labels={"relevant": sets_of(pa.array([[one] for one in answers], LIST), queries, corpus, "phrase")},
            pools={"subset": sets_of(pa.array(subsets, LIST), queries, corpus, "subset")},
            groups=groups_of(pa.array([scene.image for scene, _ in pairs], pa.string())),
        ),
    )


def _found(files: SourceFiles, pattern: str) -> list[Path]:
    """Return the files of a path or pattern, in the order of their names. Raises DataError when there are none."""
    place = files.place(pattern)
    found = sorted(place.parent.glob(place.name)) if place.parent.is_dir() else []
    return found or [files.path(pattern)]


def _listed_images(path: Path) -> set[str]:
    names = {line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    if not names:
        raise DataError(f"{path}: names no picture; expected one id a line.")
    return names
