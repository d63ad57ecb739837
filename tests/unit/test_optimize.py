"""OptimizeImage writes only what is its own to write, and no manifest in the place of a successor's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import jobs, outputs, storage
from tests.unit.invoking import call
from tests.unit.test_handlers import FOLDER, KEY, begun, job, parts, photo

MANIFEST = f"{FOLDER}/manifest.json"


@pytest.fixture
def event(cloud: Any) -> dict[str, Any]:
    """What OptimizeImage is handed for a small photo."""
    return parts(begun(job(cloud, photo((64, 48)))))


def take_over(the_job: dict[str, Any]) -> None:
    source = the_job["source"]
    previous = jobs.get(source["key"], source["version_id"])
    jobs.begin(the_job | {"attempt": 2, "execution_name": "the next one"}, previous)


def retire(the_job: dict[str, Any]) -> None:
    jobs.close(the_job, "QUEUED", last_failure={})


@pytest.mark.parametrize("change", [take_over, retire])
def test_an_attempt_that_lost_its_job_writes_nothing(
    cloud: Any, event: dict[str, Any], change: Callable[[dict[str, Any]], None]
) -> None:
    change(event["job"])
    with pytest.raises(jobs.NotOwnerError):
        call("optimize", event)
    assert cloud.outputs(FOLDER) == set()


def test_an_attempt_that_begins_too_late_writes_nothing(
    cloud: Any, event: dict[str, Any], later: Callable[[float], None]
) -> None:
    later(event["job"]["deadline"])
    with pytest.raises(jobs.NotOwnerError):
        call("optimize", event)
    assert cloud.outputs(FOLDER) == set()


@pytest.mark.parametrize("before", [False, True])
def test_a_manifest_that_changed_meanwhile_is_not_replaced(
    cloud: Any, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    if before:
        cloud.s3.put_object(Bucket="darkroom-output", Key=MANIFEST, Body=b"of the set before")
    put = storage.put

    def overtaken(bucket: str, key: str, *rest: Any) -> None:
        put(bucket, key, *rest)
        cloud.s3.put_object(Bucket="darkroom-output", Key=MANIFEST, Body=b"of a successor")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "put", overtaken)
        with pytest.raises(storage.ChangedError):
            call("optimize", event)
    assert cloud.output(MANIFEST) == b"of a successor"
    assert cloud.outputs("work/")  # a removal is for those who finished


def test_the_standing_manifest_is_replaced(cloud: Any, event: dict[str, Any]) -> None:
    call("optimize", event)
    first = json.loads(cloud.output(MANIFEST))
    newer = job(cloud, photo((80, 60)))
    call("optimize", parts(begun(newer)))
    document = outputs.standing(KEY).manifest
    assert document
    assert (first["source"]["width"], document["source"]["width"]) == (64, 80)
    assert document["source"]["version_id"] == newer["source"]["version_id"]


def test_a_manifest_that_is_not_ours_is_replaced(cloud: Any, event: dict[str, Any]) -> None:
    cloud.s3.put_object(Bucket="darkroom-output", Key=MANIFEST, Body=b"somebody's notes")
    call("optimize", event)
    assert outputs.standing(KEY).manifest


def test_a_manifest_whose_answer_was_lost_was_written(
    cloud: Any, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_object = storage.s3.put_object

    def twice(**request: Any) -> Any:
        put_object(**request)
        return put_object(**request) if "IfNoneMatch" in request else None

    monkeypatch.setattr(storage.s3, "put_object", twice)
    assert call("optimize", event)["renditions"] == 13


def test_the_manifest_is_written_last(cloud: Any, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    put_object = storage.s3.put_object

    def noted(**request: Any) -> Any:
        written.append(request["Key"])
        return put_object(**request)

    monkeypatch.setattr(storage.s3, "put_object", noted)
    call("optimize", event)
    assert (len(written), written[-1]) == (14, MANIFEST)


def test_nothing_is_removed_but_the_intermediates(cloud: Any, event: dict[str, Any]) -> None:
    older = f"{FOLDER}/of-an-older-recipe.jpg"
    cloud.s3.put_object(Bucket="darkroom-output", Key=older, Body=b"")
    call("optimize", event)
    assert older in cloud.outputs(FOLDER)
    assert cloud.outputs("work/") == set()
