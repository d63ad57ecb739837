"""What the functions learn from S3, and how they replace what may have changed."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline import clock, storage
from tests.unit.triggering import SourceBucket, in_any_bucket

KEY = "raw/cats/tom.jpg"
OUTPUT = "processed/cats/tom.jpg/manifest.json"


def versions(key: str = KEY) -> list[str]:
    """Those that can be reached from the newest one."""
    found, source = [], storage.head("darkroom-source", key)
    while source:
        found.append(source["version_id"])
        source = storage.older(source)
    return found


@pytest.fixture
def neighbours(cloud: Any) -> None:
    """Sources whose keys begin as KEY does, or come just before and after it."""
    for key in ("raw/cats/to", "raw/cats/tom.jp", KEY + ".jpg", KEY + "/x", "raw/cats/tom.jpga", "raw/dogs"):
        cloud.upload(key)


def test_versions_come_newest_first(cloud: Any, neighbours: None) -> None:
    put = [cloud.upload(KEY, b"%d" % number) for number in range(4)]
    assert versions() == put[::-1]
    assert versions("raw/absent.jpg") == []


def test_versions_end_at_the_last_delete_marker(cloud: Any, neighbours: None) -> None:
    cloud.upload(KEY, b"1")
    marker = cloud.delete(KEY)
    assert versions() == []
    above = [cloud.upload(KEY, b"%d" % number) for number in (2, 3)]
    assert versions() == above[::-1]
    cloud.delete(KEY, marker)
    assert len(versions()) == 3


def test_older_versions_are_described_as_the_newest_is(cloud: Any) -> None:
    cloud.upload(KEY, b"1")
    first = storage.head("darkroom-source", KEY)
    cloud.upload(KEY, b"two")
    second = storage.head("darkroom-source", KEY)
    assert first
    assert second
    assert first == storage.older(second) == storage.head("darkroom-source", KEY, first["version_id"])
    assert storage.head("darkroom-source", KEY, "absent") is None


def test_a_delete_marker_names_what_it_hides(cloud: Any, neighbours: None) -> None:
    assert storage.delete_marker("darkroom-source", KEY) is None
    cloud.upload(KEY, b"1")
    hidden = cloud.upload(KEY, b"2")
    name = cloud.delete(KEY)
    marker = storage.delete_marker("darkroom-source", KEY)
    assert marker
    assert (marker.version_id, marker.hides) == (name, hidden)
    once_more = cloud.delete(KEY)
    marker = storage.delete_marker("darkroom-source", KEY)
    assert marker
    assert (marker.version_id, marker.hides) == (once_more, None)


def test_a_source_that_comes_back_meanwhile_is_not_hidden(cloud: Any) -> None:
    """Its new version would be taken for what the delete marker hides."""
    cloud.upload(KEY)
    cloud.delete(KEY)
    cloud.upload(KEY)
    with pytest.raises(storage.ChangedError):
        storage.delete_marker("darkroom-source", KEY)


def test_a_delete_marker_of_a_neighbour_hides_nothing(cloud: Any) -> None:
    cloud.upload(KEY + ".jpg")
    cloud.delete(KEY + ".jpg")
    assert storage.delete_marker("darkroom-source", KEY) is None


def test_the_lowest_version_is_all_that_there_is(cloud: Any, neighbours: None) -> None:
    cloud.upload(KEY)
    assert storage.is_lowest("darkroom-source", KEY)
    marker = cloud.delete(KEY)
    cloud.upload(KEY)
    assert not storage.is_lowest("darkroom-source", KEY)
    cloud.delete(KEY, marker)
    assert not storage.is_lowest("darkroom-source", KEY)


def test_the_files_of_a_folder_are_listed_to_the_end_and_without_those_below(cloud: Any) -> None:
    names = {f"processed/a/{number}.jpg" for number in range(1001)}
    for name in [*names, "processed/a/b/1.jpg", "processed/ab.jpg", "processed/a"]:
        cloud.s3.put_object(Bucket="darkroom-output", Key=name, Body=b"12")
    assert storage.files("darkroom-output", "processed/a/") == dict.fromkeys(names, 2)


def test_an_object_is_replaced_only_if_it_is_the_one_that_was_read(cloud: Any) -> None:
    def replace(body: bytes, etag: str | None) -> None:
        storage.replace("darkroom-output", OUTPUT, body, etag, "application/json")

    replace(b"1", None)
    with pytest.raises(storage.ChangedError):
        replace(b"2", None)
    _, first = storage.get("darkroom-output", OUTPUT) or (b"", "")
    replace(b"2", first)
    with pytest.raises(storage.ChangedError):
        replace(b"3", first)
    replace(b"2", first)  # a repeated call, after a lost answer
    assert cloud.output(OUTPUT) == b"2"
    cloud.s3.delete_object(Bucket="darkroom-output", Key=OUTPUT)
    with pytest.raises(storage.ChangedError):
        replace(b"4", first)
    assert storage.get("darkroom-output", OUTPUT) is None


def test_a_write_that_met_another_one_at_the_same_moment_was_not_made(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def conflict(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "PutObject")  # 409

    monkeypatch.setattr(storage.s3, "put_object", conflict)
    with pytest.raises(storage.ChangedError):
        storage.replace("darkroom-output", OUTPUT, b"", None, "application/json")


@pytest.mark.parametrize("code", ["AccessDenied", "SlowDown"])
def test_an_error_is_not_taken_for_absence_or_a_change(cloud: Any, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    def refused(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code}}, "Operation")

    for call in ("get_object", "head_object", "put_object"):
        monkeypatch.setattr(storage.s3, call, refused)
    with pytest.raises(ClientError):
        storage.get("darkroom-output", OUTPUT)
    with pytest.raises(ClientError):
        storage.head("darkroom-source", KEY)
    with pytest.raises(ClientError):
        storage.replace("darkroom-output", OUTPUT, b"", None, "application/json")


@in_any_bucket
@pytest.mark.parametrize("gone", ["deleted", "overwritten"])
def test_a_source_that_is_gone_or_has_other_bytes_is_gone(cloud: Any, bucket: SourceBucket, gone: str) -> None:
    cloud.upload(KEY, b"1")
    source = storage.head("darkroom-source", KEY)
    assert source
    assert storage.read_source(source, 5) == b"1"
    if gone == "deleted":
        cloud.delete(KEY, source["version_id"])
    else:
        cloud.upload(KEY, b"2")
    if gone == "overwritten" and bucket.versioned:
        assert storage.read_source(source, 5) == b"1"
        return
    with pytest.raises(storage.SourceGoneError):
        storage.read_source(source, 5)


@in_any_bucket
def test_a_source_is_described_by_when_it_changed_in_whole_seconds(cloud: Any, bucket: SourceBucket) -> None:
    cloud.upload(KEY)
    source = storage.head("darkroom-source", KEY)
    assert source
    modified = cloud.s3.head_object(Bucket="darkroom-source", Key=KEY)["LastModified"]
    assert source["modified"] == modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert clock.epoch(source["modified"]) == modified.timestamp()
    assert (source["version_id"] == "null") is not bucket.versioned


def test_what_is_written_is_revalidated_and_names_its_bytes(cloud: Any) -> None:
    storage.put("darkroom-output", "processed/a", b"x", "image/webp", {"v": "0123456789abcdef"})
    storage.put("darkroom-output", "work/a", b"x", "application/octet-stream", {})
    storage.replace("darkroom-output", OUTPUT, b"{}", None, "application/json")
    for key, metadata in (("processed/a", {"v": "0123456789abcdef"}), ("work/a", {}), (OUTPUT, {})):
        head = cloud.s3.head_object(Bucket="darkroom-output", Key=key)
        assert (head["CacheControl"], head["Metadata"]) == ("no-cache", metadata)
