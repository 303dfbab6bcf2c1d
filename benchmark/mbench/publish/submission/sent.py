"""Server results: the ranking beside them must be the one that was sent."""

from __future__ import annotations

from mbench.data.catalog import Task
from mbench.publish.servers import top
from mbench.publish.submission.folder import File
from mbench.publish.submission.notes import Notes
from mbench.publish.submission.rankings import RankingError, read_all
from mbench.publish.submission.records import Submitted
from mbench.publish.submission.server import EvidenceError, Sent, evidence_name, sent_files


def judge_sent(one: Submitted, task: Task, notes: Notes) -> None:
    """Note where a result with withheld labels has no server's answer, or a ranking that was not the one sent."""
    file = one.path.parent / evidence_name(task.id)
    if one.answer is None:
        said = f"the labels are the server's: its answer belongs into {file.name} beside the result"
        notes.add("server-missing", one.file, said, task=one.place)
        return
    folder = one.file.rpartition("/")[0]
    files = {f"{folder}/{p.name}": File(f"{folder}/{p.name}", p, 0) for p in one.path.parent.iterdir()}
    try:
        for sent in sent_files(files[f"{folder}/{file.name}"], files, task.spec):
            _judge(sent, one, notes)
    except (EvidenceError, RankingError) as error:
        notes.add(error.code, one.file, str(error), task=one.place)


def _judge(sent: Sent, one: Submitted, notes: Notes) -> None:
    lists = read_all(one.rankings).get(sent.kind.pool)
    if lists is None:
        raise RankingError("ranking-pool", f"there is no ranking of the pool {sent.kind.pool!r}, which was sent")
    ranked = top(lists, sent.kind.k)
    answers = {key: value for key, value in sent.content.items() if key not in sent.kind.header}
    for query, names in answers.items():
        listed = [str(name) for name in names] if isinstance(names, list) else []
        if listed != list(ranked.get(query, ())):
            said = f"{sent.kind.name}: query {query!r} has another list than the ranking"
            notes.add("server-differs", one.file, said, task=one.place)
            return
