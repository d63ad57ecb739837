"""`make soak`: delivery, faults and back-pressure in figures, on local stacks of its own.

Ends with one line per figure:

    BAR <name> <value> <limit> ok|short

Seeded: the same seed lays out the same uploads, copies and faults.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.bars import Bar, at_least, at_most, report
from darkroom.records import of_source
from tests.soak import backfill, brake, growth, rates
from tests.workflow.fault_points import POINTS
from tests.workflow.pipeline import FINAL, Pipeline, deployed, notification, picture

RECIPES = Path(__file__).with_name("recipes.json")
BATCH_SIZE, CONCURRENCY = 2, 4


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make soak", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--uploads", type=int, default=1000, help="uploads that are delivered 1 to 5 times each")
    parser.add_argument("--faults", type=int, default=200, help="uploads that meet a fault each")
    parser.add_argument("--lasting", type=int, default=20, help="uploads that meet a fault that stays")
    parser.add_argument("--outage", type=int, default=50, help="uploads that meet an outage of all")
    parser.add_argument("--hot", type=int, default=90, help="seconds for which one key is overwritten every 2 s")
    parser.add_argument("--backfill", type=int, default=1000, help="photos that are backfilled")
    args = parser.parse_args()
    bars: list[Bar] = []
    for measure in (
        lambda: delivery(args.uploads, random.Random(args.seed)),
        lambda: faults(args.faults, args.lasting, random.Random(args.seed)),
        lambda: outage(args.outage),
        lambda: hot_key(args.hot),
        lambda: brake.main(stack, RECIPES),
        lambda: rates.main(stack, RECIPES),
        lambda: growth.main(stack, RECIPES),
        lambda: backfill.measure(args.backfill, random.Random(args.seed)),
    ):
        began = time.monotonic()
        bars += measure()
        print(f"  took {time.monotonic() - began:.0f} s", flush=True)
    return report(bars)


@contextmanager
def stack(
    haste: dict[str, str], recipes: Path | None = None, timeout: int | None = None, **parameters: str
) -> Iterator[Pipeline]:
    """A local stack, without a folder that outlives it."""
    with tempfile.TemporaryDirectory() as folder:
        yield from deployed(Path(folder), haste, recipes, timeout, **parameters)


@dataclass
class Look:
    """A look at the stack: running executions, and messages in the upload queue."""

    in_flight: int
    waiting: int


def delivery(count: int, chance: random.Random) -> list[Bar]:
    """Uploads, each delivered 1 to 5 times, shuffled: how many are lost, run twice, or reported twice."""
    print(f"{count} uploads, each delivered 1 to 5 times", flush=True)
    lease = {"LEASE_SECONDS": "100", "WAIT_SECONDS": "90"}
    parameters = {"BatchSize": str(BATCH_SIZE), "MaximumConcurrency": str(CONCURRENCY)}
    with stack(lease, RECIPES, **parameters) as pipeline:
        body = picture(size=(64, 48))
        versions = {f"raw/{number}.jpg": pipeline.upload(f"raw/{number}.jpg", body) for number in range(count)}
        copies = [key for key in versions for _ in range(chance.randrange(5))]
        chance.shuffle(copies)
        url = pipeline.outputs["UploadQueueUrl"]
        for start in range(0, len(copies), 10):
            entries = [
                {"Id": str(index), "MessageBody": json.dumps({"Records": [notification(pipeline, key, versions[key])]})}
                for index, key in enumerate(copies[start : start + 10])
            ]
            pipeline.sqs.send_message_batch(QueueUrl=url, Entries=entries)
        looks = finish(pipeline, versions, 900)
        runs = Counter(name.partition("-")[0] for name in pipeline.started())
        messages = Counter(message["body"]["job_id"] for message in pipeline.published())
        records = pipeline.records(versions)
    in_flight = max((look.in_flight for look in looks), default=0)
    lost = sum(record.get("status") != "SUCCEEDED" for record in records.values())
    return [
        Bar("delivery.uploads", count, 1000, at_least),
        Bar("delivery.deliveries", count + len(copies), 2 * count, at_least),
        Bar("delivery.lost", lost, 0, at_most),
        Bar("delivery.run_twice", sum(number > 1 for number in runs.values()), 0, at_most),
        Bar("delivery.told_twice", sum(number > 1 for number in messages.values()), 0, at_most),
        Bar("delivery.not_told", count - len(messages), 0, at_most),
        # Messages that wait while images are in flight: without them the bound would not be tested.
        Bar("delivery.waiting", max((look.waiting for look in looks if look.in_flight), default=0), 500, at_least),
        Bar("delivery.in_flight", in_flight, BATCH_SIZE * CONCURRENCY, at_most),
    ]


def faults(count: int, lasting: int, chance: random.Random) -> list[Bar]:
    """Uploads that meet one fault each, between two effects of a function; and `lasting` more whose fault stays."""
    print(
        f"{count} uploads, each with a fault at one of {len(POINTS)} points; {lasting} with one that stays", flush=True
    )
    lease = {"LEASE_SECONDS": "20", "WAIT_SECONDS": "15"}
    # One upload per trigger, so that faults do not meet; most triggers only wait for a lease to expire.
    parameters = {"BatchSize": "1", "MaximumConcurrency": str(2 * CONCURRENCY)}
    with stack(lease, timeout=8, **parameters) as pipeline:
        versions, ends, points = {}, {}, [*POINTS, *chance.choices(POINTS, k=count - len(POINTS))][:count]
        chance.shuffle(points)
        for number, (function, kind, operation, nth, side) in enumerate(points):
            key = f"raw/{number}-{function}-{kind}-{operation}-{nth}-{side}.jpg"
            pipeline.faults.add(function, kind, 1, when=key, at=(operation, nth, side))
            refused = function in ("trigger", "validate", "notify") and chance.random() < 0.2
            ends[key] = "REJECTED" if refused else "SUCCEEDED"
            versions[key] = pipeline.upload(key, b"no picture" if refused else picture(size=(64, 48)))
        given_up = {}
        for number in range(lasting):
            function = chance.choice(["validate", "resize", "filters", "optimize"])
            key = f"raw/{number}-stays-{function}.jpg"
            pipeline.faults.add(function, "exit", 1, when=key, stays=True)
            given_up[key] = pipeline.upload(key, picture(size=(64, 48)))
        finish(pipeline, versions | given_up, 900)
        left = [path for path in pipeline.faults.left() if not json.loads(path.read_text(encoding="utf-8"))["stays"]]
        records, failed = pipeline.records(versions), pipeline.records(given_up)
        missing = sum(bool(pipeline.missing(key)) for key in versions if records[key].get("status") == "SUCCEEDED")
        bodies = [message["body"] for message in pipeline.published()]
        messages = Counter((body["source"]["key"], body["status"]) for body in bodies)
        letters = Counter(json.loads(each)["Records"][0]["s3"]["object"]["key"] for each in pipeline.dead_letters())
    unfinished = [key for key, record in (records | failed).items() if record.get("status") not in FINAL]
    return [
        Bar("faults.points", len(set(points)), 20, at_least),
        Bar("faults.met", count - len(left), 200, at_least),
        Bar("faults.unfinished", len(unfinished), 0, at_most),
        Bar("faults.wrong_end", sum(record.get("status") != ends[key] for key, record in records.items()), 0, at_most),
        Bar("faults.incomplete_sets", missing, 0, at_most),
        Bar("faults.not_told", sum(not messages[key, ends[key]] for key in versions), 0, at_most),
        Bar("faults.dead_letters", sum(letters[key] for key in versions), 0, at_most),
        Bar("lasting.not_failed", sum(record.get("status") != "FAILED" for record in failed.values()), 0, at_most),
        Bar("lasting.not_told_once", sum(messages[key, "FAILED"] != 1 for key in given_up), 0, at_most),
        Bar("lasting.not_in_dead_letters", sum(letters[key] != 1 for key in given_up), 0, at_most),
    ]


def outage(count: int) -> list[Bar]:
    """OptimizeImage can write nothing for a while: what that costs the uploads."""
    print(f"{count} uploads, while nothing can be written for 10 s", flush=True)
    slower = {"LEASE_SECONDS": "100", "WAIT_SECONDS": "90", "BACKOFF_SECONDS": "5,20,60"}
    with stack(slower, RECIPES, MaximumConcurrency=str(CONCURRENCY)) as pipeline:
        pipeline.finished("raw/first.jpg", pipeline.upload("raw/first.jpg", picture()))  # its workers are warm now
        pipeline.faults.add("optimize", "unavailable", at=("PutObject", 1, "before"), stays=True)
        keys = [f"raw/{number}.jpg" for number in range(count)]
        versions = {key: pipeline.upload(key, picture(size=(64, 48))) for key in keys}
        time.sleep(10)
        pipeline.faults.clear()
        finish(pipeline, versions, 300)
        records = pipeline.records(versions)
        letters = len(pipeline.dead_letters())
    statuses = Counter(record.get("status") for record in records.values())
    return [
        Bar("outage.hit", sum("last_failure" in record for record in records.values()), 1, at_least),
        Bar("outage.unfinished", statuses.total() - sum(statuses[status] for status in FINAL), 0, at_most),
        Bar("outage.not_succeeded", statuses.total() - statuses["SUCCEEDED"], 0, at_most),
        Bar("outage.dead_letters", letters, 0, at_most),
    ]


def hot_key(seconds: int) -> list[Bar]:
    """One key is overwritten every 2 s, with the template's own bounds and runs of 5 s: what the others wait for it."""
    print(f"one key overwritten every 2 s for {seconds} s, beside others", flush=True)
    with stack({"BACKOFF_SECONDS": "5,20,60"}) as pipeline:
        pipeline.faults.add("validate", "sleep", 4.5, stays=True)
        alone = waits(pipeline, "alone", seconds)
        beside = waits(pipeline, "beside", seconds, "raw/hot.jpg")
        found = of_source(pipeline.stack, "raw/hot.jpg")
        made = sorted(record["finished_at"] for record in found if record["status"] == "SUCCEEDED")
        pipeline.drained()
        newest = pipeline.s3.head_object(Bucket=pipeline.outputs["SourceBucketName"], Key="raw/hot.jpg")
        stands = pipeline.manifest("raw/hot.jpg")["source"]["version_id"] == newest["VersionId"]
        letters = len(pipeline.dead_letters())
    moments = [datetime.fromisoformat(each).timestamp() for each in made]
    return [
        Bar("hot_key.mean_wait_to_alone", statistics.mean(beside) / statistics.mean(alone), 2, at_most),
        Bar("hot_key.longest_wait_to_alone", max(beside) / max(alone), 2, at_most),
        Bar("hot_key.longest_gap", max(after - before for before, after in itertools.pairwise(moments)), 60, at_most),
        Bar("hot_key.newest_missing", int(not stands), 0, at_most),
        Bar("hot_key.dead_letters", letters, 0, at_most),
    ]


def waits(pipeline: Pipeline, name: str, seconds: int, hot: str = "") -> list[float]:
    """Upload a key every 10 s, beside the hot one every 2 s; returns the seconds from each upload to its set."""
    uploads: dict[str, str] = {}
    moments: dict[str, float] = {}
    began = time.monotonic()
    for number in range(seconds // 2):
        time.sleep(max(0.0, began + 2 * number - time.monotonic()))
        if hot:
            pipeline.upload(hot, picture(size=(160 + number, 120)))  # other bytes each time
        if number % 5 == 0:
            key = f"raw/{name}-{number}.jpg"
            moments[key] = time.time()
            uploads[key] = pipeline.upload(key, picture(size=(320 + number, 120)))
    finish(pipeline, uploads, 120)
    ended = pipeline.records(uploads)
    return [datetime.fromisoformat(ended[key]["finished_at"]).timestamp() - moments[key] for key in uploads]


def finish(pipeline: Pipeline, versions: dict[str, str], seconds: float) -> list[Look]:
    """Wait until every job has ended and the queue is empty, `seconds` at most; returns the looks taken meanwhile."""
    deadline, looks = time.monotonic() + seconds, []
    while time.monotonic() < deadline:
        running = pipeline.stepfunctions.list_executions(
            stateMachineArn=pipeline.outputs["StateMachineArn"], statusFilter="RUNNING"
        )
        looks.append(Look(len(running["executions"]), pipeline.waiting("UploadQueueUrl")))
        records = pipeline.records(versions)
        done = sum(record.get("status") in FINAL for record in records.values())
        if sys.stdout.isatty():
            print(f"\r  {done}/{len(versions)} ended, {looks[-1].waiting} messages waiting ", end="", flush=True)
        if done == len(versions) and pipeline.waiting("UploadQueueUrl") == 0:
            break
        time.sleep(0.5)
    print(f"\r  {done}/{len(versions)} ended, {looks[-1].waiting} messages waiting ", flush=True)
    return looks


if __name__ == "__main__":
    sys.exit(main())
