"""Brings the outputs of one key in line with its source as it is now, whatever the events said, in whatever order."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools import Logger

from pipeline import clock, jobs, keys, manifest, metrics, outcomes, outputs, recipes, storage
from trigger import brake, executions, lease
from trigger.verdicts import (
    DONE,
    MAX_ATTEMPTS,
    GiveUp,
    Later,
    Look,
    Park,
    Refused,
    Start,
    Verdict,
    backoff,
    decide,
    in_words,
    nth,
    park,
    same_bytes,
    same_given,
)

if TYPE_CHECKING:
    from contracts import Failure, Job, Judge, Manifest, Recipe, Record, Source, SourceVersion, Status
    from trigger.notices import Notice

SOURCE_BUCKET = os.environ["SOURCE_BUCKET"]
PUBLIC_BASE_URL = os.environ["PUBLIC_BASE_URL"]
VALIDATE_MEMORY_MB = int(os.environ["VALIDATE_MEMORY_MB"])

# When to look again while another invocation works on the key: soon at first, and seldom enough that the queue's
# receives outlast any run.
BUSY_SECONDS = (5.0, 10.0, 20.0, 60.0, 240.0, 400.0)
LOST_RUN: Failure
LOST_RUN = {"code": "RUN_LOST", "reason": "the trigger or the execution was killed before it ended", "state": None}

RECIPES = recipes.load()
logger = Logger()


def reconcile(key: str, notices: list[Notice], deadline: float, receives: int) -> Verdict:
    """Hold the key's lease and do what its source demands.

    `deadline`: epoch seconds that no run may outlast; `receives`: how often the messages have come so far.
    """
    try:
        with lease.hold(key) as held:
            return _reconcile(Look(held, notices, deadline, [], receives))
    except lease.BusyError as busy:
        seconds = min(nth(BUSY_SECONDS, receives), max(busy.until - time.time(), 0) + 1)
        return _while_busy(key, notices, Later(seconds, str(busy), waits=True))
    except (lease.LostError, jobs.NotOwnerError) as lost:
        return Later(backoff(1), f"another invocation took over: {lost}")


def _reconcile(look: Look) -> Verdict:
    """Wanted is the newest version above the last delete marker that is not refused. Without one there is no set."""
    held, parked = look.held, None
    verdict: Verdict = DONE
    _account_for_last_attempt(held)
    left_open = held.version_id
    source = storage.head(SOURCE_BUCKET, held.key)
    while source:
        look.versions.append(source["version_id"])
        found = _bring_in_line(look, source)
        if isinstance(found, Later):
            verdict = found
        if isinstance(found, Park) and parked:  # one older version is tried, not all of them
            _retire(held.key, source["version_id"], "SUPERSEDED")
            source = None
            continue
        if isinstance(found, Park):
            verdict, parked = found, source["version_id"]
            if not held.torn:  # else the version leaves a mix behind, which must not stay
                break
        elif not isinstance(found, Refused):
            break
        source = _below(look, source, found)
    else:
        _without_a_version(look)
    _retire_others(look, left_open)
    if len(look.versions) > 2 and not parked:
        jobs.skip(_version(held.key, look.versions[0]), look.versions[-1])
    if parked and not isinstance(verdict, Later):  # else the lease remembers the older version, whose job is open
        held.version_id = parked
    return verdict


def _below(look: Look, source: Source, found: Refused | Park) -> Source | None:
    """The next version to look at. A key with a thousand refused uploads is not asked about each of them again."""
    skipped = found.below if isinstance(found, Refused) else None
    if skipped and skipped not in look.versions and (below := storage.head(SOURCE_BUCKET, look.held.key, skipped)):
        return below
    return storage.older(source)


def _bring_in_line(look: Look, source: Source) -> Verdict | Refused:
    """Make the set of this version, unless it stands or the version is not to be made (now)."""
    recipe = recipes.route(RECIPES, source["key"])
    judge: Judge = {"recipe": recipe["hash"], "memory": VALIDATE_MEMORY_MB}
    record = jobs.get(source["key"], source["version_id"])
    if record and "decision" in record:
        record = _close(record, LOST_RUN)  # it is being told
    step = decide(record, source, judge, look, time.time())
    if isinstance(step, Refused):
        return step
    standing = outputs.standing(source["key"])
    if _stands(look, source, recipe, standing):
        _renew_urls(source["key"], standing)
        _adopt(look, source, recipe, record, standing)
        look.held.finished()
        return DONE
    if isinstance(step, GiveUp):
        assert record is not None  # decide gives up on nothing else
        outcomes.give_up(record, MAX_ATTEMPTS)
        return _parked(look.held, _record(source["key"], source["version_id"]))
    if not isinstance(step, Start):
        return step
    step = _unused(step, keys.job_id(source), standing.manifest)
    if look.deadline - time.time() < executions.WAIT_SECONDS:
        return Later(0, "not enough time left in this invocation for a run", waits=True)
    if not brake.allows(time.time()):
        metrics.count("OverDailyLimit", source_key=source["key"])
        seconds = brake.seconds(source["key"], look.receives, time.time())
        return Later(seconds, "DailyImageLimit is reached", waits=True)
    return _run(look, _job(source, recipe, step, look.notices), record, standing)


def _unused(start: Start, job_id: str, standing: Manifest | None) -> Start:
    """The attempt, in a round that did not make the standing set: its manifest must not speak for this attempt.

    Without versions, all uploads of a key are one job, and the record that counts its rounds may have expired.
    """
    if start.attempt == 1 and standing and standing["job_id"] == job_id and standing["round"] >= start.round:
        return Start(standing["round"] + 1, 1)
    return start


def _next_round(job: Job) -> Job:
    """The job in the round after this one."""
    number = job["round"] + 1
    return {**job, "round": number, "attempt": 1, "execution_name": keys.execution(job["job_id"], number, 1)}


def _run(look: Look, job: Job, record: Record | None, standing: outputs.Standing) -> Verdict | Refused:
    """Run an attempt, and account for how it ended."""
    held, source = look.held, job["source"]
    if held.version_id and held.version_id not in look.versions:
        _retire(held.key, held.version_id, "SUPERSEDED")  # the lease remembers one version
    job["deadline"] = held.running(source["version_id"], job["execution_name"])
    jobs.begin(job, record)
    held.kept = True  # until we know that the run has ended it may write, whatever happens here
    facts: dict[str, Any] = {name: job[name] for name in ("job_id", "execution_name")} | {"source_key": held.key}
    metrics.started(job)
    try:
        record = executions.run(job)
    except executions.UsedError:
        return _run(look, _next_round(job), _record(held.key, source["version_id"]), standing)
    except executions.UnknownError as unknown:
        logger.warning("end of attempt unknown", reason=str(unknown), **facts)
        return Later(BUSY_SECONDS[3], str(unknown), waits=True)
    except executions.CutOffError as cut:
        logger.warning("attempt cut off", reason=str(cut), **facts)
        record = _close(_record(held.key, source["version_id"]), cut.failure)
    if record["status"] == "SUCCEEDED":
        return _succeeded(held, job, record, standing)
    if record["status"] == "REJECTED":
        held.refused()
        if record["judge"] == {"recipe": job["recipe"]["hash"], "memory": VALIDATE_MEMORY_MB}:
            return Refused()
        return Later(backoff(2), "refused by a ValidateFunction that another deployment made")
    if record["status"] == "FAILED":
        return _parked(held, record)
    if record["status"] != "QUEUED":  # SUPERSEDED or DELETED: we were slow to hear of the run's end
        raise jobs.NotOwnerError(f"the job of {job['execution_name']} is {record['status']} now")
    held.settled(record)
    settling = lease.SETTLE_SECONDS if held.kept else 0
    # A source that changed under its run is another job, and after the last attempt there is nothing to wait for.
    soon = record["last_failure"]["code"] == outcomes.SOURCE_GONE or int(record["attempt"]) >= MAX_ATTEMPTS
    waiting = 0 if soon else backoff(int(record["attempt"]))
    return Later(max(waiting, settling), in_words(record["last_failure"]), waits=True)


def _account_for_last_attempt(held: lease.Lease) -> None:
    """Close what an earlier holder left open, and learn what its attempt wrote. Nothing of it can write any more."""
    record = jobs.get(held.key, held.version_id) if held.version_id else None
    if record is None or "round" not in record:
        return
    if record["status"] not in jobs.OPEN and record["execution_name"] != held.execution_name:
        return
    record = _close(record, LOST_RUN)
    held.execution_name = None
    if record["status"] == "SUCCEEDED":
        held.finished()
        held.uncleared = True  # nobody has looked since
    elif record["status"] == "REJECTED":
        held.refused()
    else:
        held.torn = held.torn or outcomes.may_write(record["last_failure"])


def _close(record: Record, failure: Failure) -> Record:
    """Close an attempt that is open: by its manifest, by what was decided about it, or else as failed."""
    if record["status"] not in jobs.OPEN:
        return record
    job = jobs.of(record, MAX_ATTEMPTS)
    finished = outputs.standing(record["source_key"]).manifest
    if finished and manifest.is_made_by(finished, job):
        outcomes.succeed(job, finished)
    elif "decision" in record:
        outcomes.tell(job, record["decision"])
    elif record["status"] == "PROCESSING":
        outcomes.fail(job, failure)
    return _record(record["source_key"], record["source"]["version_id"])


def _succeeded(held: lease.Lease, job: Job, record: Record, before: outputs.Standing) -> Verdict:
    """Clear away what the new set does not have."""
    held.uncleared = held.uncleared or _leaves_files(held, job, before)
    if record["recipe"]["hash"] != job["recipe"]["hash"]:
        held.finished()
        return Later(backoff(2), "made by another recipe: a deployment is under way")
    held.finished()  # first: with its run closed long ago, a holder that is slow to clear away would count as dead
    if held.uncleared:
        _clear(held, _outputs(held.key))
    return DONE


def _leaves_files(held: lease.Lease, job: Job, before: outputs.Standing) -> bool:
    """Whether there may be files that the set of this job will not have. Without a manifest, nobody knows."""
    if before.manifest is None:
        return held.torn or before.etag is not None or job["round"] > 1
    return held.torn or bool(outputs.lists(before.manifest).keys() - _outputs(held.key))


def _outputs(key: str) -> set[str]:
    """The keys of the files that a set of the current recipe has."""
    recipe = recipes.route(RECIPES, key)
    return {keys.output(key, name, format_) for name, format_ in recipes.outputs(recipe)}


def _stands(look: Look, source: Source, recipe: Recipe, standing: outputs.Standing) -> bool:
    """Whether the set is whole, and was made from the same bytes, with the same focus and alt, by this recipe.

    Clears away what it does not list. A set that is older than somebody's wish to have it made again does not count.
    """
    held, document = look.held, standing.manifest
    if held.torn or document is None or document["recipe"]["hash"] != recipe["hash"]:
        return False
    if look.forced_at > clock.epoch(document["created_at"]):
        return False
    if not same_bytes(document["source"], source) or not same_given(document["source"], source):
        return False
    listed = outputs.lists(document)
    files = _clear(held, listed)
    held.torn = any(files.get(key, size) != size for key, size in listed.items())
    return not held.torn and listed.keys() <= files.keys()


def _renew_urls(key: str, standing: outputs.Standing) -> None:
    """Bring the URLs in a manifest under the base that is set now. Those of another recipe wait for their next run."""
    document, recipe = standing.manifest, recipes.route(RECIPES, key)
    if document is None or document["recipe"]["hash"] != recipe["hash"]:
        return
    addressed = manifest.addressed(document, recipe, PUBLIC_BASE_URL)
    if addressed != document:
        outputs.write(addressed, instead_of=standing.etag)
        logger.info("the manifest's URLs were renewed", source_key=key)


def _clear(held: lease.Lease, made: Collection[str]) -> dict[str, int]:
    """Remove the key's files that are not of the set that was made; returns the sizes of all files by key."""
    files = outputs.files(held.key)
    if left_over := files.keys() - made - {keys.manifest(held.key)}:
        held.removing(torn=False)
        storage.delete(outputs.BUCKET, left_over)
        held.kept = False
    held.uncleared = False
    return files


def _adopt(look: Look, source: Source, recipe: Recipe, record: Record | None, standing: outputs.Standing) -> None:
    """Record that the version's set stands, if the record does not say so."""
    if record and record["status"] == "SUCCEEDED" and record["recipe"]["hash"] == recipe["hash"]:
        return
    job = _job(source, recipe, Start(int(record.get("round", 0) if record else 0) + 1, 0), look.notices)
    jobs.adopt(job, record, manifest.result(cast("Manifest", standing.manifest)))
    metrics.ended(job, "SUCCEEDED", adopted=True)


def _without_a_version(look: Look) -> None:
    """No version can be made: remove the set. If nobody removed the source, keep it: nothing could make it again."""
    held = look.held
    standing = outputs.standing(held.key)
    marker = None
    if look.versions:  # all of them refused
        stays = look.versions == ["null"] and storage.is_lowest(SOURCE_BUCKET, held.key)  # overwritten without versions
    else:
        removals = [notice for notice in look.notices if notice.removed]
        marker = storage.delete_marker(SOURCE_BUCKET, held.key) if removals else None
        stays = not any(_is_removal(notice, marker, standing.manifest) for notice in removals)
    if stays and not held.torn:
        if standing.manifest:  # one that was edited by hand cannot be made again: leave the files alone
            _clear(held, outputs.lists(standing.manifest))
            _renew_urls(held.key, standing)
        held.finished()
        held.uncleared = False
        return
    _remove_set(look, standing.manifest)
    hidden = marker.hides if marker else None
    if not look.versions and marker is None and jobs.get(held.key, "null"):
        hidden = "null"  # without versions, nothing else tells whose set it was if the manifest does not
    if hidden:
        _retire(held.key, hidden, "DELETED", finished=True)


def _is_removal(notice: Notice, marker: storage.DeleteMarker | None, standing: Manifest | None) -> bool:
    """Whether a notice says that somebody removed the source as it is now: else it expired, and its set stays."""
    if notice.asked or marker is None:
        return True
    # While versioning is suspended, S3 calls the version "null", or does not name it.
    if marker.version_id == (notice.version_id or "null"):
        return True
    # A version that was finished after the marker was made lay above it, and was erased.
    if finished_at := _finished_at(notice, standing):
        return clock.epoch(finished_at) + lease.SKEW_SECONDS > marker.made_at
    # No lifecycle rule puts a delete marker on another one.
    return marker.stacked


def _finished_at(notice: Notice, standing: Manifest | None) -> str | None:
    """When the version of a notice was finished: by its record or, if that has expired, by the set that it left."""
    version_id = notice.version_id or "null"
    if (record := jobs.get(notice.key, version_id)) and "finished_at" in record:
        return record["finished_at"]
    return standing["created_at"] if standing and standing["source"]["version_id"] == version_id else None


def _remove_set(look: Look, finished: Manifest | None) -> None:
    """Remove all that any run has made of the key."""
    held = look.held
    name = keys.manifest(held.key)
    files = outputs.files(held.key)
    if files:
        held.removing(torn=True)
        storage.delete(outputs.BUCKET, files.keys() - {name})
        if finished and finished["source"]["version_id"] not in look.versions:
            _retire(held.key, finished["source"]["version_id"], "DELETED", finished=True)
        storage.delete(outputs.BUCKET, [name])  # last: a removal that was cut off is taken up again
        logger.info("set removed", source_key=held.key)
    held.finished()
    held.uncleared = False


def _retire_others(look: Look, left_open: str | None) -> None:
    """Close the records of versions that are gone, or that newer ones have replaced: they get no run."""
    noticed = {notice.version_id for notice in look.notices if not notice.removed}
    for version_id in (noticed | {left_open}) - {None, *look.versions}:
        _retire(look.held.key, cast("str", version_id), "SUPERSEDED" if look.versions else "DELETED")
    if look.held.version_id == left_open and left_open not in look.versions:
        look.held.version_id = None


def _while_busy(key: str, notices: list[Notice], later: Later) -> Verdict:
    """Messages about versions that are no longer the newest are done when their records are closed: it has its own."""
    newest = storage.head(SOURCE_BUCKET, key)
    record = jobs.get(key, newest["version_id"]) if newest else None
    if newest is None or (record and record["status"] in ("REJECTED", "FAILED")):
        return later  # an older version may be wanted
    if any(notice.removed or notice.asked or notice.version_id in (None, newest["version_id"]) for notice in notices):
        return later
    closed = [_retire(key, cast("str", notice.version_id), "SUPERSEDED") for notice in notices]
    return DONE if all(closed) else later


def _retire(key: str, version_id: str, status: Status, *, finished: bool = False) -> bool:
    return jobs.retire(_version(key, version_id), status, finished=finished)


def _version(key: str, version_id: str) -> SourceVersion:
    return {"bucket": SOURCE_BUCKET, "key": key, "version_id": version_id}


def _parked(held: lease.Lease, record: Record) -> Park:
    held.parked()
    return park(record)


def _record(key: str, version_id: str) -> Record:
    record = jobs.get(key, version_id)
    if record is None:
        raise jobs.NotOwnerError(f"the record of {version_id} is gone")
    return record


def _job(source: Source, recipe: Recipe, start: Start, notices: list[Notice]) -> Job:
    """The execution's input."""
    job_id = keys.job_id(source)
    sequencers = {notice.version_id: notice.sequencer for notice in notices if notice.sequencer}
    if sequencer := sequencers.get(source["version_id"]):
        source = {**source, "sequencer": sequencer}
    about = [notice for notice in notices if notice.version_id == source["version_id"]] or notices
    asked_at = max((notice.asked_at for notice in about if notice.asked_at), default=None)
    job: Job = {
        "job_id": job_id,
        "execution_name": keys.execution(job_id, start.round, start.attempt),
        "round": start.round,
        "attempt": start.attempt,
        "max_attempts": MAX_ATTEMPTS,
        "deadline": 0,  # known when the lease is held for the run
        "source": source,
        "recipe": {"name": recipe["name"], "hash": recipe["hash"]},
    }
    return {**job, "asked_at": clock.of_epoch(asked_at)} if asked_at else job
