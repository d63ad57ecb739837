"""What comes with an upload as x-amz-meta-focus and x-amz-meta-alt: read, and a reason to make the set again."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from email.header import Header
from typing import Any

import pytest

from pipeline import given, storage
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
    statuses,
    with_versions,
    without_versions,
)

COPY = "ObjectCreated:Copy"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # one picture of three characters, joined by others


def read(alt: str) -> str:
    """What is read of this alt."""
    return given.read({"alt": alt})["alt"]


def word(text: str, charset: str = "UTF-8") -> str:
    """Text as one encoded word of RFC 2047."""
    return f"=?{charset}?B?{base64.b64encode(text.encode(charset)).decode()}?="


# ------------------------------------------------------------------ reading


def test_only_focus_and_alt_are_read() -> None:
    assert given.read({}) == {}
    assert given.read({"v": "1", "camera": "x"}) == {}
    assert given.read({"focus": "0.3,0.7", "v": "1"}) == {"focus": "0.3,0.7"}
    assert given.read({"Focus": "0.3,0.7", "ALT": "A cat"}) == {"focus": "0.3,0.7", "alt": "A cat"}
    assert given.read({"alt": ""}) == {"alt": ""}  # nothing to say is something that was said


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("A cat, asleep", "A cat, asleep"),
        ("=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?=", "ÄMÄZÕÑ S3"),  # what S3's documentation shows for UTF-8 bytes
        ("=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91 S3?=", "ÄMÄZÕÑ S3"),
        (word("Ein Kätzchen"), "Ein Kätzchen"),
        (word("Ein Kätzchen", "iso-8859-1"), "Ein Kätzchen"),
        ("=?utf-8?q?two_words?= and =?utf-8?b?w6k=?=", "two words and é"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),  # space between encoded words means nothing
        ("=?utf-8?b?ww==?= =?utf-8?b?qQ==?=", "é"),  # cut in two
        ("=?utf-8*de?q?gr=C3=BCn?=", "=?utf-8*de?q?gr=C3=BCn?="),  # RFC 2231: nobody writes it here
        (Header("猫が寝ている " * 20, "utf-8").encode(linesep="").strip(), ("猫が寝ている " * 20).strip()),
        ("Ein Kätzchen".encode().decode("latin-1"), "Ein Kätzchen"),  # bytes, as Python reads a header
        ("Ein K\xe4tzchen", "Ein Kätzchen"),
        (
            word("\U0001f468\u200d\U0001f469\u200d\U0001f467"),
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        ),  # one family
        (word("one\ntwo\x00three\x85\ufffe"), "one two three"),
        ("  padded  ", "padded"),
    ],
)
def test_a_value_is_read_as_text(sent: str, text: str) -> None:
    assert read(sent) == text


@pytest.mark.parametrize(
    "sent",
    [
        "=?utf-8?b?w6?=",  # cut off
        "=?utf-8?b?/////w==?=",  # no UTF-8
        "=?utf-8?q?=FF?= and =?utf-8?q?good?=",
        "=?utf-8?b?",
        "=?punycode?q?maana-pta?=",  # a codec of Python's that takes quadratic time
        "=?zlib?b?eJwDAAAAAAE=?=",
        "=?utf-16?b?AGEAYg==?=",
        "\\ud800 \\x00",
    ],
)
def test_what_is_damaged_stays_as_it_was_sent(sent: str) -> None:
    assert read(sent) == sent


def test_a_value_is_bounded() -> None:
    assert read("x" * 9_999) == "x" * given.LONGEST
    assert len(read(word("é" * 3_000))) == given.LONGEST


# ------------------------------------------------------------------ from S3 to the job


@in_any_bucket
def test_what_was_given_reaches_the_job_its_record_its_message_and_the_manifest(cloud: Any, workflow: Workflow) -> None:
    gave = {"focus": "0.3,0.7", "alt": "Ein Kätzchen"}
    version = cloud.upload(KEY, focus=gave["focus"], alt=word(gave["alt"]), camera="x")
    assert deliver(message(record(KEY, version))) == []
    assert workflow.started[0]["source"]["given"] == gave
    assert job_records(cloud)[version]["source"]["given"] == gave
    assert json.loads(cloud.output(f"{FOLDER}/manifest.json"))["source"]["given"] == gave
    told = [envelope["body"] for envelope in cloud.published()]
    assert [each["source"]["given"] for each in told] == [gave]


def test_without_either_the_job_and_the_manifest_say_nothing(cloud: Any, workflow: Workflow) -> None:
    deliver(message(record(KEY, cloud.upload(KEY, camera="x"))))
    assert "given" not in workflow.started[0]["source"]
    assert "given" not in json.loads(cloud.output(f"{FOLDER}/manifest.json"))["source"]


def test_older_versions_have_what_was_given_with_them(cloud: Any) -> None:
    cloud.upload(KEY, b"1", focus="0.1,0.1")
    cloud.upload(KEY, b"2", alt="two")
    newest = storage.head("darkroom-source", KEY)
    assert newest
    older = storage.older(newest)
    assert older
    assert (newest.get("given"), older.get("given")) == ({"alt": "two"}, {"focus": "0.1,0.1"})


def test_an_older_version_that_goes_meanwhile_is_looked_for_again(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nothing would seem to be left, and the set of what is left would be removed."""
    oldest = cloud.upload(KEY, b"oldest")
    middle, newest = cloud.upload(KEY, b"middle"), cloud.upload(KEY, b"newest")
    head = storage.head

    def erased(bucket: str, key: str, version_id: str | None = None) -> Any:
        if version_id == middle:
            cloud.delete(KEY, middle)
        return head(bucket, key, version_id)

    monkeypatch.setattr(storage, "head", erased)
    workflow.script = [workflow.reject]
    event = message(record(KEY, newest))
    assert len(deliver(event)) == 1
    assert deliver(event) == []
    assert [job["source"]["version_id"] for job in workflow.started] == [newest, oldest]
    assert cloud.exists(f"{FOLDER}/manifest.json")


# ------------------------------------------------------------------ a reason for a new run


def gave(cloud: Any) -> Any:
    """What the standing set was made with."""
    return json.loads(cloud.output(f"{FOLDER}/manifest.json"))["source"].get("given")


@in_any_bucket
def test_another_focus_or_alt_is_a_new_run_and_the_same_is_none(cloud: Any, workflow: Workflow) -> None:
    steps: list[dict[str, str]]
    steps = [{}, {"focus": "0.1,0.9"}, {"focus": "0.9,0.9"}, {"focus": "0.9,0.9", "alt": "A cat"}, {}]
    for number, metadata in enumerate(steps, 1):
        version = cloud.give(KEY, **metadata) if number > 1 else cloud.upload(KEY, **metadata)
        assert deliver(message(record(KEY, version, COPY))) == []
        assert (gave(cloud), len(workflow.started), lease_of(cloud)) == (metadata or None, number, None)
        again = cloud.give(KEY, camera="x", **metadata)  # as above, with something that is not ours
        assert deliver(message(record(KEY, again, COPY))) == []
        assert (gave(cloud), len(workflow.started)) == (metadata or None, number)
    assert set(statuses(cloud)) == {"SUCCEEDED"}


@without_versions
def test_a_focus_that_changes_while_the_set_is_made(cloud: Any, workflow: Workflow) -> None:
    """The bytes and the ETag stay the same: the run is made with the old focus, and the set is made again."""
    version = cloud.upload(KEY, focus="0.1,0.1")

    def refocused(job: dict[str, Any]) -> None:
        cloud.give(KEY, focus="0.9,0.9")
        assert len(deliver(message(record(KEY, version, COPY)))) == 1  # the key is busy
        workflow.succeed(job)

    workflow.script = [refocused]
    deliver(message(record(KEY, version)))
    assert gave(cloud) == {"focus": "0.1,0.1"}
    assert deliver(message(record(KEY, version, COPY))) == []
    assert (gave(cloud), [job["round"] for job in workflow.started]) == ({"focus": "0.9,0.9"}, [1, 2])


@without_versions
def test_a_focus_that_changes_after_a_failure_opens_a_round(
    cloud: Any, workflow: Workflow, later: Callable[[float], None]
) -> None:
    version = cloud.upload(KEY, focus="0.1,0.1")
    workflow.script = [workflow.fail]
    assert len(deliver(message(record(KEY, version)))) == 1
    cloud.give(KEY, focus="0.9,0.9")
    assert deliver(message(record(KEY, version, COPY))) == []
    assert ([job["round"] for job in workflow.started], gave(cloud)) == ([1, 2], {"focus": "0.9,0.9"})


@without_versions
def test_a_refusal_is_about_the_bytes(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY, focus="0.1,0.1")
    workflow.script = [workflow.reject]
    deliver(message(record(KEY, version)))
    cloud.give(KEY, focus="0.9,0.9")
    assert deliver(message(record(KEY, version, COPY))) == []
    assert (len(workflow.started), statuses(cloud)) == (1, ["REJECTED"])


@with_versions
def test_an_erased_version_leaves_the_focus_of_the_one_below(cloud: Any, workflow: Workflow) -> None:
    deliver(message(record(KEY, cloud.upload(KEY, focus="0.1,0.1"))))
    newest = cloud.give(KEY, focus="0.9,0.9")
    deliver(message(record(KEY, newest, COPY)))
    cloud.delete(KEY, newest)
    assert deliver(message(record(KEY, newest, "ObjectRemoved:Delete"))) == []
    assert (gave(cloud), len(workflow.started)) == ({"focus": "0.1,0.1"}, 3)


@with_versions
def test_below_a_refused_upload_lies_a_focus_too(cloud: Any, workflow: Workflow) -> None:
    """A version that nobody ran until the one above it was refused is known from a listing."""
    cloud.upload(KEY, b"good", focus="0.1,0.1")
    bad = cloud.upload(KEY, b"bad")
    workflow.script = [workflow.reject]
    assert deliver(message(record(KEY, bad))) == []
    assert (gave(cloud), len(workflow.started)) == ({"focus": "0.1,0.1"}, 2)
    for number in range(2):  # and so it is when the refused ones between are skipped
        workflow.script = [workflow.reject]
        assert deliver(message(record(KEY, cloud.upload(KEY, b"bad %d" % number)))) == []
    assert (gave(cloud), len(workflow.started)) == ({"focus": "0.1,0.1"}, 4)
