"""Sources that are deleted, restored or gone: what becomes of their sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import jobs, storage
from tests.unit.triggering import (
    FOLDER,
    KEY,
    SourceBucket,
    Workflow,
    deliver,
    in_any_bucket,
    job_records,
    lease_of,
    message,
    record,
    set_of,
    statuses,
    stored_set,
    with_versions,
)
from trigger import lease, reconcile


@pytest.fixture(autouse=True)
def _sets_are_older_than_delete_markers(later: Callable[[float], None]) -> None:
    """S3's clock, which goes on meanwhile, is ahead of the functions'."""
    later(-60)


def expire(cloud: Any) -> None:
    """What a lifecycle rule does: S3 sends no event that Darkroom gets."""
    cloud.delete(KEY)


@in_any_bucket
@pytest.mark.parametrize("cut", ["renditions", "record", "manifest"])
@pytest.mark.parametrize("restored", [False, True])
def test_a_removal_that_was_cut_off_is_taken_up_again(
    cloud: Any,
    workflow: Workflow,
    monkeypatch: pytest.MonkeyPatch,
    later: Callable[[float], None],
    bucket: SourceBucket,
    cut: str,
    restored: bool,
) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    marker = cloud.delete(KEY)
    delete, retire = storage.delete, jobs.retire

    def delete_and_die(bucket: str, keys: list[str]) -> None:
        delete(bucket, keys)
        if cut == ("manifest" if f"{FOLDER}/manifest.json" in keys else "renditions"):
            raise RuntimeError("503 Slow Down")

    def retire_and_die(*arguments: Any, **options: Any) -> None:
        retire(*arguments, **options)
        if cut == "record":
            raise RuntimeError("throttled")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", delete_and_die)
        patch.setattr(jobs, "retire", retire_and_die)
        assert len(deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")))) == 1
    if restored and bucket.versioned:
        cloud.delete(KEY, marker)
    elif restored:
        cloud.upload(KEY)
    event = record(KEY, marker, "ObjectRemoved:Delete")
    assert len(deliver(message(event))) == 1  # the one who died may still remove
    later(lease.LEASE_SECONDS)
    assert deliver(message(event)) == []
    assert statuses(cloud) == ["SUCCEEDED" if restored else "DELETED"]
    assert cloud.exists(f"{FOLDER}/large.jpg") is cloud.exists(f"{FOLDER}/manifest.json") is restored


@in_any_bucket
def test_a_delete_removes_exactly_the_set(cloud: Any, workflow: Workflow) -> None:
    version, neighbour = cloud.upload(KEY), cloud.upload(KEY + "/large.jpg")
    deliver(message(record(KEY, version)), message(record(KEY + "/large.jpg", neighbour)))
    marker = cloud.delete(KEY)
    assert deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated"))) == []
    assert not cloud.exists(f"{FOLDER}/manifest.json")
    assert not cloud.exists(f"{FOLDER}/large.jpg")
    assert cloud.exists(f"{FOLDER}/large.jpg/large.jpg")
    assert cloud.exists(f"{FOLDER}/large.jpg/manifest.json")
    assert statuses(cloud) == ["DELETED"]
    assert statuses(cloud, KEY + "/large.jpg") == ["SUCCEEDED"]


@in_any_bucket
def test_a_removal_holds_the_lease(cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(message(record(KEY, cloud.upload(KEY))))
    marker = cloud.delete(KEY)
    seen = []
    monkeypatch.setattr(storage, "delete", lambda *_: seen.extend(cloud.records(KEY)))
    deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")))
    held = [item for item in seen if item["item"] == "lease"]
    assert len(held) == 2
    assert all(item["held_until"] > time.time() + lease.LEASE_SECONDS - 5 for item in held)


def test_no_folder_is_looked_at_whose_name_s3_does_not_take(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses it, for ever."""
    looked: list[str] = []
    files = storage.files
    monkeypatch.setattr(storage, "files", lambda bucket, folder: looked.append(folder) or files(bucket, folder))
    longest, too_long = (f"raw/{'x' * (1024 - len('processed//') + more)}" for more in (0, 1))
    for key in (longest, too_long):
        cloud.upload(key)
        marker = cloud.delete(key)
        assert deliver(message(record(key, marker, "ObjectRemoved:DeleteMarkerCreated"))) == []
    assert looked == [f"processed/{longest[4:]}/"]


@with_versions
def test_a_restore_brings_the_set_back(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    marker = cloud.delete(KEY)
    deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")))
    cloud.delete(KEY, marker)
    assert deliver(message(record(KEY, marker, "ObjectRemoved:Delete"))) == []
    assert cloud.exists(f"{FOLDER}/manifest.json")
    assert (job_records(cloud)[version]["status"], job_records(cloud)[version]["round"]) == ("SUCCEEDED", 2)


@with_versions
def test_deleting_the_newest_version_brings_back_the_one_before(cloud: Any, workflow: Workflow) -> None:
    first = cloud.upload(KEY, b"1")
    deliver(message(record(KEY, first)))
    second = cloud.upload(KEY, b"2")
    deliver(message(record(KEY, second)))
    cloud.delete(KEY, second)
    assert deliver(message(record(KEY, second, "ObjectRemoved:Delete"))) == []
    assert stored_set(cloud) == set_of(b"1")


@with_versions
def test_deleting_a_noncurrent_version_removes_nothing(cloud: Any, workflow: Workflow) -> None:
    first, second = cloud.upload(KEY, b"1"), cloud.upload(KEY, b"2")
    deliver(message(record(KEY, second)))
    cloud.delete(KEY, first)
    assert deliver(message(record(KEY, first, "ObjectRemoved:Delete"))) == []
    assert cloud.exists(f"{FOLDER}/manifest.json")
    assert len(workflow.started) == 1


@in_any_bucket
def test_an_original_that_expired_keeps_its_set(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    expire(cloud)
    for event in ("ObjectCreated:Put", "ObjectCreated:Redrive", "ObjectCreated:Force"):
        assert deliver(message(record(KEY, version, event))) == []
    assert cloud.exists(f"{FOLDER}/manifest.json")
    assert (statuses(cloud), len(workflow.started)) == (["SUCCEEDED"], 1)


@with_versions
def test_an_original_that_expired_keeps_its_set_when_its_versions_are_erased(cloud: Any, workflow: Workflow) -> None:
    """As a rule about noncurrent versions does it, or somebody who saves money."""
    versions = [cloud.upload(KEY, body) for body in (b"1", b"2")]
    deliver(message(record(KEY, versions[-1])))
    expire(cloud)
    for version in versions:
        cloud.delete(KEY, version)
        assert deliver(message(record(KEY, version, "ObjectRemoved:Delete"))) == []
    assert stored_set(cloud) == set_of(b"2")


@in_any_bucket
def test_what_stands_for_an_expired_original_is_kept_in_order(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    before = cloud.outputs(FOLDER)
    expire(cloud)
    cloud.s3.put_object(Bucket="darkroom-output", Key=f"{FOLDER}/of-an-older-recipe.jpg", Body=b"")
    monkeypatch.setattr(reconcile, "PUBLIC_BASE_URL", "https://images.example.com")
    assert deliver(message(record(KEY, version))) == []
    assert cloud.outputs(FOLDER) == before
    assert b"https://images.example.com/processed/" in cloud.output(f"{FOLDER}/manifest.json")


@in_any_bucket
def test_what_stands_for_an_expired_original_is_left_alone_if_its_manifest_was_edited(
    cloud: Any, workflow: Workflow
) -> None:
    """Nobody could make it again."""
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    expire(cloud)
    cloud.s3.put_object(Bucket="darkroom-output", Key=f"{FOLDER}/manifest.json", Body=b"{")
    files = cloud.outputs(FOLDER)
    assert deliver(message(record(KEY, version))) == []
    assert cloud.outputs(FOLDER) == files
    assert lease_of(cloud) is None


@in_any_bucket
def test_the_set_of_an_expired_original_is_removed_where_somebody_asks_for_it(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    expire(cloud)
    assert deliver(message(record(KEY, None, "ObjectRemoved:Redrive"))) == []
    assert (cloud.outputs(FOLDER), statuses(cloud)) == (set(), ["DELETED"])


@in_any_bucket
def test_a_delete_whose_message_was_lost_is_made_good_by_the_next_one(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    cloud.delete(KEY)
    marker = cloud.delete(KEY)  # once more
    assert deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated"))) == []
    assert (cloud.outputs(FOLDER), statuses(cloud)) == (set(), ["DELETED"])


@with_versions
def test_of_two_deletes_the_first_one_counts_although_the_second_hides_it(cloud: Any, workflow: Workflow) -> None:
    deliver(message(record(KEY, cloud.upload(KEY))))
    first, second = cloud.delete(KEY), cloud.delete(KEY)
    assert deliver(message(record(KEY, first, "ObjectRemoved:DeleteMarkerCreated"))) == []
    cloud.delete(KEY, second)  # taken back, before its message was read
    assert deliver(message(record(KEY, second, "ObjectRemoved:DeleteMarkerCreated"))) == []
    assert cloud.outputs(FOLDER) == set()


@with_versions
def test_a_version_that_took_over_a_set_and_is_erased_takes_it_with_it(
    cloud: Any, workflow: Workflow, later: Callable[[float], None]
) -> None:
    """The set is older than the delete marker below the version, but the version was not."""
    deliver(message(record(KEY, cloud.upload(KEY))))
    later(60)
    marker = cloud.delete(KEY)
    again = cloud.upload(KEY)
    deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")))
    assert len(workflow.started) == 1
    cloud.delete(KEY, again)
    assert deliver(message(record(KEY, again, "ObjectRemoved:Delete"))) == []
    assert cloud.outputs(FOLDER) == set()


@with_versions
def test_a_version_that_is_erased_above_a_delete_marker_takes_its_set_with_it(
    cloud: Any, workflow: Workflow, later: Callable[[float], None]
) -> None:
    cloud.upload(KEY, b"1")
    cloud.delete(KEY)
    later(120)
    version = cloud.upload(KEY, b"2")
    deliver(message(record(KEY, version)))
    cloud.delete(KEY, version)
    assert deliver(message(record(KEY, version, "ObjectRemoved:Delete"))) == []
    assert (cloud.outputs(FOLDER), job_records(cloud)[version]["status"]) == (set(), "DELETED")


@with_versions
def test_a_version_that_is_erased_takes_its_set_with_it_although_its_record_has_expired(
    cloud: Any, workflow: Workflow, later: Callable[[float], None]
) -> None:
    cloud.upload(KEY, b"1")
    cloud.delete(KEY)
    later(120)
    version = cloud.upload(KEY, b"2")
    deliver(message(record(KEY, version)))
    cloud.forget(KEY, version)
    cloud.delete(KEY, version)
    assert deliver(message(record(KEY, version, "ObjectRemoved:Delete"))) == []
    assert (cloud.outputs(FOLDER), job_records(cloud)[version]["status"]) == (set(), "DELETED")


@with_versions
@pytest.mark.parametrize("named", ["null", None])
def test_a_delete_while_versioning_is_suspended_is_a_delete(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    cloud.delete(KEY)
    listed = storage.s3.list_object_versions

    def nameless(**request: Any) -> Any:
        answer = listed(**request)
        answer["DeleteMarkers"][0]["VersionId"] = "null"
        return answer

    monkeypatch.setattr(storage.s3, "list_object_versions", nameless)
    assert deliver(message(record(KEY, named, "ObjectRemoved:DeleteMarkerCreated"))) == []
    assert (cloud.outputs(FOLDER), statuses(cloud)) == (set(), ["DELETED"])


@with_versions
def test_the_records_of_who_made_a_set_and_who_had_it_last_say_deleted(cloud: Any, workflow: Workflow) -> None:
    maker, last = cloud.upload(KEY), cloud.upload(KEY)
    deliver(message(record(KEY, last)))
    deliver(message(record(KEY, maker)))
    maker, last = last, cloud.upload(KEY)
    deliver(message(record(KEY, last)))  # the same bytes
    marker = cloud.delete(KEY)
    assert deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated"))) == []
    found = job_records(cloud)
    assert (found[maker]["status"], found[last]["status"]) == ("DELETED", "DELETED")


@with_versions
def test_a_source_that_was_gone_before_it_was_seen_is_deleted(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    cloud.delete(KEY)
    assert deliver(message(record(KEY, version))) == []
    assert statuses(cloud) == ["DELETED"]
    assert workflow.started == []


@in_any_bucket
def test_a_source_that_vanishes_while_it_is_read_never_fails(
    cloud: Any, workflow: Workflow, later: Callable[[float], None]
) -> None:
    version = cloud.upload(KEY)

    def vanish(job: dict[str, Any]) -> None:
        cloud.delete(KEY, version)
        workflow.fail(job, "SourceGoneError")

    workflow.script = [workflow.fail, workflow.fail, vanish]
    for _ in range(3):
        assert len(deliver(message(record(KEY, version)))) == 1
        later(480)
    assert deliver(message(record(KEY, version))) == []
    assert [job["attempt"] for job in workflow.started] == [1, 2, 3]
    assert statuses(cloud) == ["DELETED"]
    assert cloud.published() == []


def test_a_removal_that_s3_refuses_is_an_error(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"Errors": [{"Key": "processed/a", "Code": "AccessDenied", "Message": "no"}]}
    monkeypatch.setattr(storage.s3, "delete_objects", lambda **_: refused)
    with pytest.raises(RuntimeError, match=r"could not remove 1 .*processed/a.*AccessDenied"):
        storage.delete("darkroom-output", ["processed/a", "processed/b"])
