"""The demo: its output, the files that it must not touch, and its exit code."""

from __future__ import annotations

import argparse
import io
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from darkroom import samples, uploads
from darkroom.commands import demo
from darkroom.local import deploy
from darkroom.project import CommandError
from darkroom.stack import Stack
from tests.unit.fake_pipeline import FakePipeline, playing

if TYPE_CHECKING:
    from collections.abc import Iterator


def png(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.new("RGB", (200, 100), "teal").save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePipeline]:
    with playing() as play:

        @contextmanager
        def running(name: str) -> Iterator[Stack]:
            assert name == "demo", "a stack of its own, not the user's"
            yield play.stack

        monkeypatch.setattr(deploy, "running", running)
        monkeypatch.setattr(Stack, "open", lambda *_args, **_options: play.stack)
        yield play


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    png(tmp_path / "photos" / "cats" / "tom & jerry.png")
    (tmp_path / "photos" / "notes.jpg").write_bytes(b"Dear diary")
    (tmp_path / "photos" / ".DS_Store").write_bytes(b"litter")
    return tmp_path / "photos"


def run(photos: Path | None, out: Path, *, aws: bool = False) -> int:
    return demo.run(argparse.Namespace(photos=photos, out=out, aws=aws, stack="darkroom"))


def summary(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return document


def test_a_folder_becomes_sets_a_summary_and_a_page(
    play: FakePipeline, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(photos, out) == 0, "a rejected file is no failure"
    lines = capsys.readouterr().out.splitlines()
    totals = summary(out)
    assert lines[-1] == f"2 uploaded: 1 succeeded, 1 rejected, 0 failed in {totals['seconds']:.1f} s"
    assert lines[0] == "Skipped 1 hidden or system file or folder: the pipeline ignores them"
    assert any(line.startswith("notes.jpg: CORRUPT: ") for line in lines)
    assert (out / "index.html").is_file()
    good, rejected = totals.pop("jobs")
    assert totals == {"uploaded": 2, "succeeded": 1, "rejected": 1, "failed": 0, "seconds": totals["seconds"]}
    assert good | {"seconds": 0} == {
        "source": "cats/tom & jerry.png",
        "status": "SUCCEEDED",
        "code": None,
        "reason": None,
        "manifest": "processed/cats/tom & jerry.png/manifest.json",
        "seconds": 0,
    }
    assert (out / good["manifest"]).is_file()
    assert (rejected["status"], rejected["code"], rejected["manifest"]) == ("REJECTED", "CORRUPT", None)


def test_a_failed_job_fails_the_demo(
    play: FakePipeline, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play.fail.add("raw/cats/tom & jerry.png")
    assert run(photos, tmp_path / "out") == 1
    assert "2 uploaded: 0 succeeded, 1 rejected, 1 failed in" in capsys.readouterr().out.splitlines()[-1]


def test_an_unaccounted_job_fails_the_demo(
    play: FakePipeline, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.ignore.add("raw/notes.jpg")
    monkeypatch.setitem(uploads.upload_and_follow.__kwdefaults__, "patience", 0.5)
    assert run(photos, tmp_path / "out") == 1
    assert summary(tmp_path / "out")["failed"] == 1
    assert summary(tmp_path / "out")["jobs"][1]["status"] == "UNACCOUNTED"


def test_on_aws_it_uploads_to_a_folder_of_its_own(play: FakePipeline, photos: Path, tmp_path: Path) -> None:
    assert run(photos, tmp_path / "out", aws=True) == 0
    keys = {version["Key"] for version in play.s3.list_object_versions(Bucket="darkroom-source")["Versions"]}
    assert keys == {"raw/demo/notes.jpg", "raw/demo/cats/tom & jerry.png"}
    assert summary(tmp_path / "out")["jobs"][0]["source"] == "cats/tom & jerry.png"


def test_on_this_computer_another_stack_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="leave out --stack, or add --aws"):
        demo.run(argparse.Namespace(photos=photos, out=tmp_path / "out", aws=False, stack="mine"))


def test_a_second_demo_replaces_the_first_and_nothing_else(play: FakePipeline, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out)
    (out / "mine.txt").write_text("mine")
    (out / "processed" / "mine.jpg").write_text("mine")
    (photos / "cats" / "tom & jerry.png").unlink()
    png(photos / "dog.png")
    run(photos, out)
    assert not (out / "processed" / "cats").exists()
    assert (out / "processed" / "dog.png" / "manifest.json").is_file()
    assert (out / "mine.txt").read_text() == (out / "processed" / "mine.jpg").read_text() == "mine"
    assert [job["source"] for job in summary(out)["jobs"]] == ["dog.png", "notes.jpg"]


def test_a_demo_replaces_the_files_of_an_interrupted_one(
    play: FakePipeline, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(demo, "write_contact_sheet", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(photos, out)
    assert (out / "processed").exists()
    assert run(photos, out) == 0


@pytest.mark.parametrize("taken", ["index.html", "summary.json", "processed/a.jpg"])
def test_the_users_own_files_are_never_overwritten(
    play: FakePipeline, photos: Path, tmp_path: Path, taken: str
) -> None:
    path = tmp_path / "site" / taken
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(CommandError, match="already holds"):
        run(photos, tmp_path / "site")
    assert path.read_text() == "{}"


def test_out_within_photos_is_not_processed(play: FakePipeline, photos: Path) -> None:
    assert run(photos, photos / "out") == 0
    assert run(photos, photos / "out") == 0
    assert [job["source"] for job in summary(photos / "out")["jobs"]] == ["cats/tom & jerry.png", "notes.jpg"]


@pytest.mark.parametrize("inside", ["", "processed", "processed/a.jpg", "samples"])
def test_results_are_not_read_as_photos(tmp_path: Path, inside: str) -> None:
    png(tmp_path / inside / "a.png")
    with pytest.raises(CommandError, match="is where the results go"):
        run(tmp_path / inside, tmp_path)


def test_missing_photos_are_reported_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.jpg").write_bytes(b"x")
    for photos, sentence in (("none", "does not exist"), ("empty", "holds no files"), ("file.jpg", "is a file")):
        with pytest.raises(CommandError, match=sentence):
            run(tmp_path / photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_out_that_cannot_be_written_is_reported(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(CommandError, match="cannot be written"):
        run(photos, tmp_path / "file" / "out")


def test_without_photos_it_makes_samples(
    play: FakePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make(folder: Path) -> list[Path]:
        png(folder / samples.NAMES[0])
        return [folder / samples.NAMES[0]]

    monkeypatch.setattr(samples, "make_samples", make)
    assert run(None, tmp_path / "out") == 0
    assert "1 uploaded: 1 succeeded" in capsys.readouterr().out
    assert (tmp_path / "out" / "samples" / samples.NAMES[0]).is_file()
