"""DailyImageLimit: which attempts are counted, and what becomes of the messages beyond it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline import jobs
from tests.unit.triggering import (
    KEY,
    Workflow,
    deliver,
    in_any_bucket,
    job_records,
    lease_of,
    message,
    record,
    set_of,
    stored_set,
)
from trigger import brake

NOON = 1_800_014_400.0


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets DailyImageLimit; first to 1."""

    def set_(images: int) -> None:
        monkeypatch.setattr(brake, "LIMIT", images)

    set_(1)
    return set_


def counted(cloud: Any) -> list[int]:
    """The attempts counted on each day."""
    return [int(item["images"]) for item in cloud.records(brake.COUNTS)]


def upload(cloud: Any, key: str = KEY, body: bytes = b"photo") -> dict[str, Any]:
    """Upload something; returns the message about it."""
    return message(record(key, cloud.upload(key, body)))


@in_any_bucket
def test_beyond_the_limit_an_upload_waits_and_leaves_no_trace(
    cloud: Any, workflow: Workflow, limit: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert deliver(upload(cloud)) == []
    held = upload(cloud, "raw/other.jpg")
    capsys.readouterr()
    assert deliver(held) == [held["messageId"]]
    assert (len(workflow.started), counted(cloud)) == (1, [1])
    assert cloud.records("raw/other.jpg") == []  # neither a record nor a lease
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "OverDailyLimit" in line]
    assert [(each["OverDailyLimit"], each["source_key"]) for each in told] == [([1.0], "raw/other.jpg")]
    limit(2)
    assert deliver(held) == []
    assert (len(workflow.started), counted(cloud)) == (2, [2])


@in_any_bucket
def test_what_needs_no_run_costs_nothing(
    cloud: Any, workflow: Workflow, limit: Callable[[int], None], later: Callable[[float], None]
) -> None:
    made = cloud.upload(KEY)
    for _ in range(3):  # it stands, after the first time
        assert deliver(message(record(KEY, made))) == []
    marker = cloud.delete(KEY)
    assert deliver(message(record(KEY, marker, "ObjectRemoved:Delete"))) == []
    assert (len(workflow.started), counted(cloud)) == (1, [1])


@in_any_bucket
def test_each_attempt_counts_and_none_is_begun_while_it_is_to_wait(
    cloud: Any, workflow: Workflow, limit: Callable[[int], None], later: Callable[[float], None]
) -> None:
    workflow.script = [workflow.fail]
    event = upload(cloud)
    limit(2)
    assert len(deliver(event)) == 1
    assert len(deliver(event)) == 1  # it waits for its next attempt
    assert counted(cloud) == [1]
    later(31)
    assert deliver(event) == []
    assert counted(cloud) == [2]


@in_any_bucket
def test_an_attempt_that_the_limit_holds_back_is_still_the_next_one(
    cloud: Any, workflow: Workflow, limit: Callable[[int], None], later: Callable[[float], None]
) -> None:
    workflow.script = [workflow.fail_halfway]
    event = upload(cloud)
    assert len(deliver(event)) == 1
    later(200)
    before = job_records(cloud)
    for _ in range(3):
        assert len(deliver(event)) == 1
    assert job_records(cloud) == before
    assert (lease_of(cloud) or {})["torn"]
    limit(0)
    assert deliver(event) == []
    assert ([job["attempt"] for job in workflow.started], stored_set(cloud)) == ([1, 2], set_of())


def test_a_count_that_cannot_be_written_is_not_free(
    cloud: Any, workflow: Workflow, limit: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "UpdateItem")

    monkeypatch.setattr(jobs.dynamodb, "update_item", throttled)
    assert len(deliver(upload(cloud))) == 1
    assert workflow.started == []


def test_without_a_limit_nothing_is_counted(cloud: Any, workflow: Workflow) -> None:
    assert deliver(upload(cloud)) == []
    assert counted(cloud) == []


def test_each_day_has_its_own_count(cloud: Any, limit: Callable[[int], None]) -> None:
    assert [brake.allows(NOON + hours * 3600) for hours in (0, 11, 13, 14, 37)] == [True, False, True, False, True]
    items = {item["item"]: item for item in cloud.records(brake.COUNTS)}
    assert list(items) == ["2027-01-15", "2027-01-16", "2027-01-17"]
    assert items["2027-01-15"]["expires_at"] == NOON + 7 * 86400


def test_held_messages_come_soon_then_seldom_and_on_the_next_day() -> None:
    assert time.gmtime(NOON).tm_hour == 12
    assert [brake.seconds(KEY, receives, NOON) for receives in (1, 2, 5, 19)] == [900, 1800, 14400, 14400]
    late = [brake.seconds(f"raw/{number}.jpg", 9, NOON + 43_200 - 60) for number in range(500)]
    assert (min(late) >= 60, max(late) < 60 + brake.JITTER_SECONDS) == (True, True)
    assert len(set(late)) > 100  # not all at once
