"""A folder through the pipeline: every file is uploaded, followed and fetched, or reported."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from darkroom import uploads as uploads_module
from darkroom.commands import upload as upload_command
from darkroom.uploads import Upload, fetch_set, find_files, local_path, upload_and_follow, uploads_from
from tests.unit.fake_pipeline import FakePipeline, playing

AWKWARD = "a b/100% + größe #1?'\"&.png"


def picture(path: Path, color: str = "teal") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.new("RGB", (200, 100), color).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
    return path


def through(files: list[Path], folder: Path, play: FakePipeline, **options: object) -> list[Upload]:
    uploads = uploads_from(folder, files, "raw/")
    over = [upload for upload in upload_and_follow(play.stack, uploads, poll=0.02, **options) if upload.over]
    assert sorted(map(id, over)) == sorted(map(id, uploads)), "each upload ends once"
    return uploads


def test_a_set_is_fetched_under_its_keys(tmp_path: Path) -> None:
    files = [picture(tmp_path / "in" / AWKWARD)]
    with playing() as play:
        (upload,) = through(files, tmp_path / "in", play, out=tmp_path / "out")
    assert (upload.status, upload.source, upload.key) == ("SUCCEEDED", AWKWARD, f"raw/{AWKWARD}")
    assert upload.manifest == tmp_path / "out" / "processed" / AWKWARD / "manifest.json"
    for rendition in json.loads(upload.manifest.read_text())["renditions"]:
        with Image.open(tmp_path / "out" / rendition["key"]) as image:
            assert image.size == (rendition["width"], rendition["height"])
    assert 0 < upload.seconds < 30


def test_a_rejected_upload_ends_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_bytes(b"Dear diary")
    with playing() as play:
        (upload,) = through([tmp_path / "notes.jpg"], tmp_path, play, out=tmp_path / "out")
    assert (upload.status, upload.code) == ("REJECTED", "CORRUPT")
    assert "export it again" in str(upload.reason)
    assert not (tmp_path / "out").exists()


def test_a_job_that_stands_still_ends_as_unaccounted(tmp_path: Path) -> None:
    files = [picture(tmp_path / "lost.png"), picture(tmp_path / "fine.png")]
    with playing() as play:
        play.ignore.add("raw/lost.png")
        lost, fine = through(files, tmp_path, play, patience=1.0)
    assert fine.status == "SUCCEEDED"
    assert lost.status == lost.code == "UNACCOUNTED"
    assert "dead-letter queue" in str(lost.reason)


def test_the_number_of_files_under_way_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads_module, "OUTSTANDING", 3)
    files = [picture(tmp_path / f"{number}.png") for number in range(12)]
    with playing() as play:
        uploads = uploads_from(tmp_path, files, "raw/")
        most = 0
        for _ in upload_and_follow(play.stack, uploads, poll=0.02):
            most = max(most, sum(1 for upload in uploads if upload.started and not upload.over))
    assert most <= 3
    assert all(upload.status == "SUCCEEDED" for upload in uploads)


def test_more_jobs_are_followed_than_one_batch_read_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads_module, "OUTSTANDING", 130)
    for number in range(120):
        (tmp_path / f"{number}.txt").write_bytes(b"no picture")
    files, _ = find_files(tmp_path)
    with playing() as play:
        uploads = through(files, tmp_path, play)
    assert {upload.status for upload in uploads} == {"REJECTED"}


def test_a_file_that_cannot_be_uploaded_fails_alone(tmp_path: Path) -> None:
    files = [picture(tmp_path / "here.png"), tmp_path / "gone.png"]
    if os.name == "posix":
        files.append(picture(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))))
    with playing() as play:
        here, *others = through(files, tmp_path, play)
    assert here.status == "SUCCEEDED"
    assert {upload.code for upload in others} == {"NOT_UPLOADED"}
    assert "No such file" in str(others[0].reason)
    assert "not valid UTF-8" in str(others[-1].reason)


def test_a_file_with_another_hash_than_its_manifests_is_an_error(tmp_path: Path) -> None:
    with playing() as play:
        through([picture(tmp_path / "a.png")], tmp_path, play)
        play.s3.put_object(Bucket="darkroom-output", Key="processed/a.png/large.webp", Body=b"other")
        with pytest.raises(ValueError, match=r"large\.webp is not the file that the manifest describes"):
            fetch_set(play.stack, "processed/a.png/manifest.json", tmp_path / "out")


def test_discarding_deletes_the_uploaded_version_and_keeps_the_fetched_set(tmp_path: Path) -> None:
    with playing() as play:
        (upload,) = through([picture(tmp_path / "a.png")], tmp_path, play, out=tmp_path / "out", discard=True)
        left = play.s3.list_object_versions(Bucket="darkroom-source")
    assert "Versions" not in left
    assert "DeleteMarkers" not in left
    assert upload.manifest is not None
    assert upload.manifest.exists()


def test_hidden_and_system_files_are_skipped_and_counted(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/b.jpg", ".hidden.jpg", "sub/Thumbs.db", "desktop.ini", ".git/c.jpg", "out/d.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    files, skipped = find_files(tmp_path, without=tmp_path.resolve() / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in files] == ["a.jpg", "sub/b.jpg"]
    assert skipped == 4


@pytest.mark.parametrize("key", ["../x", "processed/../../x", "/etc/x", ""])
def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="no path below a folder"):
        local_path(tmp_path, key)


@pytest.mark.parametrize(
    ("root", "folder", "key"),
    [
        ("raw/", "", "raw/a.jpg"),
        ("raw/", "/", "raw/a.jpg"),
        ("raw/", "raw/", "raw/a.jpg"),
        ("raw/", "products", "raw/products/a.jpg"),
        ("raw/", "/products/new/", "raw/products/new/a.jpg"),
        ("raw/", "raw/products", "raw/products/a.jpg"),
        ("our/photos/", "", "our/photos/a.jpg"),
        ("our/photos/", "our/photos/cats", "our/photos/cats/a.jpg"),
        ("our/photos/", "raw/cats", "our/photos/raw/cats/a.jpg"),
    ],
)
def test_a_folder_may_be_typed_with_or_without_the_stacks_prefix(
    tmp_path: Path, root: str, folder: str, key: str
) -> None:
    (tmp_path / "a.jpg").touch()
    assert [upload.key for upload in upload_command.planned([tmp_path / "a.jpg"], root, folder)] == [key]
