"""OptimizeImage writes only what is its own to write, and no manifest in the place of a successor's."""

from __future__ import annotations

import importlib
import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from engine import encoding
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


def test_a_source_smaller_than_most_sizes_is_encoded_once_a_picture_and_format(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 600 pixels: the thumbnail and the whole picture in three formats, and the filtered one."""
    encodes: list[str] = []
    encode = encoding.encode

    def counted(image: Any, format_: Any, *rest: Any) -> bytes:
        encodes.append(format_)
        return encode(image, format_, *rest)

    monkeypatch.setattr(encoding, "encode", counted)
    call("optimize", parts(begun(job(cloud, photo((600, 450))))))
    assert sorted(encodes) == ["avif"] * 2 + ["jpeg"] * 2 + ["webp"] * 3
    document = outputs.standing(KEY).manifest
    assert document
    made = {(each["name"], each["format"]): each for each in document["renditions"]}
    assert len(made) == len({each["key"] for each in made.values()}) == 13
    for format_ in ("avif", "webp", "jpeg"):
        whole = [made[name, format_] for name in ("small", "medium", "large")]
        assert len({each["sha256"] for each in whole}) == 1
        assert len({cloud.output(each["key"]) for each in whole}) == 1
        assert made["thumbnail", format_]["sha256"] != whole[0]["sha256"]


def test_outputs_are_written_at_the_same_time(
    cloud: Any, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits until another one has begun."""
    two, put = threading.Barrier(2, timeout=10), storage.put
    waits = itertools.count()

    def met(*request: Any) -> None:
        if next(waits) < 2:
            two.wait()
        put(*request)

    monkeypatch.setattr(storage, "put", met)
    assert call("optimize", event)["renditions"] == 13


@pytest.mark.parametrize("fails", ["write", "encode"])
def test_after_a_failure_nothing_is_written(
    cloud: Any, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Not what waits for its turn, nothing after the function has ended, and no manifest."""
    failed, written, turns = threading.Event(), [], itertools.count()
    put, encode = storage.put, encoding.encode

    def put_slowly(bucket: str, key: str, *rest: Any) -> None:
        if fails == "write" and next(turns) == 0:
            failed.set()
            raise ConnectionError("no answer")
        failed.wait(10)
        time.sleep(0.2)
        put(bucket, key, *rest)
        written.append(key)

    def encode_some(*request: Any) -> bytes:
        if fails == "encode" and next(turns) == 5:
            failed.set()
            raise ConnectionError("no memory")
        return encode(*request)

    monkeypatch.setattr(importlib.import_module("optimize.app"), "REQUESTS", 2)
    monkeypatch.setattr(storage, "put", put_slowly)
    monkeypatch.setattr(encoding, "encode", encode_some)
    with pytest.raises(ConnectionError):
        call("optimize", event)
    at_the_end = cloud.outputs(FOLDER)
    assert at_the_end == set(written)
    assert len(written) <= 2  # what had begun
    time.sleep(0.5)
    assert cloud.outputs(FOLDER) == at_the_end
