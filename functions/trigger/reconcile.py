"""Brings the outputs of one key in line with its source as it is now, whatever the events said and in which order."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from aws_lambda_powertools import Logger

from pipeline import clock, jobs, keys, manifest, outcomes, recipes, storage
from trigger import executions, lease

if TYPE_CHECKING:
    from trigger.notices import Notice

SOURCE_BUCKET = os.environ["SOURCE_BUCKET"]
OUTPUT_BUCKET = os.environ["OUTPUT_BUCKET"]
ERROR_TOPIC = os.environ["ERROR_TOPIC_ARN"]
MAX_ATTEMPTS = int(os.environ["MAX_ATTEMPTS"])
BACKOFF_SECONDS = [float(seconds) for seconds in os.environ["BACKOFF_SECONDS"].split(",")]
# The slowest function: it may go on writing for so long after its execution was cut off.
SETTLE_SECONDS = float(os.environ["SETTLE_SECONDS"])

# Asking again while another invocation works on the key: seldom enough that the queue's receives outlast any run.
BUSY_SECONDS = 60.0
LOST_RUN = {
    "code": "RUN_LOST",
    "reason": "the trigger or the execution was killed before it ended",
    "state": None,
}

RECIPES = recipes.load()
logger = Logger()


@dataclass(frozen=True)
class Verdict:
    """What is to become of the messages about a key: done with, to come back later, or parked for a person to see."""

    kind: Literal["done", "later", "park"]
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Start:
    """That an attempt is due."""

    round: int
    attempt: int


DONE = Verdict("done")


def reconcile(key: str, notices: list[Notice], deadline: float) -> Verdict:
    """Take the key's lease, and do what its source demands until that no longer changes.

    `deadline` (time.time()) is when the invocation must be over: no attempt is started that could outlast it.
    """
    try:
        with lease.hold(key, deadline - executions.WAIT_SECONDS) as held:
            return _reconcile(held, notices, deadline)
    except lease.BusyError as busy:
        return Verdict("later", min(busy.seconds, BUSY_SECONDS), str(busy))
    except (lease.LostError, jobs.NotOwnerError) as lost:
        return Verdict("later", BACKOFF_SECONDS[0], f"somebody else took over: {lost}")


def decide(
    record: dict[str, Any] | None, recipe_hash: str, sent_at: float
) -> Start | Literal["nothing", "park", "give up"]:
    """What the newest version of a source needs, if its set does not stand.

    `record`: its job record; `sent_at`: when the youngest of the messages was sent. A message that was sent after the
    job FAILED (redriven, or sent again by a person) asks for a new round; so does a changed recipe, and nothing else.
    """
    if record is None or "round" not in record:
        return Start(1, 1)
    again = Start(int(record["round"]) + 1, 1)
    if record["recipe"]["hash"] != recipe_hash:
        return again
    if record["status"] in jobs.OPEN:  # PROCESSING under our lease: a run that nobody waited for to its end
        attempts = int(record["attempt"])
        return Start(int(record["round"]), attempts + 1) if attempts < MAX_ATTEMPTS else "give up"
    if record["status"] == "REJECTED":
        return "nothing"
    if record["status"] == "FAILED":
        return again if sent_at > clock.epoch(record["finished_at"]) else "park"
    return again  # SUCCEEDED, but its set is gone; SUPERSEDED or DELETED, and the newest version again


def _reconcile(held: lease.Lease, notices: list[Notice], deadline: float) -> Verdict:
    source = storage.head(SOURCE_BUCKET, held.key)
    while True:
        _account(held, source, notices)
        if source is None:
            # Without such a notice it expired, and its set is kept.
            if any(notice.removed for notice in notices):
                _remove_set(held)
            return DONE
        verdict, ran = _bring_in_line(held, source, notices, deadline)
        if not ran or held.keep:  # what may still be writing must not get a successor
            return verdict
        before, source = source, storage.head(SOURCE_BUCKET, held.key)
        if source is not None and source["version_id"] == before["version_id"]:
            return verdict


def _bring_in_line(
    held: lease.Lease, source: dict[str, Any], notices: list[Notice], deadline: float
) -> tuple[Verdict, bool]:
    """What the messages' verdict is, and whether a run took place (so that the source may have changed meanwhile)."""
    recipe = recipes.route(RECIPES, held.key)
    record = jobs.get(held.key, source["version_id"])
    finished = _standing(held, source, recipe, record)
    if finished:
        _adopt(source, recipe, record, finished, notices)
        return DONE, False
    step = decide(record, recipe["hash"], max(notice.sent_at for notice in notices))
    if record and record["status"] == "PROCESSING":
        record["last_failure"] = LOST_RUN | {"at": clock.now()}
    if step == "nothing":
        return DONE, False
    if step == "park":
        held.unfinished = source["version_id"]
        return _parked(record), False
    if step == "give up":
        job = _job(source, recipe, record or {}, notices)
        outcomes.fail(job, LOST_RUN, ERROR_TOPIC)
        held.unfinished = source["version_id"]
        return _parked(jobs.get(held.key, source["version_id"])), False
    if deadline - time.time() < executions.WAIT_SECONDS:
        return Verdict("later", 0, "not enough time left in this invocation for a run"), False
    job = _job(source, recipe, {"round": step.round, "attempt": step.attempt}, notices)
    return _run(held, job, record), True


def _standing(
    held: lease.Lease, source: dict[str, Any], recipe: recipes.Recipe, record: dict[str, Any] | None
) -> dict[str, Any] | None:
    """The manifest of the set that stands, if it was made of these very bytes by this recipe, and is whole."""
    if held.torn or (record and record["status"] in {*jobs.OPEN, "REJECTED", "FAILED"}):
        return None
    finished = _manifest(held.key)
    if finished is None or finished["recipe"]["hash"] != recipe["hash"]:
        return None
    same = all(finished["source"][fact] == source[fact] for fact in ("etag", "size"))
    return finished if same else None


def _adopt(
    source: dict[str, Any],
    recipe: recipes.Recipe,
    record: dict[str, Any] | None,
    finished: dict[str, Any],
    notices: list[Notice],
) -> None:
    """Record, if it is not, that the version's set stands: another version with the same bytes made it."""
    if record and record["status"] == "SUCCEEDED" and record["recipe"]["hash"] == recipe["hash"]:
        return
    job = _job(source, recipe, {"round": int((record or {}).get("round", 0)) + 1, "attempt": 0}, notices)
    jobs.adopt(job, record, finished["source"]["version_id"], manifest.result(finished))
    logger.info("same bytes: the set stands already", job_id=job["job_id"])


def _manifest(key: str) -> dict[str, Any] | None:
    """The manifest that stands for a key. None if there is none, or can be none: S3 takes no longer keys."""
    name = keys.manifest(key)
    return storage.get_json(OUTPUT_BUCKET, name) if keys.fits(name) else None


def _run(held: lease.Lease, job: dict[str, Any], record: dict[str, Any] | None) -> Verdict:
    torn_before = held.torn
    held.renew(job["source"]["version_id"], job["execution_name"])
    jobs.begin(job, record)
    facts = {"job_id": job["job_id"], "execution_name": job["execution_name"]}
    logger.info("attempt started", **facts)
    held.keep = True  # whatever happens here: until we know that the run has ended, it may be writing
    try:
        record = executions.run(job)
        held.keep = False
    except executions.UnknownError as unknown:
        logger.warning("end of attempt unknown", reason=str(unknown), **facts)
        return Verdict("later", lease.LEASE_SECONDS, str(unknown))
    except executions.CutOffError as cut:
        logger.warning("attempt cut off", reason=str(cut), **facts)
        if cut.started:
            held.settle(SETTLE_SECONDS)
        else:
            held.keep = False
        outcomes.fail(job, cut.failure, ERROR_TOPIC)
        record = jobs.get(held.key, job["source"]["version_id"])
    record = record or {}
    if record["status"] == "REJECTED":  # before anything was written
        held.unfinished, held.torn = None, torn_before
    return _verdict(held, record)


def _verdict(held: lease.Lease, record: dict[str, Any]) -> Verdict:
    """What becomes of the messages after a run, by how it closed its record."""
    if record["status"] == "QUEUED":
        failure = record["last_failure"]
        seconds = BACKOFF_SECONDS[min(int(record["attempt"]), len(BACKOFF_SECONDS)) - 1]
        return Verdict(
            "later",
            max(seconds, SETTLE_SECONDS if held.keep else 0),
            f"{failure['code']}: {failure['reason']}",
        )
    if record["status"] == "SUCCEEDED":
        held.finish()
    return _parked(record) if record["status"] == "FAILED" else DONE


def _parked(record: dict[str, Any] | None) -> Verdict:
    record = record or {}
    return Verdict("park", reason=f"job {record.get('job_id')} FAILED: {record.get('code')}: {record.get('reason')}")


def _account(held: lease.Lease, source: dict[str, Any] | None, notices: list[Notice]) -> None:
    """Close the records of versions that nobody will work on: no longer the newest, or gone."""
    if held.unfinished and _succeeded(held.key, held.unfinished):
        held.finish()  # only its trigger did not live to see it
    newest = source["version_id"] if source else None
    told = {notice.version_id for notice in notices if not notice.removed}
    for version_id in (told | {held.unfinished}) - {None, newest}:
        version = {"bucket": SOURCE_BUCKET, "key": held.key, "version_id": version_id}
        jobs.retire(version, "SUPERSEDED" if source else "DELETED")
    if held.unfinished != newest:
        held.unfinished = None


def _succeeded(key: str, version_id: str) -> bool:
    record = jobs.get(key, version_id)
    return record is not None and record["status"] == "SUCCEEDED"


def _remove_set(held: lease.Lease) -> None:
    """Remove the key's set: what its manifest lists, and what a run may have left that never wrote one."""
    held.tear()
    finished = _manifest(held.key)
    recipe = recipes.route(RECIPES, held.key)
    expected = [keys.output(held.key, name, kind) for name, kind in recipes.outputs(recipe)]
    doomed = [*filter(keys.fits, expected), *(manifest.set_keys(finished) if finished else [])]
    storage.delete(OUTPUT_BUCKET, doomed)
    if finished:
        maker = jobs.get(held.key, finished["source"]["version_id"]) or {}
        for version_id in {finished["source"]["version_id"], *maker.get("heirs", [])}:
            jobs.retire(finished["source"] | {"version_id": version_id}, "DELETED", finished=True)
        storage.delete(OUTPUT_BUCKET, [keys.manifest(held.key)])  # last: so a removal can be taken up
    held.finish()
    logger.info("set removed", source_key=held.key)


def _job(
    source: dict[str, Any], recipe: dict[str, Any], attempt: dict[str, Any], notices: list[Notice]
) -> dict[str, Any]:
    """The execution's input."""
    job_id = keys.job_id(source)
    sequencers = {notice.version_id: notice.sequencer for notice in notices if notice.sequencer}
    sequencer = sequencers.get(source["version_id"])
    number, round_number = int(attempt["attempt"]), int(attempt["round"])
    return {
        "job_id": job_id,
        "execution_name": keys.execution(job_id, round_number, number),
        "round": round_number,
        "attempt": number,
        "max_attempts": MAX_ATTEMPTS,
        "source": source | ({"sequencer": sequencer} if sequencer else {}),
        "recipe": {"name": recipe["name"], "hash": recipe["hash"]},
    }
