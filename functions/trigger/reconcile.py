"""Brings the outputs of one key in line with its source as it is now, whatever the events said, in whatever order."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from aws_lambda_powertools import Logger

from pipeline import clock, jobs, keys, manifest, outcomes, recipes, storage
from trigger import executions, lease

if TYPE_CHECKING:
    from contracts import Failure, Job, Manifest, Recipe, Record, Source, SourceVersion
    from trigger.notices import Notice

SOURCE_BUCKET = os.environ["SOURCE_BUCKET"]
OUTPUT_BUCKET = os.environ["OUTPUT_BUCKET"]
ERROR_TOPIC = os.environ["ERROR_TOPIC_ARN"]
MAX_ATTEMPTS = int(os.environ["MAX_ATTEMPTS"])
BACKOFF_SECONDS = [float(seconds) for seconds in os.environ["BACKOFF_SECONDS"].split(",")]
# The slowest function can go on writing for so long after its execution was cut off.
SETTLE_SECONDS = float(os.environ["SETTLE_SECONDS"])

# When to ask again while another invocation works on the key: seldom enough that maxReceiveCount outlasts any run.
BUSY_SECONDS = 60.0
LOST_RUN: Failure
LOST_RUN = {"code": "RUN_LOST", "reason": "the trigger or the execution was killed before it ended", "state": None}

RECIPES = recipes.load()
logger = Logger()


@dataclass(frozen=True)
class Verdict:
    """What to do with the messages about a key: delete them, let them come back later, or park them as dead letters."""

    kind: Literal["done", "later", "park"]
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Start:
    """An attempt is due."""

    round: int
    attempt: int


DONE = Verdict("done")


def reconcile(key: str, notices: list[Notice], deadline: float) -> Verdict:
    """Hold the key's lease and do what its source demands. No run is started that could outlast `deadline`."""
    try:
        with lease.hold(key, deadline - executions.WAIT_SECONDS) as held:
            return _reconcile(held, notices, deadline)
    except lease.BusyError as busy:
        return Verdict("later", min(busy.seconds, BUSY_SECONDS), str(busy))
    except (lease.LostError, jobs.NotOwnerError) as lost:
        return Verdict("later", BACKOFF_SECONDS[0], f"another invocation took over: {lost}")


def decide(record: Record | None, recipe_hash: str, sent_at: float) -> Start | Literal["nothing", "park", "give up"]:
    """What the newest version of a source needs, if its set does not stand.

    `record`: its job record; `sent_at`: when the youngest of the messages was sent. Two things open a new round: a
    changed recipe, and a message that was sent after the job FAILED (a redrive, or one sent by hand).
    """
    if record is None or "round" not in record:
        return Start(1, 1)
    again = Start(int(record["round"]) + 1, 1)
    if record["recipe"]["hash"] != recipe_hash:
        return again
    if record["status"] in jobs.OPEN:  # PROCESSING under our lease: a run whose trigger did not see its end
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
            # Without such a notice the source expired, and its set stays.
            if any(notice.removed for notice in notices):
                _remove_set(held)
            return DONE
        verdict, ran = _bring_in_line(held, source, notices, deadline)
        if not ran or held.keep:  # a run that may still write must not get a successor
            return verdict
        before, source = source, storage.head(SOURCE_BUCKET, held.key)
        if source is not None and source["version_id"] == before["version_id"]:
            return verdict


def _bring_in_line(held: lease.Lease, source: Source, notices: list[Notice], deadline: float) -> tuple[Verdict, bool]:
    """The verdict on the messages, and whether a run took place (the source may have changed meanwhile)."""
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
        assert record is not None  # decide gives up on nothing else
        last = Start(int(record["round"]), int(record["attempt"]))
        outcomes.fail(_job(source, recipe, last, notices), LOST_RUN, ERROR_TOPIC)
        held.unfinished = source["version_id"]
        return _parked(jobs.get(held.key, source["version_id"])), False
    if deadline - time.time() < executions.WAIT_SECONDS:
        return Verdict("later", 0, "not enough time left in this invocation for a run"), False
    return _run(held, _job(source, recipe, step, notices), record), True


def _standing(held: lease.Lease, source: Source, recipe: Recipe, record: Record | None) -> Manifest | None:
    """The manifest of the standing set, if that is whole and was made from the same bytes by this recipe."""
    if held.torn or (record and record["status"] in {*jobs.OPEN, "REJECTED", "FAILED"}):
        return None
    finished = _manifest(held.key)
    if finished is None or finished["recipe"]["hash"] != recipe["hash"]:
        return None
    maker = finished["source"]
    return finished if (maker["etag"], maker["size"]) == (source["etag"], source["size"]) else None


def _adopt(source: Source, recipe: Recipe, record: Record | None, finished: Manifest, notices: list[Notice]) -> None:
    """Record that the version's set stands, if the record does not say so: it was made from another version."""
    if record and record["status"] == "SUCCEEDED" and record["recipe"]["hash"] == recipe["hash"]:
        return
    job = _job(source, recipe, Start(int(record.get("round", 0) if record else 0) + 1, 0), notices)
    jobs.adopt(job, record, finished["source"]["version_id"], manifest.result(finished))
    logger.info("same bytes: the set stands already", job_id=job["job_id"])


def _manifest(key: str) -> Manifest | None:
    """The manifest that stands for a key. None if there is none, or can be none because its key would be too long."""
    name = keys.manifest(key)
    return storage.get_manifest(OUTPUT_BUCKET, name) if keys.fits(name) else None


def _run(held: lease.Lease, job: Job, record: Record | None) -> Verdict:
    torn_before = held.torn
    held.renew(job["source"]["version_id"], job["execution_name"])
    jobs.begin(job, record)
    facts: dict[str, Any] = {"job_id": job["job_id"], "execution_name": job["execution_name"]}
    logger.info("attempt started", **facts)
    held.keep = True  # until we know that the run has ended, it may write, whatever happens here
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
    record = cast("Record", record or {})
    if record["status"] == "REJECTED":  # before anything was written
        held.unfinished, held.torn = None, torn_before
    return _verdict(held, record)


def _verdict(held: lease.Lease, record: Record) -> Verdict:
    """The verdict on the messages after a run, by how the run closed its record."""
    if record["status"] == "QUEUED":
        failure = record["last_failure"]
        seconds = BACKOFF_SECONDS[min(int(record["attempt"]), len(BACKOFF_SECONDS)) - 1]
        seconds = max(seconds, SETTLE_SECONDS if held.keep else 0)
        return Verdict("later", seconds, f"{failure['code']}: {failure['reason']}")
    if record["status"] == "SUCCEEDED":
        held.finish()
    return _parked(record) if record["status"] == "FAILED" else DONE


def _parked(record: Record | None) -> Verdict:
    record = record or cast("Record", {})
    return Verdict("park", reason=f"job {record.get('job_id')} FAILED: {record.get('code')}: {record.get('reason')}")


def _account(held: lease.Lease, source: Source | None, notices: list[Notice]) -> None:
    """Retire the records of versions that are gone, or no longer the newest: they get no run."""
    unfinished = jobs.get(held.key, held.unfinished) if held.unfinished else None
    if unfinished and unfinished["status"] == "SUCCEEDED":
        held.finish()  # its trigger died before it could note that
    newest = source["version_id"] if source else None
    noticed = {notice.version_id for notice in notices if not notice.removed}
    for version_id in noticed | {held.unfinished}:
        if version_id and version_id != newest:
            version: SourceVersion = {"bucket": SOURCE_BUCKET, "key": held.key, "version_id": version_id}
            jobs.retire(version, "SUPERSEDED" if source else "DELETED")
    if held.unfinished != newest:
        held.unfinished = None


def _remove_set(held: lease.Lease) -> None:
    """Remove the key's set: what its manifest lists, and what a run without a manifest may have left."""
    held.tear()
    finished = _manifest(held.key)
    recipe = recipes.route(RECIPES, held.key)
    expected = [keys.output(held.key, name, kind) for name, kind in recipes.outputs(recipe)]
    doomed = [*filter(keys.fits, expected), *(manifest.set_keys(finished) if finished else [])]
    storage.delete(OUTPUT_BUCKET, doomed)
    if finished:
        maker = finished["source"]
        record = jobs.get(held.key, maker["version_id"])
        for version_id in {maker["version_id"], *(record.get("heirs", ()) if record else ())}:
            version: SourceVersion = {"bucket": SOURCE_BUCKET, "key": held.key, "version_id": version_id}
            jobs.retire(version, "DELETED", finished=True)
        storage.delete(OUTPUT_BUCKET, [keys.manifest(held.key)])  # last: a removal that was cut off is taken up again
    held.finish()
    logger.info("set removed", source_key=held.key)


def _job(source: Source, recipe: Recipe, start: Start, notices: list[Notice]) -> Job:
    """The execution's input."""
    job_id = keys.job_id(source)
    sequencers = {notice.version_id: notice.sequencer for notice in notices if notice.sequencer}
    if sequencer := sequencers.get(source["version_id"]):
        source = {**source, "sequencer": sequencer}
    return {
        "job_id": job_id,
        "execution_name": keys.execution(job_id, start.round, start.attempt),
        "round": start.round,
        "attempt": start.attempt,
        "max_attempts": MAX_ATTEMPTS,
        "source": source,
        "recipe": {"name": recipe["name"], "hash": recipe["hash"]},
    }
