"""NotifySuccess, NotifyError: publish how the attempt ended, then close its job record."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from pipeline import jobs, outcomes, storage

if TYPE_CHECKING:
    from contracts import Closed, Failure, Job, NotifyEvent, Outcome

SUCCESS_TOPIC = os.environ["SUCCESS_TOPIC_ARN"]
ERROR_TOPIC = os.environ["ERROR_TOPIC_ARN"]
OUTPUT_BUCKET = os.environ["OUTPUT_BUCKET"]
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: NotifyEvent, _context: object) -> Closed:
    """Publish the outcome of the job's attempt and close its record. Raises NotOwnerError if it is another's now."""
    job, outcome = event["job"], event["outcome"]
    logger.append_keys(job_id=job["job_id"], execution_name=job["execution_name"])
    record = jobs.get(job["source"]["key"], job["source"]["version_id"])
    if record is None or record.get("execution_name") != job["execution_name"]:
        raise jobs.NotOwnerError(f"{job['execution_name']} no longer owns the job: another attempt has taken over")
    if record["status"] != "PROCESSING":  # an earlier call closed the record; only its answer was lost
        facts = record.get("last_failure", record) if record["status"] == "QUEUED" else record
        return {"status": record["status"], "code": facts.get("code"), "reason": facts.get("reason")}
    closed = _close(job, outcome)
    logger.info("attempt closed", **closed)
    return closed


def _close(job: Job, outcome: Outcome) -> Closed:
    if outcome["status"] == "SUCCEEDED":
        result = outcome["result"]
        manifest = storage.get_manifest(OUTPUT_BUCKET, result["manifest_key"])
        if manifest is None:
            raise FileNotFoundError(f"{result['manifest_key']} is not there, although it was written")
        return {"status": outcomes.succeed(job, result, manifest, SUCCESS_TOPIC)}
    if outcome["status"] == "REJECTED":
        return {"status": outcomes.reject(job, outcome["rejection"], ERROR_TOPIC), **outcome["rejection"]}
    code, reason = outcomes.describe(outcome["error"])
    failure: Failure = {"code": code, "reason": reason, "state": outcome["state"]}
    return {"status": outcomes.fail(job, failure, ERROR_TOPIC), "code": code, "reason": reason}
