"""DailyImageLimit in figures: a tenth of the uploads may begin, the others wait, and all are done once it is raised."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.bars import Bar, at_least
from tests.workflow.pipeline import Pipeline, picture

UPLOADS, LIMIT = 500, 50
# Seconds that a message hides: so that each is looked at a few times, as over hours.
HASTE = {"BRAKE_SECONDS": "20,30"}
PARAMETERS = {"BatchSize": "4", "MaximumConcurrency": "2", "DailyImageLimit": str(LIMIT)}


def main(stack: Callable[..., Any], recipes: Path) -> list[Bar]:
    """On a stack of its own, which `stack` makes."""
    print(f"{UPLOADS} uploads, of which {LIMIT} may begin today", flush=True)
    with stack(HASTE, recipes, **PARAMETERS) as pipeline:
        return measure(pipeline)


def measure(pipeline: Pipeline) -> list[Bar]:
    body = picture(size=(64, 48))
    versions = {f"raw/{number}.jpg": pipeline.upload(f"raw/{number}.jpg", body) for number in range(UPLOADS)}
    _until(lambda: _looks(pipeline) >= 2 * (UPLOADS - LIMIT), 600)  # each that waits was looked at twice, on average
    runs, waiting, done = len(pipeline.started()), pipeline.waiting("UploadQueueUrl"), _succeeded(pipeline, versions)
    print(f"  {done} done, {waiting} waiting after {_looks(pipeline)} looks at them", flush=True)
    pipeline.update(DailyImageLimit=str(10 * UPLOADS))
    _until(lambda: _succeeded(pipeline, versions) == UPLOADS and not pipeline.waiting("UploadQueueUrl"), 600)
    return [
        Bar("brake.runs", runs, LIMIT),
        Bar("brake.done", done, LIMIT, at_least),
        Bar("brake.waiting", waiting, UPLOADS - LIMIT, at_least),
        Bar("brake.lost", UPLOADS - _succeeded(pipeline, versions), 0),
        Bar("brake.run_twice", len(pipeline.started()) - UPLOADS, 0),
        Bar("brake.dead_letters", len(pipeline.dead_letters()), 0),
    ]


def _looks(pipeline: Pipeline) -> int:
    """How often the limit held an upload back."""
    return pipeline.logged("TriggerFunction", "OverDailyLimit")


def _succeeded(pipeline: Pipeline, versions: dict[str, str]) -> int:
    return sum(record.get("status") == "SUCCEEDED" for record in pipeline.records(versions).values())


def _until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until it holds, for so many seconds at most: the bars say what is missing then."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(2)
