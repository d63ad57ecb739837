"""Executions of the state machine: start one per attempt and wait until it has ended."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline import jobs, metrics

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

    from contracts import Failure, Job, Record

STATE_MACHINE = os.environ["STATE_MACHINE_ARN"]
EXPRESS = os.environ["WORKFLOW_TYPE"] == "EXPRESS"
# Longer than the execution's own timeout: after it, the run is over too.
WAIT_SECONDS = float(os.environ["WAIT_SECONDS"])
# Photos take a second or two: look often at first. DescribeExecution has a small quota: call it rarely.
POLL_SECONDS = (0.25, 0.25, 0.5, 0.5, 1.0)
DESCRIBE_EVERY = 8

# StartSyncExecution answers when the run has ended. A repeated call would start a second run.
_once = Config(connect_timeout=5, read_timeout=WAIT_SECONDS, retries={"mode": "standard", "total_max_attempts": 1})
_retried = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
sfn: SFNClient = metrics.client("stepfunctions", config=_once if EXPRESS else _retried)


class CutOffError(Exception):
    """The run ended without closing its record or, in the state StartExecution, AWS refused to start it."""

    def __init__(self, code: str, reason: str, state: str | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.failure: Failure = {"code": code, "reason": reason, "state": state}


class UnknownError(Exception):
    """The outcome is unknown. Treat the run as active until the lease expires."""


def run(job: Job) -> Record:
    """Start the job's attempt, wait for its end and return its record as the run left it.

    Raises CutOffError if the run ended without closing the record, UnknownError if it may still be running.
    """
    return _run_sync(job) if EXPRESS else _run_and_poll(job)


def _run_sync(job: Job) -> Record:
    try:
        ended = sfn.start_sync_execution(
            stateMachineArn=STATE_MACHINE, name=job["execution_name"], input=json.dumps(job)
        )
    except ClientError as error:
        if _refused(error):
            raise _not_started(error) from error
        raise UnknownError(str(error)) from error
    except BotoCoreError as error:
        raise UnknownError(str(error)) from error
    record = _record(job)
    if not _is_open(record, job):
        return record
    reason = ended.get("error") or ended.get("cause") or "the record was not closed"
    raise CutOffError(f"EXECUTION_{ended['status']}", reason)


def _run_and_poll(job: Job) -> Record:
    deadline = time.monotonic() + WAIT_SECONDS
    arn = STATE_MACHINE.replace(":stateMachine:", ":execution:") + ":" + job["execution_name"]
    try:
        sfn.start_execution(stateMachineArn=STATE_MACHINE, name=job["execution_name"], input=json.dumps(job))
    except ClientError as error:
        # ExecutionAlreadyExists: our own start, whose answer was lost. No other attempt has this name.
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists" and _refused(error):
            raise _not_started(error) from error
    except BotoCoreError:
        pass  # it may have started: the polls below find out
    looks = 0
    while time.monotonic() < deadline:
        time.sleep(POLL_SECONDS[min(looks, len(POLL_SECONDS) - 1)])
        looks += 1
        record = _record(job)
        if not _is_open(record, job):
            return record
        if looks % DESCRIBE_EVERY == 0 and (status := _status(arn)) != "RUNNING":
            record = _record(job)  # the run may have closed it between the two looks
            if not _is_open(record, job):
                return record
            raise CutOffError(f"EXECUTION_{status}", "the run ended without closing its record")
    raise UnknownError(f"{job['execution_name']} was still running after {WAIT_SECONDS:.0f} s")


def _status(arn: str) -> str:
    try:
        return sfn.describe_execution(executionArn=arn)["status"]
    except sfn.exceptions.ExecutionDoesNotExist:
        return "NOT_STARTED"
    except ClientError as error:
        if _refused(error) and error.response["Error"]["Code"] != "ThrottlingException":
            raise
        return "RUNNING"


def _refused(error: ClientError) -> bool:
    """Whether AWS refused the call (4xx); otherwise (5xx) the call may have had its effect."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"] < 500


def _not_started(error: ClientError) -> CutOffError:
    # After an answer that was lost, the SDK's next try may be refused although the run has started.
    first = not error.response["ResponseMetadata"].get("RetryAttempts")
    return CutOffError(
        error.response["Error"]["Code"], error.response["Error"]["Message"], "StartExecution" if first else None
    )


def _record(job: Job) -> Record:
    record = jobs.get(job["source"]["key"], job["source"]["version_id"])
    if record is None:
        raise jobs.NotOwnerError(f"the record of {job['execution_name']} is gone")
    return record


def _is_open(record: Record, job: Job) -> bool:
    if record.get("execution_name") != job["execution_name"]:
        raise jobs.NotOwnerError(f"{record.get('execution_name')} has taken over from {job['execution_name']}")
    return record["status"] == "PROCESSING"
