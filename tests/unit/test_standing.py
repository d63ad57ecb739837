"""When a set stands: whole, of these bytes and this recipe, by a manifest that is ours. Else it is made again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import keys, manifest, outputs, recipes
from tests.unit.triggering import (
    FOLDER,
    KEY,
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
)
from trigger import lease, reconcile

Later = Callable[[float], None]
MANIFEST = f"{FOLDER}/manifest.json"
SET = {keys.output(KEY, *output) for output in recipes.outputs(recipes.route(recipes.load(), KEY))} | {MANIFEST}
BASE = "https://images.example.com"


@pytest.fixture
def made(cloud: Any, workflow: Workflow) -> str:
    """The version of an upload whose set stands."""
    version: str = cloud.upload(KEY)
    assert deliver(message(record(KEY, version))) == []
    assert cloud.outputs(FOLDER) == SET
    return version


def put(cloud: Any, key: str, body: bytes = b"stray") -> None:
    cloud.s3.put_object(Bucket="darkroom-output", Key=key, Body=body)


def other_recipe(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """From now on the recipe is another one."""
    route = recipes.route
    monkeypatch.setattr(
        recipes, "route", lambda document, key: route(document, key) | {"hash": "0123456789abcdef", **changes}
    )


@in_any_bucket
def test_a_set_that_stands_costs_a_look_and_no_run(
    cloud: Any, workflow: Workflow, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cloud.output(MANIFEST), job_records(cloud)
    monkeypatch.setattr(outputs, "write", lambda *_: pytest.fail("it was written again"))
    assert deliver(message(record(KEY, made)), message(record(KEY, None, "ObjectCreated:Redrive"))) == []
    assert (len(workflow.started), lease_of(cloud)) == (1, None)
    assert (cloud.output(MANIFEST), job_records(cloud)) == before


@in_any_bucket
@pytest.mark.parametrize("name", sorted(SET))
def test_a_file_that_is_missing_is_made_again(cloud: Any, workflow: Workflow, made: str, name: str) -> None:
    cloud.s3.delete_object(Bucket="darkroom-output", Key=name)
    assert deliver(message(record(KEY, made))) == []
    assert (cloud.outputs(FOLDER), len(workflow.started)) == (SET, 2)
    assert workflow.started[-1]["round"] == 2


@in_any_bucket
def test_a_file_of_another_length_is_made_again(cloud: Any, workflow: Workflow, made: str) -> None:
    put(cloud, f"{FOLDER}/large.jpg", b"half of it")
    assert deliver(message(record(KEY, made))) == []
    assert (stored_set(cloud), len(workflow.started)) == (set_of(), 2)


@in_any_bucket
def test_a_file_that_no_manifest_lists_is_removed(cloud: Any, workflow: Workflow, made: str) -> None:
    put(cloud, f"{FOLDER}/of-an-older-recipe.webp")
    assert deliver(message(record(KEY, made))) == []
    assert (cloud.outputs(FOLDER), len(workflow.started), lease_of(cloud)) == (SET, 1, None)


@in_any_bucket
def test_what_no_recipe_can_have_made_is_left_alone(cloud: Any, workflow: Workflow, made: str) -> None:
    strangers = {f"{FOLDER}/{name}" for name in ("notes.txt", "Large.jpg", "large.jpg.bak", "below/large.jpg", "")}
    for name in strangers:
        put(cloud, name)
    assert deliver(message(record(KEY, made))) == []
    assert cloud.outputs(FOLDER) == SET | strangers
    marker = cloud.delete(KEY)
    assert deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated"))) == []
    assert cloud.outputs(FOLDER) == strangers


def edited(body: bytes) -> bytes:
    document = json.loads(body)
    document["renditions"] = document["renditions"][:1]
    return json.dumps(document).encode()


def of_another_key(body: bytes) -> bytes:
    document = json.loads(body)
    return json.dumps(manifest.sealed(document | {"source": document["source"] | {"key": "raw/other.jpg"}})).encode()


@in_any_bucket
@pytest.mark.parametrize(
    "change",
    [edited, of_another_key, lambda body: body[:-10], lambda body: b"", lambda body: b"[]", lambda body: b"\xff"],
    ids=["edited", "another key's", "truncated", "empty", "a list", "no text"],
)
def test_a_manifest_that_is_not_ours_does_not_count(
    cloud: Any, workflow: Workflow, made: str, change: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    put(cloud, MANIFEST, change(cloud.output(MANIFEST)))
    put(cloud, f"{FOLDER}/huge.jpg")  # it may have been listed
    assert deliver(message(record(KEY, made))) == []
    assert "the manifest does not count" in caplog.text
    assert (cloud.outputs(FOLDER), len(workflow.started)) == (SET, 2)
    assert outputs.standing(KEY).manifest
    assert job_records(cloud)[made]["status"] == "SUCCEEDED"


@in_any_bucket
def test_a_manifest_that_is_not_ours_does_not_hinder_a_removal(cloud: Any, workflow: Workflow, made: str) -> None:
    put(cloud, MANIFEST, b"{")
    marker = cloud.delete(KEY)
    assert deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated"))) == []
    assert (cloud.outputs(FOLDER), statuses(cloud)) == (set(), ["DELETED"])


# ------------------------------------------------------------------ recipes


@in_any_bucket
def test_a_changed_recipe_makes_the_set_again_and_clears_away_what_it_does_not_have(
    cloud: Any, workflow: Workflow, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_recipe(monkeypatch, formats=["webp", "jpeg"])
    assert deliver(message(record(KEY, made))) == []
    assert cloud.outputs(FOLDER) == {name for name in SET if not name.endswith(".avif")}
    assert len(workflow.started) == 2


@in_any_bucket
def test_a_clean_up_that_was_cut_off_is_taken_up_again(
    cloud: Any, workflow: Workflow, made: str, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_recipe(monkeypatch, formats=["webp", "jpeg"])

    def unavailable(**_: Any) -> None:
        raise RuntimeError("503 Slow Down")

    with monkeypatch.context() as patch:
        patch.setattr(outputs.storage.s3, "delete_objects", unavailable)
        assert len(deliver(message(record(KEY, made)))) == 1
    assert f"{FOLDER}/large.avif" in cloud.outputs(FOLDER)
    later(60)
    assert deliver(message(record(KEY, made))) == []
    assert cloud.outputs(FOLDER) == {name for name in SET if not name.endswith(".avif")}
    assert len(workflow.started) == 2


@in_any_bucket
def test_what_a_failed_attempt_of_an_older_recipe_wrote_is_cleared_away(
    cloud: Any, workflow: Workflow, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = cloud.upload(KEY)

    def write_and_fail(job: dict[str, Any]) -> None:
        put(cloud, f"{FOLDER}/of-an-older-recipe.webp")
        workflow.fail_halfway(job)

    workflow.script = [write_and_fail]
    assert len(deliver(message(record(KEY, version)))) == 1
    later(30)
    other_recipe(monkeypatch)
    assert deliver(message(record(KEY, version))) == []
    assert cloud.outputs(FOLDER) == SET


@in_any_bucket
def test_a_set_that_another_deployment_made_is_looked_at_again(
    cloud: Any, workflow: Workflow, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validate takes the recipe from its own deployment, and a run may meet an older or a newer one."""
    version = cloud.upload(KEY)
    workflow.script = [lambda job: workflow.succeed(job | {"recipe": {"name": "default", "hash": "f" * 16}})]
    assert len(deliver(message(record(KEY, version)))) == 1
    assert workflow.hidden[-1] == 120
    assert job_records(cloud)[version]["recipe"]["hash"] == "f" * 16
    later(120)
    assert deliver(message(record(KEY, version))) == []
    document = outputs.standing(KEY).manifest
    assert document
    assert document["recipe"]["hash"] == recipes.route(recipes.load(), KEY)["hash"]
    assert [(job["round"], job["attempt"]) for job in workflow.started] == [(1, 1), (2, 1)]


@in_any_bucket
def test_a_recipe_that_comes_back_finds_its_set(
    cloud: Any, workflow: Workflow, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        other_recipe(patch)
        assert deliver(message(record(KEY, made))) == []
    assert deliver(message(record(KEY, made))) == []
    assert [job["round"] for job in workflow.started] == [1, 2, 3]
    assert deliver(message(record(KEY, made))) == []
    assert len(workflow.started) == 3


# ------------------------------------------------------------------ asked for


@in_any_bucket
def test_force_makes_a_set_again_once(cloud: Any, workflow: Workflow, made: str, later: Later) -> None:
    later(60)
    event = message(record(KEY, None, "ObjectCreated:Force"))
    workflow.script = [workflow.fail]
    assert len(deliver(event)) == 1
    later(30)
    assert deliver(event) == []
    assert deliver(event) == []  # a duplicate
    assert [(job["round"], job["attempt"]) for job in workflow.started] == [(1, 1), (2, 1), (2, 2)]
    assert statuses(cloud) == ["SUCCEEDED"]


@in_any_bucket
def test_force_makes_a_set_again_whose_files_were_exchanged(
    cloud: Any, workflow: Workflow, made: str, later: Later
) -> None:
    put(cloud, f"{FOLDER}/large.jpg", set_of()[::-1].encode())  # of the same length: it counts as the file
    later(60)
    assert deliver(message(record(KEY, None, "ObjectCreated:Redrive"))) == []
    assert stored_set(cloud) != set_of()
    assert deliver(message(record(KEY, None, "ObjectCreated:Force"))) == []
    assert stored_set(cloud) == set_of()


# ------------------------------------------------------------------ URLs


@in_any_bucket
def test_a_changed_base_reaches_the_manifest_at_the_next_look(
    cloud: Any, workflow: Workflow, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads(cloud.output(MANIFEST))
    for base in (BASE, "https://other.example", ""):
        monkeypatch.setattr(reconcile, "PUBLIC_BASE_URL", base)
        assert deliver(message(record(KEY, made))) == []
        document = outputs.standing(KEY).manifest
        assert document
        urls = [url for value in document["srcset"].values() for url in value.split(", ")]
        assert urls
        assert all(url.startswith(f"{base}/processed/" if base else "processed/") for url in urls)
        head = cloud.s3.head_object(Bucket="darkroom-output", Key=MANIFEST)
        assert (head["ContentType"], head["CacheControl"]) == ("application/json", "no-cache")
    assert json.loads(cloud.output(MANIFEST)) == before
    assert len(workflow.started) == 1


@in_any_bucket
def test_a_renewed_manifest_does_not_replace_another_ones(
    cloud: Any, workflow: Workflow, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "PUBLIC_BASE_URL", BASE)
    addressed = manifest.addressed

    def overtaken(*arguments: Any) -> Any:
        put(cloud, MANIFEST, b"of a successor")
        return addressed(*arguments)

    monkeypatch.setattr(manifest, "addressed", overtaken)
    assert len(deliver(message(record(KEY, made)))) == 1
    assert cloud.output(MANIFEST) == b"of a successor"


# ------------------------------------------------------------------ records


@in_any_bucket
def test_a_set_whose_record_has_expired_is_not_made_again(cloud: Any, workflow: Workflow, made: str) -> None:
    cloud.forget(KEY, made)
    for _ in range(2):
        assert deliver(message(record(KEY, made))) == []
    assert (len(workflow.started), job_records(cloud)[made]["status"]) == (1, "SUCCEEDED")


@in_any_bucket
def test_a_job_whose_record_has_expired_goes_on_after_the_round_that_made_its_set(
    cloud: Any, workflow: Workflow, made: str
) -> None:
    cloud.forget(KEY, made)
    deliver(message(record(KEY, made, "ObjectCreated:Force"), sent_at=time.time() + 1))
    assert [job["round"] for job in workflow.started] == [1, 2]


@in_any_bucket
@pytest.mark.parametrize("status", ["SUPERSEDED", "FAILED", "QUEUED", None])
def test_a_record_that_says_otherwise_than_the_set_is_mended(
    cloud: Any, workflow: Workflow, made: str, status: str | None, later: Later
) -> None:
    from pipeline import jobs

    key = jobs._key(KEY, made)
    if status is None:
        cloud.dynamodb.delete_item(TableName="jobs", Key=key)
    else:
        item = job_records(cloud)[made] | {"status": status, "attention": status, "last_failure": {"at": "2026-01-01"}}
        cloud.dynamodb.put_item(TableName="jobs", Item=jobs.marshal(item))
    assert deliver(message(record(KEY, made))) == []
    found = job_records(cloud)[made]
    assert (found["status"], "attention" in found, found["result"]["renditions"]) == ("SUCCEEDED", False, 13)
    assert len(workflow.started) == 1


@in_any_bucket
def test_what_a_trigger_that_died_did_not_clear_away_is_cleared_with_the_next_set(
    cloud: Any, workflow: Workflow, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the manifest before the next set does not list it."""
    deliver(message(record(KEY, cloud.upload(KEY, b"1"))))
    left = f"{FOLDER}/of-an-older-recipe.jpg"
    cloud.s3.put_object(Bucket="darkroom-output", Key=left, Body=b"")

    def die(job: dict[str, Any]) -> None:
        workflow.succeed(job)
        raise KeyboardInterrupt  # the invocation ends here: nothing after it runs

    workflow.script = [die]
    second = record(KEY, cloud.upload(KEY, b"2"))
    with monkeypatch.context() as patch:
        patch.setattr(lease.Lease, "release", lambda self: None)
        with pytest.raises(KeyboardInterrupt):
            deliver(message(second))
    later(lease.LEASE_SECONDS + 1)
    assert deliver(message(record(KEY, cloud.upload(KEY, b"3")))) == []
    assert not cloud.exists(left)
    assert lease_of(cloud) is None
