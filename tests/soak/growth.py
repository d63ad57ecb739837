"""What an image costs a stack that has had a hundred, a thousand and five thousand of them.

One stack, EXPRESS: its trigger does not poll, so the number of its requests does not depend on how long a run takes.
Its time does depend on the emulator, which keeps in memory all that it ever did. So the processor time of its
own process is told apart from that of the functions' workers.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bars import Bar, at_least
from darkroom.local import state
from tests.workflow.pipeline import Pipeline, picture

CHUNK = 50  # uploads; at most twice as many wait
WARM = 16  # uploads before, so that the functions run
STEPS = (100, 1000, 5000)  # uploads in all
PARAMETERS = {"WorkflowType": "EXPRESS", "BatchSize": "4", "MaximumConcurrency": "2"}
HASTE = {"HEARTBEAT_SECONDS": "60"}  # only the first beat of each message: the others depend on the time
FUNCTIONS = ("Trigger", "Validate", "Resize", "Filter", "Optimize", "Notify")
TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True)
class Usage:
    """What a local stack has used: seconds on processors since its start, bytes in memory now."""

    emulator_seconds: float
    workers_seconds: float
    emulator_bytes: int
    workers_bytes: int


@dataclass(frozen=True)
class Step:
    """The uploads of one step, and what they took."""

    images: int
    seconds: float
    emulator_seconds: float  # on processors, as the next one
    workers_seconds: float
    requests: Counter[str]  # of all its images: {"s3.PutObject": 1400, ...}
    emulator_bytes: int  # in memory, at its end

    def each(self, name: str) -> float:
        """Requests of one kind per image, in hundredths: an emulator that handed out a message twice is no growth."""
        return round(self.requests[name] / self.images, 2)


def measure(pipeline: Pipeline, steps: tuple[int, ...] = STEPS) -> list[Bar]:
    """Upload up to each of `steps`, three numbers, and compare the steps."""
    done: list[Step] = []
    versions: dict[str, str] = {}
    _upload(pipeline, [f"raw/warm-{number}.jpg" for number in range(WARM)])
    print("  uploads   s/image   on processors: functions + emulator   requests/image   in memory: emulator, functions")
    for before, until in zip((0, *steps), steps, strict=False):
        moment, begun, usage = time.time(), time.monotonic(), _usage(pipeline)
        versions |= _upload(pipeline, [f"raw/{number}.jpg" for number in range(before, until)])
        seconds, now = time.monotonic() - begun, _usage(pipeline)
        time.sleep(3)  # the last lines are on their way to the log
        step = Step(
            until - before,
            seconds,
            now.emulator_seconds - usage.emulator_seconds,
            now.workers_seconds - usage.workers_seconds,
            _requests(pipeline, moment),
            now.emulator_bytes,
        )
        done.append(step)
        print(
            f"  {until:7}   {seconds / step.images:7.3f}   {step.workers_seconds / step.images:23.3f} + "
            f"{step.emulator_seconds / step.images:.3f}   {step.requests.total() / step.images:20.2f}   "
            f"{now.emulator_bytes / 1e6:17.0f} MB, {now.workers_bytes / 1e6:.0f} MB",
            flush=True,
        )
    first, second, third = done
    print("  requests of one image:", json.dumps({name: third.each(name) for name in sorted(third.requests)}))
    finished = sum(record.get("status") == "SUCCEEDED" for record in pipeline.records(versions).values())
    differ = [_spread([step.each(name) for step in (first, second, third)]) for name in third.requests]
    both = third.emulator_seconds + third.workers_seconds
    return [
        Bar("growth.uploads", finished, steps[-1], at_least),
        Bar("growth.dead_letters", len(pipeline.dead_letters()), 0),
        Bar("growth.requests_per_image", third.requests.total() / third.images if third.requests else None, 50),
        # By how much the number of any kind of request per image differs between any two steps.
        Bar("growth.requests_differ", max(differ) if differ else None, 0.02),
        Bar("growth.seconds_later_to_sooner", _ratio(second, third, lambda step: step.seconds), 1.15),
        Bar("growth.functions_cpu_later_to_sooner", _ratio(second, third, lambda step: step.workers_seconds), 1.15),
        Bar("growth.emulator_share_of_cpu", third.emulator_seconds / both, 0.6),
        Bar("growth.emulator_bytes_per_image", (third.emulator_bytes - second.emulator_bytes) / third.images, 300_000),
    ]


def _upload(pipeline: Pipeline, keys: list[str]) -> dict[str, str]:
    """Upload one picture after the other, as fast as they are done. Returns their versions by key.

    The queue is never empty, and never long: the emulator walks through all its messages for each that it hands out.
    """
    body, versions = picture(size=(64, 48)), {}
    for number, key in enumerate(keys):
        versions[key] = pipeline.upload(key, body)
        while number % CHUNK == CHUNK - 1 and pipeline.waiting("UploadQueueUrl") > CHUNK:
            time.sleep(0.2)
    while pipeline.waiting("UploadQueueUrl"):
        time.sleep(0.2)
    return versions


def _requests(pipeline: Pipeline, since: float) -> Counter[str]:
    """All requests of the functions since this moment, by the lines that end their invocations."""
    logs, functions = pipeline.stack.client("logs"), pipeline.stack.client("lambda")
    found: Counter[str] = Counter()
    for name in FUNCTIONS:
        configuration = functions.get_function_configuration(FunctionName=pipeline.outputs[f"{name}FunctionName"])
        group = configuration["LoggingConfig"]["LogGroup"]
        # The emulator gives 10,000 lines at most, and no next page.
        lines = logs.filter_log_events(
            logGroupName=group, startTime=int(1000 * since), filterPattern="requests", limit=10_000
        )
        for event in lines["events"]:
            if '"requests"' in event["message"]:
                found.update(json.loads(event["message"])["requests"])
    return found


def _usage(pipeline: Pipeline) -> Usage:
    group = int((state.folder(pipeline.stack.name) / "lock").read_text())
    emulator, workers = [0.0, 0], [0.0, 0]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = stat.with_name("cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) != group:
            continue
        one = emulator if b"bin/ministack" in command and b"darkroom.local.emulator" not in command else workers
        one[0] += (int(fields[11]) + int(fields[12])) / TICKS
        one[1] += int(fields[21]) * PAGE
        workers[0] += (int(fields[13]) + int(fields[14])) / TICKS  # children that have ended
    return Usage(emulator[0], workers[0], int(emulator[1]), int(workers[1]))


def _ratio(sooner: Step, later: Step, of: Callable[[Step], float]) -> float:
    """By how much a figure per image has grown from one step to the next."""
    return (of(later) / later.images) / (of(sooner) / sooner.images)


def _spread(values: list[float]) -> float:
    return max(values) - min(values)


def main(stack: Callable[..., Any], recipes: Path) -> list[Bar]:
    """On a stack of its own, which `stack` makes."""
    print(f"{' and '.join(map(str, STEPS))} uploads in all: what each takes", flush=True)
    with stack(HASTE, recipes, **PARAMETERS) as pipeline:
        return measure(pipeline)
