"""A backfill in figures: killed and taken up again, metered against its estimate, beside fresh uploads."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from bench.bars import Bar, at_least, at_most
from tests.workflow.backfilling import Command, report, runs, stop_listing, succeeded
from tests.workflow.pipeline import Pipeline, deployed, picture

RECIPES = Path(__file__).with_name("recipes.json")
LEASE = {"LEASE_SECONDS": "40", "WAIT_SECONDS": "30"}  # a run that was lost is waited for so long
KILLS = 5
METERED = 60  # photos
FRESH, PAUSE_SECONDS = 8, 4.0  # uploads, and seconds between two of them
RUN_SECONDS = 3.0  # a run lasts at least: this computer's processors are not what the uploads wait for


def measure(count: int, chance: random.Random) -> list[Bar]:
    """The bars of `count` photos, on a local stack of its own."""
    print(f"{count} photos that nobody told of, backfilled and killed {KILLS} times", flush=True)
    with _stack() as pipeline:
        return [*_killed(pipeline, count, chance), *_metered(pipeline), *_beside(pipeline)]


@contextmanager
def _stack() -> Iterator[Pipeline]:
    with tempfile.TemporaryDirectory() as folder:
        yield from deployed(Path(folder), LEASE, RECIPES, BackfillConcurrency="4")


def _put(pipeline: Pipeline, folder: str, count: int) -> dict[str, str]:
    """Photos of which nobody hears: the version of each key."""
    with pipeline.unheard():
        return {
            f"raw/{folder}/{number}.jpg": pipeline.upload(f"raw/{folder}/{number}.jpg", picture(size=(64, 48)))
            for number in range(count)
        }


def _killed(pipeline: Pipeline, count: int, chance: random.Random) -> list[Bar]:
    versions = _put(pipeline, "old", count)
    moments = sorted(chance.sample(range(count // 50, count - count // 20), KILLS))
    command = Command(pipeline, "old/", "--yes")
    for number, moment in enumerate(moments):
        while succeeded(pipeline, versions) < moment:
            time.sleep(1)
        command.kill()
        for function, operation in (("trigger", "StartExecution"), ("trigger", "PutItem"), ("backfill", "SendMessage")):
            if chance.random() < 0.7:
                pipeline.faults.add(function, "kill", at=(operation, 1, chance.choice(["before", "after"])))
        if number % 2 == 0:
            stop_listing(pipeline)
        print(f"  killed with {moment} done", flush=True)
        command = Command(pipeline, "old/", "--yes")
    code, printed, said = command.end()
    print(f"  {printed}{said}", flush=True)
    records = pipeline.records(versions)
    started = runs(pipeline)
    told: dict[str, int] = {}
    for message in pipeline.published():
        told[message["body"]["job_id"]] = told.get(message["body"]["job_id"], 0) + 1
    jobs = [record.get("job_id", "") for record in records.values()]
    again = report(pipeline, "old/", "--yes")
    return [
        Bar("backfill.photos", count, 1000, at_least),
        Bar("backfill.kills", len(moments), KILLS, at_least),
        Bar("backfill.exit_code", code, 0, at_most),
        Bar("backfill.lost", sum(record.get("status") != "SUCCEEDED" for record in records.values()), 0, at_most),
        Bar("backfill.run_twice", sum(started[job] > 1 for job in jobs), 0, at_most),
        Bar("backfill.told_twice", sum(told.get(job, 0) > 1 for job in jobs), 0, at_most),
        Bar("backfill.dead_letters", len(pipeline.dead_letters()), 0, at_most),
        Bar("backfill.second_asked_for", again["sent"], 0, at_most),
        Bar("backfill.second_executions", (runs(pipeline) - started).total(), 0, at_most),
    ]


def _metered(pipeline: Pipeline) -> list[Bar]:
    """How far the dry run's estimate is from the requests that the functions make."""
    pipeline.faults.clear()
    _put(pipeline, "metered", METERED)
    expected = report(pipeline, "metered/", "--dry-run")["requests"]
    pipeline.faults.meter()
    report(pipeline, "metered/", "--yes")
    made = pipeline.faults.requests()
    ours = {name for name in expected | made if not name.startswith("lambda.")}  # who calls a function is no function
    for name in sorted(ours):
        print(f"  {name:<32} expected {expected.get(name, 0):>6}  made {made[name]:>6}", flush=True)
    # Step Functions lists, Lambda receives and deletes, SNS encrypts. The heart beats each second here, not each 20.
    ours -= {"s3.ListObjectsV2", "sqs.ReceiveMessage", "sqs.DeleteMessage", "sqs.DeleteMessageBatch"}
    ours -= {"kms.Decrypt", "kms.GenerateDataKey", "sqs.ChangeMessageVisibility"}
    wanted, metered = (sum(each.get(name, 0) for name in ours) for each in (expected, made))
    return [Bar("backfill.estimate_off", abs(wanted / metered - 1), 0.10, at_most)]


def _beside(pipeline: Pipeline) -> list[Bar]:
    """How long fresh uploads take beside a backfill, to how long they take alone: a mean."""
    pipeline.faults.clear()
    pipeline.faults.add("validate", "sleep", RUN_SECONDS, stays=True)
    _uploads(pipeline, "warm", 2)
    alone = _uploads(pipeline, "alone", FRESH)
    _put(pipeline, "slow", 10 * FRESH)
    command = Command(pipeline, "slow/", "--yes", "--concurrency", "2")
    pipeline.until(lambda: pipeline.waiting("BackfillQueueUrl") > FRESH, 60)
    beside = _uploads(pipeline, "beside", FRESH)
    left = pipeline.waiting("BackfillQueueUrl")
    pipeline.faults.clear()
    command.end()
    print(f"  {statistics.mean(alone):.1f} s alone, {statistics.mean(beside):.1f} s beside a backfill", flush=True)
    return [
        Bar("backfill.waiting_at_the_end", left, 1, at_least),  # without it, nothing would have been beside
        Bar("backfill.fresh_to_alone", statistics.mean(beside) / statistics.mean(alone), 2, at_most),
    ]


def _uploads(pipeline: Pipeline, name: str, count: int) -> list[float]:
    """Upload a photo every few seconds; returns the seconds from each upload to its set."""
    versions, moments = {}, {}
    for number in range(count):
        key = f"raw/{name}-{number}.jpg"
        moments[key] = time.time()
        versions[key] = pipeline.upload(key, picture(size=(100 + number, 75)))
        time.sleep(PAUSE_SECONDS)
    ended = {key: pipeline.finished(key, version, seconds=120) for key, version in versions.items()}
    return [datetime.fromisoformat(ended[key]["finished_at"]).timestamp() - moments[key] for key in versions]
