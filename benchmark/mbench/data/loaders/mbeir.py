"""M-BEIR: 16 settings of queries over one union pool, or each over its own.

Source of the format and the protocol: https://huggingface.co/datasets/TIGER-Lab/M-BEIR and `mbeir_dataset.py`,
`mbeir_retriever.py` in https://github.com/TIGER-AI-Lab/UniIR. The files are read once and kept as Arrow in
`.mbench-arrow/` beside them: the union pool has 5.6 million candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from mbench.core.declared import spec_from
from mbench.core.specs import Strict, TaskSpec
from mbench.core.types import EvalData, Judgments
from mbench.data.arrow_cache import ArrowCache
from mbench.data.images import FolderImages
from mbench.data.loaders.mbeir_items import (
    CANDIDATE,
    QUERY,
    RANK,
    Choice,
    Fields,
    check_instructions,
    chosen,
    instruction_columns,
    item_columns,
)
from mbench.data.loaders.mbeir_qrels import Labels, as_columns, from_columns, labels_of
from mbench.data.loading import SourceFiles
from mbench.data.table import ArrowTable

RECIPE = 1
"""Counts up when the kept tables would hold something else."""
UNION = "cand_pool/global/mbeir_union_test_cand_pool.jsonl"
INSTRUCTIONS = "instructions/query_instructions.tsv"
OFFICIAL = {"image+text": "image,text"}


class MbeirOptions(Strict):
    """`source.options` of this loader.

    setting: name of the query and qrels files. pools: names of the local pools that make the corpus. union: take the
    official union file instead, where it is there. instructions: the paraphrases of the setting. choice: whether a
    query has one drawn with `seed` and its id, the first, or none. dataset, target: id of the data set and modality of
    the right answers, by which the official table of instructions is checked where it is there. elsewhere: data sets
    whose candidates the qrels may name though the pool lacks them; they are counted.
    """

    setting: str
    pools: list[str] = Field(min_length=1)
    union: bool = False
    instructions: list[str] = Field(min_length=1)
    choice: Choice = "seeded"
    seed: int = 0
    dataset: str
    target: str
    elsewhere: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the files of one setting, by way of the tables that are kept of them."""

    spec: TaskSpec
    options: MbeirOptions
    files: SourceFiles
    cache: ArrowCache

    def queries(self) -> ArrowTable:
        """Return the queries with their instructions."""
        table = self._items(f"queries-{self.options.setting}", [self._queries], QUERY, "queries")
        which = chosen(table.ids(), len(self.options.instructions), self.options.choice, self.options.seed)
        columns = table.columns
        for name, values in instruction_columns(which, self.options.instructions).items():
            columns = columns.append_column(name, values)
        return ArrowTable(columns, table.pictures, table.name, [table.tie_ranks()])

    def corpus(self) -> ArrowTable:
        """Return the candidates."""
        return self._items(f"pool-{self._pool}", self._pools, CANDIDATE, "candidates")

    def labels(self, queries: ArrowTable, corpus: ArrowTable) -> Labels:
        """Return the right answers."""
        qrels = self._file("qrels/test", "qrels.txt")
        elsewhere = self.options.elsewhere
        table = self.cache.table(
            f"labels-{self.options.setting}-{self._pool}",
            [self._queries, *self._pools, qrels],
            [RECIPE, elsewhere],
            lambda: as_columns(labels_of(qrels, queries, corpus, elsewhere)),
        )
        return from_columns(table)

    @property
    def _pool(self) -> str:
        return "union" if self.options.union else "-".join(self.options.pools)

    @property
    def _queries(self) -> Path:
        return self._file("query/test", "jsonl")

    @property
    def _pools(self) -> list[Path]:
        union = self.files.place(UNION)
        if self.options.union and union.is_file():
            return [union]
        return [self.files.path(f"cand_pool/local/mbeir_{one}_cand_pool.jsonl") for one in self.options.pools]

    def _file(self, folder: str, ending: str) -> Path:
        joint = "_" if ending.endswith(".txt") else "."
        return self.files.path(f"{folder}/mbeir_{self.options.setting}_test{joint}{ending}")

    def _items(self, name: str, paths: Sequence[Path], fields: Fields, what: str) -> ArrowTable:
        title = f"the {what} of {self.spec.id}"
        pictures = FolderImages(self.files.root)
        folder = self.cache.folder
        table = self.cache.table(name, paths, RECIPE, lambda: item_columns(paths, fields, title, pictures, folder))
        ranks = table[RANK].chunk(0).to_numpy()
        return ArrowTable(table.drop_columns([RANK]), pictures, title, [ranks])


def load(spec: TaskSpec, files: SourceFiles) -> EvalData:
    """Read one setting over its pool. Ids are the official ones (`9:1`), of queries and candidates alike.

    Raises SpecError for wrong options and DataError, with the file and the line or the item, for wrong files.
    """
    options: MbeirOptions = spec_from(MbeirOptions, spec.source.options, f"{spec.id}: source.options")
    asked = spec.query.modality[0]
    key = (options.dataset, OFFICIAL.get(asked, asked), options.target)
    check_instructions(files.place(INSTRUCTIONS), key, options.instructions, spec.id)
    reader = Reader(spec, options, files, ArrowCache.beside(files.root))
    queries, corpus = reader.queries(), reader.corpus()
    labels = reader.labels(queries, corpus)
    lacking = labels.lacking if labels.lacking.any() else None
    return EvalData(queries, corpus, Judgments({"relevant": labels.relevant}, lacking=lacking))
