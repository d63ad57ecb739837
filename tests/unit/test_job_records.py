"""Job records: every change is conditional, so that neither a forgotten run nor a repeated call undoes another's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import jobs, keys
from tests.unit.triggering import KEY, job_records

Later = Callable[[float], None]
SOURCE = {"bucket": "darkroom-source", "key": KEY, "version_id": "v1", "etag": "e", "size": 5}
FAILURE = {"code": "Broken", "reason": "it broke", "state": "OptimizeImage"}
DECISION = {"status": "FAILED", "code": "Broken", "reason": "it broke", "last_failure": FAILURE}


def job(attempt: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "job_id": "0" * 24,
        "execution_name": f"{'0' * 24}-1-{attempt}",
        "round": 1,
        "attempt": attempt,
        "max_attempts": 3,
        "deadline": int(time.time()) + 60,
        "asked_at": "2026-01-31T12:00:00.000Z",
        "source": SOURCE,
        "recipe": {"name": "default", "hash": "0123456789abcdef"},
        **changes,
    }


def found(cloud: Any) -> dict[str, Any]:
    (record,) = job_records(cloud).values()
    return record


# ------------------------------------------------------------------ begin, adopt


def test_a_record_does_not_say_what_only_the_execution_needs(cloud: Any) -> None:
    jobs.begin(job(), None)
    record = found(cloud)
    assert (record["status"], record["attention"]) == ("PROCESSING", "PROCESSING")
    assert {"deadline", "max_attempts"}.isdisjoint(record)
    assert jobs.of(record, 3) == job() | {"deadline": 0}
    assert all(type(value) is not float for value in jobs.of(record, 3)["source"].values())


def test_an_attempt_begins_once(cloud: Any) -> None:
    jobs.begin(job(), None)
    jobs.begin(job(), None)  # a repeated call, after a lost answer
    with pytest.raises(jobs.NotOwnerError):
        jobs.begin(job(2), None)
    jobs.begin(job(2), found(cloud))
    with pytest.raises(jobs.NotOwnerError):
        jobs.begin(job(3), {"execution_name": job()["execution_name"]})
    assert found(cloud)["attempt"] == 2


def test_the_next_attempt_keeps_when_it_was_queued_and_what_failed(cloud: Any, later: Later) -> None:
    jobs.begin(job(), None)
    jobs.close(job(), "QUEUED", last_failure=FAILURE)
    before = found(cloud)
    later(30)
    jobs.begin(job(2), before)
    record = found(cloud)
    assert (record["queued_at"], record["last_failure"]) == (before["queued_at"], FAILURE)
    assert record["started_at"] > before["started_at"]
    jobs.close(job(2), "REJECTED", code="CORRUPT", reason="No.")
    jobs.begin(job(3), found(cloud))
    assert {"expires_at", "finished_at", "code", "reason", "decision"}.isdisjoint(found(cloud))


def test_an_adopted_record_expires(cloud: Any, later: Later) -> None:
    jobs.adopt(job(0), None, {"renditions": 13})
    record = found(cloud)
    assert (record["status"], "attention" in record, record["result"]) == ("SUCCEEDED", False, {"renditions": 13})
    assert record["expires_at"] == int(time.time()) + 90 * 86400
    with pytest.raises(jobs.NotOwnerError):
        jobs.adopt(job(2), None, {})


# ------------------------------------------------------------------ check_owner


def test_the_attempt_that_the_trigger_waits_for_may_write(cloud: Any) -> None:
    jobs.begin(job(), None)
    jobs.check_owner(job())


def test_an_attempt_that_was_taken_over_may_not_write(cloud: Any) -> None:
    jobs.begin(job(), None)
    jobs.begin(job(2), found(cloud))
    jobs.check_owner(job(2))
    with pytest.raises(jobs.NotOwnerError):
        jobs.check_owner(job())


@pytest.mark.parametrize("status", ["QUEUED", "SUCCEEDED", "REJECTED", "FAILED"])
def test_an_attempt_whose_record_is_closed_may_not_write(cloud: Any, status: str) -> None:
    """Somebody brought its execution back, from the console."""
    jobs.begin(job(), None)
    jobs.close(job(), status)
    with pytest.raises(jobs.NotOwnerError):
        jobs.check_owner(job())


def test_an_attempt_without_a_record_may_not_write(cloud: Any) -> None:
    with pytest.raises(jobs.NotOwnerError):
        jobs.check_owner(job())
    jobs.retire(SOURCE, "DELETED")
    with pytest.raises(jobs.NotOwnerError):
        jobs.check_owner(job())


def test_an_attempt_that_comes_too_late_may_not_write(cloud: Any, later: Later) -> None:
    the_job = job()
    jobs.begin(the_job, None)
    later(59)
    jobs.check_owner(the_job)
    later(2)
    with pytest.raises(jobs.NotOwnerError):
        jobs.check_owner(the_job)


# ------------------------------------------------------------------ decide, close


def test_of_two_decisions_the_first_counts(cloud: Any) -> None:
    jobs.begin(job(), None)
    assert jobs.decide(job(), DECISION) == DECISION
    assert jobs.decide(job(), {"status": "REJECTED", "code": "CORRUPT", "reason": "No."}) == DECISION


def test_nothing_is_decided_about_an_attempt_that_is_over(cloud: Any) -> None:
    jobs.begin(job(), None)
    jobs.close(job(), "REJECTED", code="CORRUPT", reason="cut short")
    with pytest.raises(jobs.NotOwnerError):
        jobs.decide(job(), DECISION)
    jobs.begin(job(2), found(cloud))
    with pytest.raises(jobs.NotOwnerError):
        jobs.decide(job(), DECISION)
    assert "decision" not in found(cloud)


def test_a_version_that_is_being_told_is_not_retired(cloud: Any) -> None:
    jobs.begin(job(), None)
    jobs.close(job(), "QUEUED", last_failure=FAILURE)
    jobs.decide(job(), DECISION)
    assert not jobs.retire(job()["source"], "SUPERSEDED")
    assert found(cloud)["status"] == "QUEUED"
    jobs.close(job(), **DECISION)
    assert jobs.retire(job()["source"], "SUPERSEDED")


def test_what_was_decided_is_not_tried_again(cloud: Any) -> None:
    jobs.begin(job(), None)
    jobs.decide(job(), DECISION)
    with pytest.raises(jobs.NotOwnerError):
        jobs.close(job(), "QUEUED", last_failure=FAILURE)
    jobs.close(job(), "FAILED", code="Broken", reason="it broke", last_failure=FAILURE)
    assert (found(cloud)["status"], "decision" in found(cloud)) == ("FAILED", False)


@pytest.mark.parametrize("status", ["QUEUED", "SUCCEEDED", "REJECTED", "FAILED"])
def test_a_repeated_close_does_no_harm_and_another_one_is_refused(cloud: Any, status: str) -> None:
    jobs.begin(job(), None)
    jobs.close(job(), status)
    jobs.close(job(), status)
    assert found(cloud)["status"] == status
    assert ("attention" in found(cloud)) is (status != "SUCCEEDED")
    assert ("expires_at" in found(cloud)) is (status == "REJECTED")
    jobs.begin(job(2), found(cloud))
    with pytest.raises(jobs.NotOwnerError):
        jobs.close(job(), status)
    assert found(cloud)["status"] == "PROCESSING"


def test_a_settled_attempt_is_closed_for_good(cloud: Any) -> None:
    jobs.begin(job(), None)
    jobs.close(job(), "QUEUED", last_failure=FAILURE)
    jobs.close(job(), "SUCCEEDED", result={})
    with pytest.raises(jobs.NotOwnerError):
        jobs.close(job(), "FAILED")
    assert found(cloud)["status"] == "SUCCEEDED"


# ------------------------------------------------------------------ retire, expire


@pytest.mark.parametrize(
    ("status", "finished", "retired"),
    [
        ("QUEUED", False, True),
        ("FAILED", False, True),
        ("SUCCEEDED", False, False),
        ("SUCCEEDED", True, True),
        ("REJECTED", False, False),
        ("REJECTED", True, False),
    ],
)
def test_what_may_be_retired(cloud: Any, status: str, finished: bool, retired: bool) -> None:
    jobs.begin(job(), None)
    jobs.close(job(), status)
    assert jobs.retire(SOURCE, "DELETED", finished=finished)
    assert found(cloud)["status"] == ("DELETED" if retired else status)
    assert ("expires_at" in found(cloud)) is (retired or status == "REJECTED")


def test_a_run_is_not_retired_under_its_feet(cloud: Any) -> None:
    jobs.begin(job(), None)
    assert not jobs.retire(SOURCE, "SUPERSEDED", finished=True)
    assert found(cloud)["status"] == "PROCESSING"


def test_a_version_that_never_had_a_record_is_accounted_for(cloud: Any) -> None:
    assert jobs.retire({"bucket": "darkroom-source", "key": KEY, "version_id": "v1"}, "SUPERSEDED")
    record = found(cloud)
    assert (record["status"], record["attention"]) == ("SUPERSEDED", "SUPERSEDED")
    assert (record["source"]["version_id"], record["job_id"]) == ("v1", keys.job_id(SOURCE))
    assert jobs.retire(SOURCE, "DELETED")
    assert found(cloud)["status"] == "SUPERSEDED"


def test_only_the_record_of_a_set_expires_with_it(cloud: Any) -> None:
    jobs.expire(SOURCE)  # there is none
    assert job_records(cloud) == {}
    jobs.begin(job(), None)
    jobs.expire(SOURCE)
    assert "expires_at" not in found(cloud)
    jobs.close(job(), "SUCCEEDED")
    jobs.expire(SOURCE)
    assert "expires_at" in found(cloud)
