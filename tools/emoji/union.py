"""emoji-union: one pool of texts, pictures and pairs; the instruction says which of them is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from tools.emoji.catalog import Emoji, lookalikes, targets
from tools.emoji.questions import Candidate, Query, Task, Wording, choose_wording, picture
from tools.emoji.scenes import Scene, SceneMaker
from tools.emoji.templates import HELD_OUT_UNION, POSITIONS, TRAIN_POSITION, TRAIN_UNION, fill

CONCEPTS = 400
PER_SETTING = 100
FORMS = {"text": "text", "image": "image", "pair": "image,text"}


def union_concepts(cache_dir: Path) -> list[Emoji]:
    """The concepts of the pool: each looks like no other label in either style, and can stand in a scene."""
    codes = {row.hex for row in targets(cache_dir)}
    alike = [lookalikes(style, cache_dir) for style in ("noto", "flat")]
    usable = [row for row in _scene_rows(cache_dir) if all(similar[row.hex] & codes == {row.hex} for similar in alike)]
    chosen = Random("emoji-union concepts 1").sample(usable, CONCEPTS)
    order = {row.hex: number for number, row in enumerate(targets(cache_dir))}
    return sorted(chosen, key=lambda row: order[row.hex])


def _scene_rows(cache_dir: Path) -> list[Emoji]:
    return [row for rows in SceneMaker("", cache_dir).objects.values() for row in rows]


def union_task(concepts: Sequence[Emoji], cache_dir: Path) -> Task:
    """Eight settings of PER_SETTING questions. Each concept is in the pool as text, as flat picture and as both."""
    random = Random("emoji-union 2")
    maker = SceneMaker("emoji-union scenes 2", cache_dir)
    members = {row.hex for row in concepts}
    maker.objects = {
        name: kept
        for name, rows in maker.objects.items()
        if len(kept := tuple(row for row in rows if row.hex in members)) > 1
    }
    queries: list[Query] = []
    for setting in TRAIN_UNION:
        asked = random.sample(list(concepts), PER_SETTING)
        for number, row in enumerate(asked):
            wording = choose_wording(random, TRAIN_UNION[setting], HELD_OUT_UNION[setting])
            given = setting.split("-")[0]
            if given == "question":
                queries.append(_about_scene(setting, number, maker.plain(number), wording, random))
            else:
                text, tiles = (row.label, None) if given == "text" else (None, (picture(row),))
                queries.append(_query(setting, number, row, wording, text, tiles))
    return Task("emoji-union", tuple(queries), tuple(c for row in concepts for c in _candidates(row)))


def _candidates(row: Emoji) -> tuple[Candidate, Candidate, Candidate]:
    flat = (picture(row, "flat"),)
    return (
        Candidate(f"text:{row.hex}", text=row.label),
        Candidate(f"image:{row.hex}", tiles=flat),
        Candidate(f"pair:{row.hex}", text=row.label, tiles=flat),
    )


def _about_scene(setting: str, number: int, scene: Scene, wording: Wording, random: Random) -> Query:
    cell = random.choice(list(scene.objects))
    text = fill(random.choice(TRAIN_POSITION), position=POSITIONS[cell])
    return _query(setting, number, scene.objects[cell], wording, text, scene.tiles)


def _query(
    setting: str, number: int, row: Emoji, wording: Wording, text: str | None, tiles: tuple[str, ...] | None
) -> Query:
    form = setting.split("-")[1]
    code = f"{form}:{row.hex}"
    return Query(
        id=f"{setting}-{number:03d}",
        text=text,
        instruction=wording.say(),
        tiles=tiles,
        relevant=(code,),
        target=(code,),
        paraphrases=wording.paraphrases(),
        opposite=TRAIN_UNION[_other_setting(setting)][0],
        tags={"setting": setting, "wanted": FORMS[form], "wording": wording.tag},
    )


def _other_setting(setting: str) -> str:
    """Another setting of the same input: the same query, another form wanted."""
    given = setting.partition("-")[0]
    same = [other for other in TRAIN_UNION if other.startswith(f"{given}-")]
    return same[(same.index(setting) + 1) % len(same)]
