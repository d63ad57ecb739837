"""What is typed with an upload: checked, sent as S3 takes it, and read again by the trigger as it was meant."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from darkroom import cli, giving
from darkroom.commands import upload as upload_command
from darkroom.uploads import Upload, upload_file
from pipeline import given
from tests.unit.fake_pipeline import playing


@pytest.mark.parametrize(
    ("typed", "sent"),
    [("0.3,0.7", "0.3,0.7"), ("0,1", "0,1"), (" .25 , 1e-1 ", "0.25,0.1"), ("0.123456789,1.0", "0.123457,1")],
)
def test_a_focus_is_sent_as_two_numbers(typed: str, sent: str) -> None:
    assert giving.focus(typed) == sent


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        *((typed, "such as 0.3,0.7") for typed in ("", "0.3", "0.3;0.7", "0.3,0.7,1", "left,top", "30%,70%")),
        *((typed, "outside of the picture") for typed in ("30,70", "-0.1,0.5", "0.5,1.01", "nan,0.5", "0,inf")),
    ],
)
def test_a_focus_that_is_none_is_told(typed: str, said: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=said):
        giving.focus(typed)


@pytest.mark.parametrize(
    "text",
    [
        "A cat, asleep",
        "100 % =?of?= it",
        "=?UTF-8?B?w6k=?=",  # typed so, meant so
        "Ein Kätzchen schläft",
        "猫が窓辺で寝ている。" * 40,
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 a family",
        "قطة نائمة",
        "",
    ],
)
def test_alternative_text_arrives_as_it_was_typed(text: str) -> None:
    sent = giving.alt(text)
    assert sent.isascii()
    assert given.read({"alt": sent}) == {"alt": text}


def test_alternative_text_is_one_line() -> None:
    assert giving.alt("  two \n lines ") == "two lines"


@pytest.mark.parametrize(
    ("typed", "said"), [("x" * 2_500, "25 % too long"), ("ü" * 900, "too long"), ("a\x00b", "see"), ("\udcff", "see")]
)
def test_alternative_text_that_cannot_be_sent_is_told(typed: str, said: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=said):
        giving.alt(typed)


def test_both_are_uploaded_with_the_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(b"photo")
    with playing() as play:
        monkeypatch.setattr(upload_command.Stack, "open", lambda *_, **__: play.stack)
        monkeypatch.setattr(upload_command, "source_prefix", lambda _: "raw/")
        assert cli.main(["upload", "--focus", "0.3,0.7", "--alt", "Kätzchen", str(tmp_path / "a.jpg")]) == 0
        metadata = play.s3.head_object(Bucket="darkroom-source", Key="raw/a.jpg")["Metadata"]
        upload_file(play.stack, Upload("b.jpg", tmp_path / "a.jpg", "raw/b.jpg"))
        assert play.s3.head_object(Bucket="darkroom-source", Key="raw/b.jpg")["Metadata"] == {}
    assert given.read(metadata) == {"focus": "0.3,0.7", "alt": "Kätzchen"}


def test_alternative_text_is_for_one_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"photo")
    with playing() as play:
        monkeypatch.setattr(upload_command.Stack, "open", lambda *_, **__: play.stack)
        monkeypatch.setattr(upload_command, "source_prefix", lambda _: "raw/")
        assert cli.main(["upload", "--alt", "A cat", str(tmp_path)]) == 1
        assert play.s3.list_objects_v2(Bucket="darkroom-source")["KeyCount"] == 0
    assert "these are 2 files" in capsys.readouterr().err
