"""How an attempt ends: told as one thing, once what it is told as is settled."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import clock, jobs, messages, outcomes
from tests.unit.test_job_records import found, job

JUDGE = {"recipe": "0123456789abcdef", "memory": 1769}
REFUSAL = {"code": "CORRUPT", "reason": "No."}


def failure(state: str | None = "ResizeImage", code: str = "Broken") -> dict[str, Any]:
    return {"code": code, "reason": "it broke", "state": state}


def told(cloud: Any) -> list[str]:
    return [each["body"]["status"] for each in cloud.published()]


@pytest.fixture
def attempt(cloud: Any, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The last attempt of a job, under way."""
    the_job = job(3)
    jobs.begin(the_job, None)
    return the_job


@pytest.mark.parametrize("state", ["StartExecution", "ValidateImage", "ResizeImage", "ApplyFilters"])
def test_a_last_attempt_that_can_write_nothing_is_told_at_once(cloud: Any, attempt: dict[str, Any], state: str) -> None:
    assert outcomes.fail(attempt, failure(state)) == "FAILED"
    record = found(cloud)
    assert (told(cloud), record["status"], record["last_failure"]["state"]) == (["FAILED"], "FAILED", state)


@pytest.mark.parametrize("state", ["OptimizeImage", "NotifySuccess", "SomethingNew", None])
def test_a_last_attempt_that_may_still_write_is_not_told_yet(
    cloud: Any, attempt: dict[str, Any], state: str | None
) -> None:
    assert outcomes.fail(attempt, failure(state)) == "QUEUED"
    assert (told(cloud), found(cloud)["status"]) == ([], "QUEUED")
    outcomes.give_up(found(cloud), 3)
    record = found(cloud)
    assert (told(cloud), record["status"], record["code"]) == (["FAILED"], "FAILED", "Broken")


def test_an_attempt_before_the_last_is_not_told(cloud: Any) -> None:
    jobs.begin(job(2), None)
    assert outcomes.fail(job(2), failure()) == "QUEUED"
    assert told(cloud) == []


def test_a_source_that_is_gone_is_no_failure(cloud: Any, attempt: dict[str, Any]) -> None:
    assert outcomes.fail(attempt, failure(code="SourceGoneError")) == "QUEUED"
    assert told(cloud) == []


def test_a_refusal_is_recorded_with_its_judge(cloud: Any, attempt: dict[str, Any]) -> None:
    assert outcomes.reject(attempt, REFUSAL, JUDGE) == "REJECTED"
    record = found(cloud)
    assert (record["judge"], record["code"], record["reason"]) == (JUDGE, "CORRUPT", "No.")
    assert told(cloud) == ["REJECTED"]


def test_an_attempt_is_told_as_what_was_decided_first(
    cloud: Any, attempt: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its NotifyError was cut off before the record was closed, and a second one sees another error."""
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "close", lambda *_, **__: pytest.fail("cut off"))
        with pytest.raises(pytest.fail.Exception):
            outcomes.reject(attempt, REFUSAL, JUDGE)
    assert outcomes.fail(attempt, failure()) == "REJECTED"
    assert told(cloud) == ["REJECTED", "REJECTED"]
    assert (found(cloud)["status"], "decision" in found(cloud)) == ("REJECTED", False)


def test_what_was_decided_but_not_told_is_told_before_it_is_closed(
    cloud: Any, attempt: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(messages.sns, "publish", lambda **_: pytest.fail("SNS is down"))
        with pytest.raises(pytest.fail.Exception):
            outcomes.fail(attempt, failure())
    record = found(cloud)
    assert (record["status"], record["decision"]["status"]) == ("PROCESSING", "FAILED")
    assert outcomes.tell(attempt, record["decision"]) == "FAILED"
    assert (told(cloud), found(cloud)["status"]) == (["FAILED"], "FAILED")


def test_the_moment_of_a_failure_is_recorded(cloud: Any) -> None:
    jobs.begin(job(1), None)
    before = clock.now()
    outcomes.fail(job(1), failure())
    assert before <= found(cloud)["last_failure"]["at"] <= found(cloud)["updated_at"]


def test_nothing_is_told_about_an_attempt_that_was_taken_over(cloud: Any, attempt: dict[str, Any]) -> None:
    jobs.begin(job(4), found(cloud))
    with pytest.raises(jobs.NotOwnerError):
        outcomes.reject(attempt, REFUSAL, JUDGE)
    with pytest.raises(jobs.NotOwnerError):
        outcomes.fail(attempt, failure())
    assert told(cloud) == []


def test_the_mail_about_a_refusal_says_what_is_published_instead(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(messages.sns, "publish", lambda **request: sent.append(request))
    messages.rejected(job(), REFUSAL)
    assert "Published is the newest earlier version that can be accepted" in sent[0]["Message"]
