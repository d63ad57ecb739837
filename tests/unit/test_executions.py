"""Starting a run and learning how it ended, with each answer that AWS can give and the emulator does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

JOB = {
    "job_id": "0123456789abcdef01234567",
    "execution_name": "0123456789abcdef01234567-1-1",
    "source": {"bucket": "darkroom-source", "key": "raw/a.jpg", "version_id": "v1"},
}
ARN = "arn:aws:states:us-east-1:123456789012:execution:ImagePipeline:0123456789abcdef01234567-1-1"
START = {"executionArn": ARN, "startDate": 0}


class Records:
    """The statuses that the job's record shows, one per look; the last one stays."""

    def __init__(self) -> None:
        self.statuses = ["SUCCEEDED"]
        self.owner = JOB["execution_name"]

    def __call__(self, _key: str, _version_id: str) -> dict[str, Any]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"status": status, "execution_name": self.owner}


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Records:
    from pipeline import jobs
    from trigger import executions

    found = Records()
    monkeypatch.setattr(jobs, "get", found)
    monkeypatch.setattr(executions, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(executions, "DESCRIBE_EVERY", 2)
    return found


@pytest.fixture
def aws() -> Iterator[Stubber]:
    from trigger import executions

    with Stubber(executions.sfn) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def express(monkeypatch: pytest.MonkeyPatch) -> None:
    from trigger import executions

    monkeypatch.setattr(executions, "EXPRESS", True)


def ended(status: str, **more: str) -> dict[str, Any]:
    return {"executionArn": ARN, "status": status, "startDate": 0, "stopDate": 0, **more}


def described(status: str) -> dict[str, Any]:
    return {"executionArn": ARN, "stateMachineArn": "arn", "status": status, "startDate": 0}


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def run() -> dict[str, Any]:
    from trigger import executions

    return executions.run(JOB)


def cut_off() -> Any:
    """Run the job; returns the error of the run, which is cut off."""
    from trigger import executions

    with pytest.raises(executions.CutOffError) as caught:
        run()
    return caught.value


def test_the_name_is_legal_and_the_input_is_the_job(records: Records, aws: Stubber) -> None:
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:ImagePipeline"
    expected = {"stateMachineArn": machine, "name": JOB["execution_name"], "input": json.dumps(JOB)}
    aws.add_response("start_execution", START, expected)
    assert run()["status"] == "SUCCEEDED"
    assert len(str(JOB["execution_name"])) <= 80
    assert str(JOB["execution_name"]).replace("-", "").isalnum()


def test_the_record_is_looked_at_until_it_is_closed(records: Records, aws: Stubber) -> None:
    records.statuses = ["PROCESSING", "PROCESSING", "PROCESSING", "QUEUED"]
    aws.add_response("start_execution", START)
    aws.add_response("describe_execution", described("RUNNING"))
    assert run()["status"] == "QUEUED"


def test_a_start_whose_answer_was_lost_is_ours(records: Records, aws: Stubber) -> None:
    aws.add_client_error("start_execution", "ExecutionAlreadyExists", http_status_code=400)
    aws.add_response("describe_execution", {**described("RUNNING"), "startDate": ago(20)})
    assert run()["status"] == "SUCCEEDED"


def test_an_execution_of_long_ago_is_not_ours(records: Records, aws: Stubber) -> None:
    """AWS remembers names for 90 days, longer than a record may be kept."""
    from trigger import executions

    aws.add_client_error("start_execution", "ExecutionAlreadyExists", http_status_code=400)
    aws.add_response("describe_execution", {**described("SUCCEEDED"), "startDate": ago(86400)})
    with pytest.raises(executions.UsedError):
        run()


def test_nobody_knows_how_old_the_execution_is_that_has_the_name(records: Records, aws: Stubber) -> None:
    aws.add_client_error("start_execution", "ExecutionAlreadyExists", http_status_code=400)
    aws.add_client_error("describe_execution", "ThrottlingException", http_status_code=400)
    assert run()["status"] == "SUCCEEDED"


def test_a_start_that_was_refused_never_ran(records: Records, aws: Stubber) -> None:
    aws.add_client_error("start_execution", "ExecutionLimitExceeded", "too many", http_status_code=400)
    expected = {"code": "ExecutionLimitExceeded", "reason": "too many", "state": "StartExecution"}
    assert cut_off().failure == expected


def test_a_start_that_was_refused_at_its_second_try_may_have_run(records: Records, aws: Stubber) -> None:
    """The answer to the first one was lost."""
    tries = {"RetryAttempts": 1, "HTTPStatusCode": 400}
    aws.add_client_error("start_execution", "ThrottlingException", "slow down", 400, response_meta=tries)
    assert cut_off().failure["state"] is None


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT", "FAILED"])
def test_a_run_that_ended_without_closing_its_record_was_cut_off(records: Records, aws: Stubber, status: str) -> None:
    records.statuses = ["PROCESSING"]
    aws.add_response("start_execution", START)
    aws.add_response("describe_execution", described(status))
    failure = cut_off().failure
    assert (failure["code"], failure["state"]) == (f"EXECUTION_{status}", None)


def test_a_record_that_was_closed_between_two_looks_counts(records: Records, aws: Stubber) -> None:
    records.statuses = ["PROCESSING", "PROCESSING", "SUCCEEDED"]
    aws.add_response("start_execution", START)
    aws.add_response("describe_execution", described("SUCCEEDED"))
    assert run()["status"] == "SUCCEEDED"


def test_a_start_that_may_not_have_happened_is_asked_after(records: Records, aws: Stubber) -> None:
    records.statuses = ["PROCESSING"]
    aws.add_client_error("start_execution", "InternalFailure", http_status_code=500)
    aws.add_client_error("describe_execution", "ExecutionDoesNotExist", http_status_code=400)
    assert cut_off().failure["code"] == "EXECUTION_NOT_STARTED"


def test_throttled_questions_are_asked_again(records: Records, aws: Stubber) -> None:
    records.statuses = ["PROCESSING"] * 5 + ["SUCCEEDED"]
    aws.add_response("start_execution", START)
    aws.add_client_error("describe_execution", "ThrottlingException", http_status_code=400)
    aws.add_response("describe_execution", described("RUNNING"))
    assert run()["status"] == "SUCCEEDED"


def test_a_run_that_outlasts_every_bound_is_unknown(
    records: Records, aws: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trigger import executions

    monkeypatch.setattr(executions, "WAIT_SECONDS", 0.005)
    records.statuses = ["PROCESSING"]
    aws.add_response("start_execution", START)
    with pytest.raises(executions.UnknownError):
        run()


def test_a_record_that_another_attempt_took_over_is_not_ours(records: Records, aws: Stubber) -> None:
    from pipeline import jobs

    records.owner = "another"
    aws.add_response("start_execution", START)
    with pytest.raises(jobs.NotOwnerError):
        run()


def test_express_answers_when_the_run_has_ended(records: Records, aws: Stubber, express: None) -> None:
    aws.add_response("start_sync_execution", ended("SUCCEEDED"))
    assert run()["status"] == "SUCCEEDED"


def test_express_that_did_not_close_its_record_was_cut_off(records: Records, aws: Stubber, express: None) -> None:
    records.statuses = ["PROCESSING"]
    aws.add_response("start_sync_execution", ended("TIMED_OUT", error="States.Timeout"))
    assert cut_off().failure == {"code": "EXECUTION_TIMED_OUT", "reason": "States.Timeout", "state": None}


def test_express_without_an_answer_is_unknown(
    records: Records, aws: Stubber, express: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trigger import executions

    aws.add_client_error("start_sync_execution", "InternalFailure", http_status_code=500)
    with pytest.raises(executions.UnknownError):
        run()

    def silent(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://sync-states")

    monkeypatch.setattr(executions.sfn, "start_sync_execution", silent)
    with pytest.raises(executions.UnknownError):
        run()


def test_express_that_was_refused_never_ran(records: Records, aws: Stubber, express: None) -> None:
    aws.add_client_error("start_sync_execution", "AccessDeniedException", http_status_code=400)
    assert cut_off().failure["state"] == "StartExecution"
