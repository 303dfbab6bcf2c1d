from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from tests.models.tiny_uniir import WORDS

from mbench.core.errors import CheckpointError
from mbench.models.uniir_bpe import VOCABULARY, ClipTokenizer
from mbench.models.uniir_wordpiece import WordPiece

CLIP_TOKENS = [
    ("A red SQUARE, isn't it?", [320, 736, 3999, 267, 2923, 713, 585, 286]),
    (
        "naïve café 日本語の猫 🐱?",
        [1097, 35689, 563, 15304, 39121, 44353, 34002, 252, 21575, 163, 234, 360, 35710, 286],
    ),
    ("schÃ¶n &amp;lt;b&amp;gt; &eacute;", [844, 7255, 333, 283, 321, 285, 4166]),
    ("  tabs\tand\n\nlines  ", [29163, 537, 3418]),
    ("<|endoftext|> x", [49407, 343]),
    ("ΟΔΟΣ №5 ①²", [138, 123, 138, 112, 138, 123, 139, 480, 8604, 500, 276, 158, 239, 510, 41175]),
    ("they'll we've 12345 o'clock", [889, 1342, 649, 1200, 272, 273, 274, 275, 276, 334, 262, 6716]),
    ("🥹🫠\u200d", [4156, 117, 558, 104, 254, 728, 491]),
    ("ﬁne\u00a0ｆｕｌｌ", [3797, 1476]),
    ("İstanbul's", [328, 16384, 11231, 568]),
    ("", []),
]
"""Computed with OpenAI's own tokenizer (commit d05afc43) and ftfy 6.3.1."""

BERT_TOKENS = [
    ("A red SQUARE, isn't it?", [5, 6, 7, 29, 8, 9, 10, 11, 12]),
    ("naïve café 日本語の猫 🐱?", [13, 14, 15, 16, 19, 18, 17, 1, 12]),
    ("ΟΔΟΣ οδος", [21, 20]),
    ("İstanbul's unaffable", [23, 9, 25, 26, 27, 28]),
    ("New\u2028Yorker\u00a0e\u0301", [32, 33, 34, 35]),
    ("x\u200bx\x00x\ufffdx 🥹", [38, 39, 39, 39, 1]),
    ("[SEP] a[ENC]red [DEC] [cls] [UNK]", [3, 5, 46, 6, 45, 42, 44, 43, 1]),
    ("x" * 98, [38, *[39] * 97]),
    ("x" * 101, [1]),
    ("5° C", [1, 1]),
    ("\u0301", []),
    ("", []),
]
"""Computed with `BertTokenizer` of transformers 4.40.2, the tokenizer of UniIR, over `WORDS` and BLIP's two marks."""


@pytest.fixture(scope="module")
def clip() -> ClipTokenizer:
    return ClipTokenizer(77)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> WordPiece:
    path = tmp_path_factory.mktemp("bert") / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return WordPiece(path, 100)


def test_the_vocabulary_is_the_official_file_with_its_licence() -> None:
    expected = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
    assert hashlib.sha256(VOCABULARY.read_bytes()).hexdigest() == expected
    assert "Copyright (c) 2021 OpenAI" in (VOCABULARY.parent / "LICENSE").read_text()


@pytest.mark.parametrize(("text", "ids"), CLIP_TOKENS)
def test_clip_tokens_are_openais(clip: ClipTokenizer, text: str, ids: list[int]) -> None:
    assert clip.tokens(text) == ids
    assert clip.tokens(text) == ids, "a word that is known already"
    assert clip.encode([text])[0].tolist() == [49406, *ids, 49407, *[0] * (75 - len(ids))]


def test_a_long_text_for_clip_ends_in_its_end_mark(clip: ClipTokenizer) -> None:
    rows = clip.encode(["square " * count for count in (74, 75, 76, 500)])
    assert rows.shape == (4, 77)
    assert rows[0, -2:].tolist() == [49407, 0]
    assert (rows[1:, -1] == 49407).all()
    assert (rows[1:, 1:-1] == 3999).all()


def test_unicode_that_cannot_be_written_does_not_stop_clip(clip: ClipTokenizer) -> None:
    assert clip.tokens("\ud800") == clip.tokens("\ufffd")


def test_clip_merges_as_far_as_its_file_says(clip: ClipTokenizer) -> None:
    lines = gzip.decompress(VOCABULARY.read_bytes()).decode().split("\n")
    assert len(clip.ids) == 49408
    first, last, unused = lines[1].replace(" ", ""), lines[48894].replace(" ", ""), lines[48895].replace(" ", "")
    assert (clip.ids[first], clip.ids[last]) == (512, 49405)
    assert unused not in clip.ids


@pytest.mark.parametrize(("text", "ids"), BERT_TOKENS)
def test_bert_tokens_are_those_of_the_tokenizer_in_python(bert: WordPiece, text: str, ids: list[int]) -> None:
    assert bert.tokens(text) == ids


def test_bert_pads_to_the_longest_text_and_cuts_before_the_end_mark(bert: WordPiece) -> None:
    tokens = bert.encode(["", "a red", "red " * 500])
    assert tokens.ids.shape == (3, 100)
    assert tokens.ids[0, :3].tolist() == [2, 3, 0]
    assert tokens.ids[1, :5].tolist() == [2, 5, 6, 3, 0]
    assert tokens.ids[2].tolist() == [2, *[6] * 98, 3]
    assert tokens.present.sum(1).tolist() == [2, 4, 100]
    assert bert.encode(["a red"]).ids.shape == (1, 4)


def test_a_vocabulary_of_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a\nb\n[CLS]\n")
    with pytest.raises(CheckpointError, match=r"it lacks \[PAD\], \[UNK\], \[SEP\]"):
        WordPiece(tmp_path / "vocab.txt", 100)
    with pytest.raises(CheckpointError, match="no vocabulary that can be read"):
        WordPiece(tmp_path / "absent.txt", 100)
