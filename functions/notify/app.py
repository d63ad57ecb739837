"""NotifySuccess, NotifyError: publish how the attempt ended, then close its job record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from pipeline import jobs, manifest, metrics, outcomes, outputs

if TYPE_CHECKING:
    from contracts import Closed, Failure, Job, NotifyEvent, Outcome

logger = Logger()


@metrics.stage("Notify")
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
    if closed["status"] == "QUEUED":  # how a job ends is a line of its own
        logger.warning("attempt failed", **closed, source_key=job["source"]["key"])
    return closed


def _close(job: Job, outcome: Outcome) -> Closed:
    if outcome["status"] == "REJECTED":
        return {"status": outcomes.reject(job, outcome["rejection"], outcome["judge"]), **outcome["rejection"]}
    # A manifest is written last: where it stands the attempt has succeeded, whatever broke after it.
    finished = outputs.standing(job["source"]["key"]).manifest
    if finished and manifest.is_made_by(finished, job):
        return {"status": outcomes.succeed(job, finished)}
    if outcome["status"] == "SUCCEEDED":
        raise FileNotFoundError(f"{outcome['result']['manifest_key']} is not there, although it was written")
    code, reason = outcomes.describe(outcome["error"])
    failure: Failure = {"code": code, "reason": reason, "state": outcome["state"]}
    return {"status": outcomes.fail(job, failure), "code": code, "reason": reason}
