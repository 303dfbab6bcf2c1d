"""Cards that try to show, run or claim what they may not."""

from __future__ import annotations

from pathlib import Path

from tests.publish.hostile import Case, Change, card, card_text, file

PYTHON_TAG = "notes2: !!python/object/apply:os.system ['touch canary']\n"
LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def renamed(name: str, folder_name: str | None = None) -> Change:
    """Give the card another id, and the folder its name."""

    def change(folder: Path) -> None:
        card(id=name)(folder)
        if folder_name is not None:
            folder.rename(folder.with_name(folder_name))

    return change


def missing(folder: Path) -> None:
    (folder / "card.yaml").unlink()


def endless(folder: Path) -> None:
    with (folder / "card.yaml").open("a") as file:
        file.write("# " + "x" * 70_000 + "\n")


def nested(folder: Path) -> None:
    with (folder / "card.yaml").open("a") as file:
        file.write("deep: " + "[" * 3000 + "]" * 3000 + "\n")


def latin1(folder: Path) -> None:
    (folder / "card.yaml").write_bytes(b"id: tiny\ntitle: caf\xe9\n")


YAML = [
    Case("no card", "card-missing", missing),
    Case("a tag that runs a command", "card-yaml", card_text(PYTHON_TAG)),
    Case("a tag of another kind", "card-yaml", card_text("extra: !!binary aGVsbG8=\n")),
    Case("anchors that multiply", "card-yaml", card_text(LAUGHS)),
    Case("an alias of itself", "card-yaml", card_text("self: &x [*x]\n")),
    Case("a key twice", "card-yaml", card_text("license: MIT\n")),
    Case("a number of 6,000 digits", "card-yaml", card_text(f"rank: {'9' * 6000}\n")),
    Case("a second document", "card-yaml", card_text("---\nid: other\n---\nid: tiny\n")),
    Case("nested without end", "card-yaml", nested),
    Case("not UTF-8", "card-yaml", latin1),
    Case("larger than a card is", "too-large", endless),
    Case("an unknown key", "card-schema", card_text("rank: 1\n")),
    Case("a number as text", "card-schema", card(parameters="2842540")),
    Case("a list in place of a card", "card-schema", file("card.yaml", b"- id: tiny\n")),
    Case("no modality", "card-schema", card(modalities=[])),
    Case("a modality twice", "card-schema", card(modalities=["text", "text", "image", "image+text"])),
]

TEXTS = [
    Case("a script in the title", "text-html", card(title="tiny</script><script>alert(1)</script>")),
    Case("a picture that runs in the description", "text-html", card(description="x <img src=x onerror=alert(1)>")),
    Case("HTML in full width letters", "text-html", card(notes="＜script＞alert(1)＜/script＞")),
    Case("HTML as character references", "text-html", card(notes="&#60;script&#62;")),
    Case("a comment that opens", "text-html", card(notes="<!-- the rest of the page")),
    Case("a title that shows nothing", "text-invisible", card(title="\u3164\u2800")),
    Case("a title that covers its page", "text-control", card(title="t" + "\u0301" * 60)),
    Case("a javascript link as paper", "text-script-link", card(paper="javascript:alert(1)")),
    Case("a javascript link with spaces", "text-script-link", card(notes="see j a v a script :alert(1)")),
    Case("a javascript link in capitals", "text-script-link", card(description="JaVaScRiPt:alert(1)")),
    Case("a javascript link over lines", "text-script-link", card(notes="java\nscript:alert(1)")),
    Case("a data address as checkpoint", "text-script-link", card(checkpoint="data:text/html;base64,PHM=")),
    Case("a file address", "text-script-link", card(paper="file:///etc/passwd")),
    Case("an address with a Cyrillic letter", "text-url", card(paper="https://\u0430rxiv.org/abs/1")),
    Case("an address with a user", "text-url", card(paper="https://arxiv.org@evil.example/abs")),
    Case("an ftp address in words", "text-url", card(notes="get it at ftp://evil.example/x")),
    Case("an address without a host", "text-url", card(paper="https:///abs")),
    Case("words as paper", "text-url", card(paper="my paper")),
    Case("a Markdown link", "text-markdown", card(description="[click](https://evil.example)")),
    Case("a Markdown picture", "text-markdown", card(notes="![x](https://evil.example/track.png)")),
    Case("a template", "text-template", card(description="{{ config.items() }}")),
    Case("a template statement", "text-template", card(notes="{% include '/etc/passwd' %}")),
    Case("reversed text", "text-bidi", card(title="tiny \u202egnp.exe")),
    Case("an isolate that is never closed", "text-bidi", card(description="\u2066abc")),
    Case("a zero-width space in the title", "text-invisible", card(title="ti\u200bny")),
    Case("a soft hyphen in the title", "text-invisible", card(title="ti\u00adny")),
    Case("tag characters", "text-invisible", card(description="tiny\U000e0041\U000e0042")),
    Case("an escape sequence", "text-control", card(notes="\x1b[2J")),
    Case("two lines as title", "text-control", card(title="tiny\nsecond")),
    Case("a private character", "text-control", card(description="\ue000")),
    Case("a description without end", "text-length", card(description="x" * 5000)),
    Case("a title without end", "name-length", card(title="x" * 300)),
    Case("a formula as title", "text-formula", card(title='=HYPERLINK("x")')),
    Case("markup in a data set", "text-html", card(training_datasets=["<b>coco</b>"])),
]

CLAIMS = [
    Case("no licence", "license", card(license="unknown")),
    Case("an empty licence", "license", card(license="")),
    Case("marks as licence", "license", card(license="???")),
    Case("no licence, in words", "license", card(license="No License")),
    Case("a branch as revision", "revision-unpinned", card(revision="main")),
    Case("no revision", "revision-unpinned", card(revision=None)),
    Case("a revision that was not run", "revision-differs", card(revision="0123456789ab")),
    Case("no title", "card-incomplete", card(title="")),
    Case("training data left open", "card-incomplete", card(training_datasets=None)),
    Case("dimension left open", "card-incomplete", card(dimension=None)),
    Case("training data of the run dropped", "card-differs", card(training_datasets=[])),
    Case("another dimension than the run's", "card-differs", card(dimension=64)),
    Case("fewer parameters than the run's", "card-differs", card(parameters=0)),
    Case("another similarity than the run's", "card-differs", card(similarity="dot")),
    Case("more parameters than atoms", "card-number", card(parameters=10**20)),
    Case("a path as checkpoint", "checkpoint", card(checkpoint="../../secrets")),
    Case("an absolute path as base", "checkpoint", card(base_model="/etc/passwd")),
]

NAMES = [
    Case("a name that leaves the folder", "name-path", card(id="../tiny")),
    Case("an absolute name", "name-path", card(id="/etc/passwd")),
    Case("a name of a device", "name-reserved", renamed("con", "con")),
    Case("a folder of the site as name", "name-reserved", renamed("assets", "assets")),
    Case("a formula as name", "name-characters", card(id="=cmd")),
    Case("a name with spaces", "name-characters", card(id="tiny model")),
    Case("a Cyrillic look-alike", "name-lookalike", card(id="rаndom")),
    Case("a Greek look-alike", "name-lookalike", card(id="ranδom".replace("δ", "d").replace("a", "α"))),
    Case("a look-alike by digits", "name-lookalike", card(id="rand0m")),
    Case("a look-alike by case", "name-lookalike", card(id="Random")),
    Case("a look-alike by full width", "name-lookalike", card(id="ｒａｎｄｏｍ")),
    Case("a look-alike by a pair of letters", "name-lookalike", card(id="randorn")),
    Case("a registered model's look-alike", "name-lookalike", card(id="c1ip")),
    Case("a title like another's", "name-lookalike", card(title="Randοm vectors")),
    Case("another's model", "duplicate-model", card(id="random")),
    Case("a folder of another name", "folder-name", renamed("tiny", "tiny-2")),
]

CASES = [*YAML, *TEXTS, *CLAIMS, *NAMES]
