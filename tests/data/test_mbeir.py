"""M-BEIR on files in the official format, made by hand: hit rates, both pools, instructions, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.official import declared, measured, ranked, with_options

from mbench.core.errors import DataError, ImageError, SpecError
from mbench.core.types import EvalData
from mbench.data.catalog import Catalog, Task, task_fingerprint
from mbench.data.loaders.mbeir_items import chosen
from mbench.data.loading import load
from mbench.data.variants import with_instructions
from mbench.scoring.diagnostics import diagnose

CANDIDATES: dict[str, list[dict[str, Any]]] = {
    "cirr_task7": [{"did": f"8:{n}", "txt": None, "img_path": f"mbeir_images/cirr/{n}.jpg"} for n in range(1, 9)],
    "webqa_task1": [{"did": f"2:{n}", "txt": f"passage {n}", "img_path": None} for n in (1, 2)],
    "oven_task8": [{"did": f"5:{n}", "txt": f"thing {n}", "img_path": f"mbeir_images/o/{n}.jpg"} for n in (1, 2)],
}
MODALITY = {"cirr_task7": "image", "webqa_task1": "text", "oven_task8": "image,text"}
QRELS = "8:1 0 8:2 1 7\n8:1 0 8:3 1 7\n8:1 0 8:4 1 7\n8:1 0 8:1 0 7\n8:2 0 8:5 1 7\n"


def put(path: Path, rows: Sequence[dict[str, Any]] | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows))


def candidates(name: str) -> list[dict[str, Any]]:
    return [{**row, "modality": MODALITY[name], "src_content": {"a": 1}} for row in CANDIDATES[name]]


def query(number: int, **fields: Any) -> dict[str, Any]:
    picture = f"mbeir_images/cirr/{number}.jpg"
    one = {"qid": f"8:{number}", "query_txt": f"make it {number}", "query_img_path": picture}
    return one | {"query_modality": "image,text", "pos_cand_list": ["8:2"], "neg_cand_list": []} | fields


def files(root: Path, *queries: dict[str, Any], qrels: str = QRELS) -> Path:
    """The setting cirr_task7 with two queries, its pool and two others."""
    folder = root / "mbeir"
    put(folder / "query/test/mbeir_cirr_task7_test.jsonl", queries or (query(1), query(2)))
    put(folder / "qrels/test/mbeir_cirr_task7_test_qrels.txt", qrels)
    for name in CANDIDATES:
        put(folder / f"cand_pool/local/mbeir_{name}_cand_pool.jsonl", candidates(name))
    return folder


def task(name: str, **options: Any) -> Task:
    """A shipped setting without its official sizes; the union is that of the three pools made here."""
    one = declared(name, sizes=None)
    return with_options(one, **({} if "local" in name else {"pools": list(CANDIDATES)}) | options)


UNION, LOCAL = "mbeir-cirr-task7", "mbeir-local-cirr-task7"


def read(root: Path, name: str = UNION, **options: Any) -> EvalData:
    return load(task(name, **options), root)


def test_items_are_those_of_the_files(tmp_path: Path) -> None:
    files(tmp_path)
    data = read(tmp_path)
    first = data.queries.items(np.array([0]), images=False)[0]
    assert (first.id, first.text) == ("8:1", "make it 1")
    assert data.queries.column("image") == ["mbeir_images/cirr/1.jpg", "mbeir_images/cirr/2.jpg"]
    assert data.corpus.ids()[7:] == ["8:8", "2:1", "2:2", "5:1", "5:2"]
    assert data.corpus.column("text")[7:] == [None, "passage 1", "passage 2", "thing 1", "thing 2"]
    assert data.corpus.column("modality")[7:] == ["image", "text", "text", "image,text", "image,text"]
    assert data.corpus.column("instruction") == [None] * 12
    assert data.corpus.modalities() == {"text", "image", "image+text"}
    assert [data.corpus.ids(data.judgments.labels["relevant"][row]) for row in (0, 1)] == [
        ["8:2", "8:3", "8:4"],
        ["8:5"],
    ]


def test_one_of_three_right_answers_in_the_first_five_is_a_hit_and_a_third_of_recall(tmp_path: Path) -> None:
    files(tmp_path)
    local, data = task(LOCAL), read(tmp_path, LOCAL)
    lists = [["8:1", "8:5", "8:6", "8:7", "8:3", "8:2"], ["8:1", "8:2", "8:3", "8:4", "8:6", "8:5"]]
    found = measured(local, data, main=lists)
    assert found["hit@5"] == 0.5 and found["recall@5"] == pytest.approx(1 / 6)
    assert found["hit@1"] == 0 and found["hit@10"] == 1 and found["recall@10"] == pytest.approx((2 / 3 + 1) / 2)


def test_a_candidate_of_the_wrong_modality_is_a_miss_and_is_counted(tmp_path: Path) -> None:
    """In the local pool the same order, without the passages, is a hit."""
    files(tmp_path)
    union, data = task(UNION), read(tmp_path)
    full = [["2:1", "2:2", "5:1", "5:2", "8:8", "8:2"], ["8:5", "8:1", "8:2", "8:3", "8:4", "8:6"]]
    assert measured(union, data, main=full)["hit@5"] == 0.5
    assert diagnose(union.spec, data, ranked(data, full))["wrong_modality@5"] == pytest.approx(4 / 10)
    own = [[name for name in one if name.startswith("8:")] for one in full]
    assert measured(task(LOCAL), read(tmp_path, LOCAL), main=own)["hit@5"] == 1


def test_the_official_union_file_goes_before_the_local_pools(tmp_path: Path) -> None:
    folder = files(tmp_path)
    everything = [row for name in CANDIDATES for row in candidates(name)]
    assert len(read(tmp_path).corpus) == 12
    put(folder / "cand_pool/global/mbeir_union_test_cand_pool.jsonl", everything[:-1])
    assert read(tmp_path, pools=["absent"], union=True).corpus.ids()[-1] == "5:1"


def test_right_answers_in_another_pool_are_counted_and_a_query_with_no_other_is_a_miss(tmp_path: Path) -> None:
    """Otherwise the mean would be over fewer queries than the official one, and higher."""
    files(tmp_path, qrels=QRELS.replace("8:2 0 8:5", "8:2 0 5:1") + "8:1 0 5:2 1 7\n")
    local, data = task(LOCAL), read(tmp_path, LOCAL, elsewhere=["5"])
    assert data.judgments.lacking is not None and data.judgments.lacking.tolist() == [1, 1]
    lists = [["8:2", "8:5", "8:6"], ["8:5", "8:2", "8:3"]]
    assert measured(local, data, main=lists)["hit@5"] == 0.5
    assert measured(local, data.select(np.array([1])), main=lists[1:])["hit@5"] == 0
    assert diagnose(local.spec, data, ranked(data, lists))["relevant_not_in_corpus"] == 2
    assert measured(task(UNION), read(tmp_path), main=[["8:2"], ["5:1"]])["hit@5"] == 1


def test_instructions_are_drawn_by_query_and_seed(tmp_path: Path) -> None:
    ids = [f"8:{n}" for n in range(2000)]
    drawn = chosen(ids, 4, "seeded", 0)
    assert np.bincount(drawn, minlength=4).min() > 430
    assert (drawn[1000:] == chosen(ids[1000:], 4, "seeded", 0)).all()
    assert (drawn != chosen(ids, 4, "seeded", 1)).mean() > 0.6
    assert drawn[:8].tolist() == [2, 2, 0, 1, 3, 2, 1, 3]


def test_the_other_three_paraphrases_stand_beside_the_drawn_one(tmp_path: Path) -> None:
    files(tmp_path)
    declared_words = task(UNION).spec.source.options["instructions"]
    assert isinstance(declared_words, list) and len(declared_words) == 4
    for choice in ("seeded", "first"):
        data = read(tmp_path, choice=choice)
        own, others = data.queries.column("instruction"), data.queries.column("paraphrases")
        for one, rest in zip(own, others, strict=True):
            assert isinstance(rest, list) and [word for word in declared_words if word != one] == rest
    assert own == [declared_words[0]] * 2
    assert with_instructions(data, "paraphrased").queries.column("instruction")[0] in declared_words[1:]
    without = read(tmp_path, choice="none")
    assert without.queries.column("instruction") == [None, None]
    assert without.queries.column("paraphrases") == [declared_words] * 2


def test_the_choice_is_part_of_the_fingerprint() -> None:
    assert len({task_fingerprint(task(UNION, choice=one).spec) for one in ("seeded", "first", "none")}) == 3


def table(folder: Path, words: Sequence[str]) -> None:
    head = "query_modality\tcand_modality\tdataset_name\tdataset_id\tprompt_1\n"
    put(
        folder / "instructions/query_instructions.tsv",
        head + "\t".join(["image,text", "image", "CIRR", "8", *words, ""]),
    )


def test_the_official_table_of_instructions_is_compared(tmp_path: Path) -> None:
    folder = files(tmp_path)
    words = [str(one) for one in task(UNION).spec.source.options["instructions"]]  # type: ignore[union-attr]
    table(folder, words)
    assert len(read(tmp_path).queries) == 2
    table(folder, [*words[:3], "Something else."])
    with pytest.raises(
        DataError, match=r"(?s)query_instructions\.tsv.*'Something else\.'.*but the task .*described ch"
    ):
        read(tmp_path)


def test_a_second_load_reads_no_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path)
    first = read(tmp_path)
    monkeypatch.setattr("mbench.data.loaders.mbeir_items.read_batches", lambda *_, **__: pytest.fail("read again"))
    second = read(tmp_path)
    assert second.corpus.tie_ranks().tolist() == first.corpus.tie_ranks().tolist()
    assert second.corpus.ids() == first.corpus.ids()


@pytest.mark.parametrize(
    ("qrels", "words"),
    [
        (QRELS + "8:2 0 8:99 1 7\n", "1 candidates are not in the candidates of mbeir-cirr-task7: '8:99'"),
        (QRELS + "8:3 0 8:2 1 7\n", "queries: '8:3' not in the queries of mbeir-cirr-task7"),
        (QRELS + "8:2 0 8:2 1\n", "qrels.txt, line 6: 4 fields; expected 5"),
        (QRELS + "8:2 0 8:2 yes 7\n", "qrels.txt, line 6: the relevance 'yes' is not an integer"),
        ("8:1 0 8:2 1 7\n8:2 0 8:2 0 7\n", "1 of 2 queries have no right answer: '8:2'"),
    ],
)
def test_wrong_qrels_are_named(tmp_path: Path, qrels: str, words: str) -> None:
    files(tmp_path, qrels=qrels)
    with pytest.raises(DataError, match=re.escape(words)):
        read(tmp_path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"qid": "8:1"}, "ids that stand more than once: '8:1'"),
        ({"qid": None}, "line 2: 'qid' is missing"),
        (
            {"query_modality": "image+text"},
            "8:2 has the modality 'image+text'; it is one of 'text', 'image', 'image,text'",
        ),
        ({"query_img_path": None}, "'8:2' with no query_img_path, though it has a picture"),
        ({"query_modality": "image"}, "'8:2' with a query_txt, which its modality does not state"),
        (
            {"query_modality": "text", "query_img_path": ""},
            "declared as image+text, but the data hold image+text, text",
        ),
    ],
)
def test_a_wrong_query_is_named(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    files(tmp_path, query(1), query(2, **fields))
    with pytest.raises(DataError, match=re.escape(words)):
        read(tmp_path)


def test_missing_files_sizes_options_and_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"query/test/mbeir_cirr_task7_test\.jsonl: there is no such file"):
        read(tmp_path)
    files(tmp_path)
    with pytest.raises(DataError, match="2 queries loaded; expected 4170"):
        load(Catalog.read().task(LOCAL), tmp_path)
    with pytest.raises(SpecError, match="choice"):
        read(tmp_path, choice="second")
    with pytest.raises(ImageError, match=r"2 of 2 pictures are not there: .*mbeir/mbeir_images/cirr/1\.jpg"):
        read(tmp_path).queries.check_images()


def test_all_settings_are_declared_with_the_published_numbers() -> None:
    catalog = Catalog.read()
    union, local = catalog.tasks(["mbeir"]), catalog.tasks(["mbeir-local"])
    assert len(union) == len(local) == 16
    sizes = [one.spec.sizes for one in local]
    assert sum(one.queries for one in sizes if one) == 190_573
    assert sum(one.candidates for one in sizes if one) == 5_609_079
    assert {one.spec.sizes.candidates for one in union if one.spec.sizes} == {5_609_079}
    by_ten = {one.id for one in union if one.spec.primary == "hit@10"}
    assert by_ten == {"mbeir-fashion200k-task0", "mbeir-fashion200k-task3", "mbeir-fashioniq-task7"}
    for group, tasks in (("mbeir", union), ("mbeir-local", local)):
        for published in catalog.group(group).spec.reference_scores:
            cells = [s.value for one in tasks for s in one.spec.reference_scores if s.model == published.model]
            assert len(cells) == 16
            assert np.mean(cells) == pytest.approx(published.value, abs=0.0006)
