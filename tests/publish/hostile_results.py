"""Results that were edited, are of something else, or are no results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.publish.hostile import LONG, TASK, Case, Change, both, file, result, result_bytes, result_path, without

FINGERPRINT = "0" * 16


def group_value(folder: Path) -> None:
    path = result_path(folder, "emoji")
    data = json.loads(path.read_text())
    data["metrics"]["mean"]["value"] += 0.01
    path.write_text(json.dumps(data))


def group_member_gone(folder: Path) -> None:
    for path in result_path(folder, TASK).parent.glob(f"{TASK}.*"):
        path.unlink()


def unknown_group(folder: Path) -> None:
    path = result_path(folder, "emoji")
    path.with_name("emojis.json").write_text(path.read_text().replace('"group": "emoji"', '"group": "emojis"'))


def of_another_model(folder: Path) -> None:
    theirs = next(folder.parent.glob(f"random/results/*/*/{TASK}.json")).parent
    place = folder / "results" / theirs.parent.name / theirs.name
    shutil.copytree(theirs, place)


def twice(folder: Path) -> None:
    path = result_path(folder)
    shutil.copytree(path.parent, folder / "results" / path.parent.name)


def again_as(revision: str | None) -> Change:
    """Add the whole revision again under another name; None: under its own in capitals."""

    def change(folder: Path) -> None:
        place = result_path(folder).parent
        name = revision or place.name.upper()
        shutil.copytree(place, place.with_name(name))
        for path in place.with_name(name).glob("*.json"):
            path.write_text(path.read_text().replace(place.name, name))

    return change


def misnamed(folder: Path) -> None:
    place = result_path(folder).parent
    for path in place.glob(f"{TASK}.*"):
        path.rename(place / path.name.replace(TASK, "emoji-cls"))


def misplaced(folder: Path) -> None:
    place = result_path(folder).parent
    place.rename(place.with_name("other"))


def other_revision(folder: Path) -> None:
    both(result("model/revision", "../../x"), result("model/card/revision", "../../x"))(folder)


METRIC = "metrics/hit@1"

POINT = {
    "dims": 64,
    "precision": "int8",
    "bytes_per_candidate": 64,
    "metrics": {"hit@1": {"value": 34.0, "n": 960}},
    "tied_at_cut": 0.0,
}

EDITED = [
    Case("a better value", "metric-differs", result(f"{METRIC}/value", 0.9)),
    Case("a value better by a millionth", "metric-differs", result(f"{METRIC}/value", 0.340626)),
    Case("more queries", "metric-differs", result(f"{METRIC}/n", 961)),
    Case("a narrower interval", "interval-differs", result(f"{METRIC}/low", 0.34)),
    Case("no interval", "interval-differs", both(result(f"{METRIC}/low", None), result(f"{METRIC}/high", None))),
    Case("another seed", "interval-differs", result("run/seed", 12345)),
    Case("a better slice", "slice-differs", result("slices/wording/unseen/hit@1/value", 0.5)),
    Case("a slice that the data do not have", "slice-differs", result("slices/wording/mine", {})),
    Case("more judged queries", "counts-differ", result("counts/judged", 959)),
    Case("a diagnostic that looks better", "diagnostics-differ", result("diagnostics/tied_at_cut@1", 0.5)),
    Case("a diagnostic in words", "diagnostics-unknown", result("diagnostics/tied_at_cut@1", "none")),
    Case("a diagnostic that nobody defined", "diagnostics-unknown", result("diagnostics/=cmd|calc", 1.0)),
    Case("a diagnostic out of its range", "diagnostics-unknown", result("diagnostics/anisotropy", -1e308)),
    Case("a diagnostic of another cut", "diagnostics-differ", result("diagnostics/tied_at_cut@7", 0.0)),
    Case("a diagnostic of another task", "diagnostics-differ", result("diagnostics/wrong_modality@1", 0.0)),
    Case("a metric less", "metric-keys", without("metrics/hit@10", LONG)),
    Case("a metric more", "metric-keys", result("metrics/best@1", {"value": 1.0, "n": 1})),
    Case("a slice of another task", "slice-keys", result("slices/semantic_aspect", {})),
    Case("a fraction above one", "result-number", result(f"{METRIC}/value", 34.06)),
    Case("a negative end", "result-number", result(f"{METRIC}/low", -0.1)),
    Case("an interval beside its value", "result-number", result(f"{METRIC}/low", 0.99)),
    Case("a curve above one", "result-number", result("curves", [POINT])),
    Case("half an interval", "result-number", result(f"{METRIC}/low", None)),
    Case("a better group", "group-differs", group_value, "random"),
    Case("a group without a member", "group-differs", group_member_gone, "random"),
    Case("a group that nobody declared", "group-unknown", unknown_group, "random"),
]

UNOFFICIAL = [
    Case("a part of the queries", "partial", result("partial", True)),
    Case("a part that is not told", "partial", result("run/limit", 40)),
    Case("other instructions", "variant", result("variant", "instructions=none")),
    Case("other instructions that are not told", "variant", result("run/instructions", "none")),
    Case("fewer queries", "incomplete", result("counts/queries", 40)),
    Case("fewer candidates", "incomplete", result("counts/candidates", 100, LONG)),
    Case("a date to come", "date", result("run/date", "2999-01-01T00:00:00+00:00")),
    Case("a date before there were such models", "date", result("run/date", "1999-01-01T00:00:00+00:00")),
    Case("no date", "date", without("run/date")),
    Case("a date in words", "date", result("run/date", "yesterday")),
    Case("a seed in words", "seed", result("run/seed", "best")),
    Case("labels that are said to be withheld", "labels", result("labels_public", False)),
]

OTHERS = [
    Case("a task that nobody declared", "task-unknown", result("task/id", "emoji-best")),
    Case("a version to come", "task-version", result("task/version", 99)),
    Case("a version of long ago", "task-outdated", result("task/version", 0)),
    Case("another protocol", "task-protocol", result("task/protocol", "easy")),
    Case("other data or metrics", "task-fingerprint", result("task/fingerprint", FINGERPRINT)),
    Case("a result of another model", "other-model", of_another_model),
    Case("another model's name in a result", "other-model", result("model/id", "random")),
    Case("another card in a result", "other-model", result("model/card/id", "random")),
    Case("another revision in a result's card", "card-differs", result("model/card/revision", "0123456789ab")),
    Case("a revision that leaves the folder", "name-path", other_revision),
    Case("a task that leaves the folder", "result-name", result("task/id", "../../emoji-vqa")),
    Case("a result under another task's name", "result-name", misnamed),
    Case("a result in another revision's folder", "result-place", misplaced),
    Case("a run again under another revision", "duplicate-result", again_as("0123456789ab")),
    Case("a revision in capitals", "name-lookalike", again_as(None)),
    Case("one result in two places", "duplicate-result", twice),
]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def nan(data: bytes) -> bytes:
    return data.replace(b'"seed": 0', b'"seed": NaN')


def infinite(data: bytes) -> bytes:
    return data.replace(b'"seed": 0', b'"seed": 1e999')


def digits(data: bytes) -> bytes:
    return data.replace(b'"seed": 0', b'"seed": ' + b"9" * 5000)


def key_twice(data: bytes) -> bytes:
    return data.replace(b'"seed": 0', b'"seed": 0, "seed": 0')


def values(data: bytes) -> bytes:
    return data.replace(b'"notes": []', b'"notes": [' + b"0," * 500_000 + b"0]")


def nested(data: bytes) -> bytes:
    return data.replace(b'"notes": []', b'"notes": ' + b"[" * 50_000 + b"]" * 50_000)


def quotes(data: bytes) -> bytes:
    """A text that never ends, of nothing but escaped quotes: whoever looks for its end again and again takes hours."""
    return b'{"x": "' + b'\\"' * 1_000_000


def padded(data: bytes) -> bytes:
    return data + b" " * 5_000_000


def string_as_number(data: bytes) -> bytes:
    return data.replace(b'"n": 960', b'"n": "960"')


def pickled(data: bytes) -> bytes:
    return b"cos\nsystem\n(S'touch canary'\ntR."


def script_key(data: bytes) -> bytes:
    return data.replace(b'"seed": 0', b'"<script>alert(1)</script>": 0, "seed": 0')


def run_keys(data: bytes) -> bytes:
    keys = b"".join(b'"key%d": 0, ' % number for number in range(200))
    return data.replace(b'"seed": 0', keys + b'"seed": 0')


def surrogate(data: bytes) -> bytes:
    return data.replace(b'"notes": []', b'"notes": ["\\ud800"]')


JSON = [
    Case("half a file", "json", result_bytes(cut)),
    Case("a pickle under a result's name", "json", result_bytes(pickled)),
    Case("a text that never ends", "json", result_bytes(quotes)),
    Case("a byte order mark of UTF-16", "json", result_bytes(lambda data: data.decode().encode("utf-16"))),
    Case("no number", "json-number", result_bytes(nan)),
    Case("an infinite number", "json-number", result_bytes(infinite)),
    Case("a number of 5,000 digits", "json-number", result_bytes(digits)),
    Case("a key twice in a result", "json-key", result_bytes(key_twice)),
    Case("half a million values", "json-size", result_bytes(values)),
    Case("brackets 50,000 deep", "json-depth", result_bytes(nested)),
    Case("more about a run than pages can show", "result-schema", result_bytes(run_keys)),
    Case("5 MB of spaces", "unreadable", result_bytes(padded)),
    Case("a list in place of a result", "result-schema", result_bytes(lambda _: b"[]")),
    Case("a number as text in a result", "result-schema", result_bytes(string_as_number)),
    Case("an unknown key in a result", "result-schema", result("rank", 1)),
    Case("a script as key", "text-html", result_bytes(script_key)),
    Case("half a character", "text-control", result_bytes(surrogate)),
    Case("a script in a note", "text-html", result("run/notes", ["</script><script>alert(1)</script>"])),
    Case("a link that runs in a diagnostic", "text-script-link", result("diagnostics/x", "javascript:alert(1)")),
    Case("reversed text as machine", "text-bidi", result("run/machine", "Linux\u202e")),
    Case("another JSON among the results", "result-schema", file("{results}/notes.json", b'{"no": "result"}')),
]

CASES = [*EDITED, *UNOFFICIAL, *OTHERS, *JSON]
