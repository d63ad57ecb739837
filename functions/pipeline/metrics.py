"""What the functions count and time: log lines that CloudWatch reads as metrics (its embedded metric format).

Each function ends an invocation with one line (`stage`), and each job ends with one (`ended`). Queries and
`bin/darkroom show` read the same lines. Metrics are few, as each costs $0.30 a month: what is different for every image
(names, moments, requests) is a plain field of its line and makes no metric.
"""

from __future__ import annotations

import functools
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from pipeline import clock

if TYPE_CHECKING:
    from botocore.config import Config

    from contracts import Job, Manifest, Status

NAMESPACE = "Darkroom"

Event = TypeVar("Event")
Context = TypeVar("Context")
Answer = TypeVar("Answer")

# Since the last `stage` line: requests, and the executions of started attempts. Appending is safe from any thread.
_sent: list[str] = []
_attempts: list[str] = []


def client(service: str, config: Config) -> Any:
    """A boto3 client whose requests are counted, with the SDK's further tries: each is paid for."""
    made = boto3.client(service, config=config)

    def note(event_name: str, **_: object) -> None:
        _sent.append(f"{service}.{event_name.rpartition('.')[2]}")

    # First: whoever answers in place of AWS, in a test, ends the event.
    made.meta.events.register_first("before-send", note, unique_id="darkroom-metrics")
    return made


def stage(name: str) -> Callable[[Callable[[Event, Context], Answer]], Callable[[Event, Context], Answer]]:
    """Decorate a handler: each invocation ends with a line that says how long the state `name` took.

    Fields: `stage`, `Seconds`, `started_at` (moment); `requests`, {"s3.PutObject": 14, …}, where those of the
    function's start count to its first invocation; of a job `job_id`, `execution_name`, `source_key`; after an
    error `failed`, its name; of the trigger `attempts`, the names of the executions that it has started. A function
    that is killed (time, memory) leaves no line.
    """

    def decorate(handler: Callable[[Event, Context], Answer]) -> Callable[[Event, Context], Answer]:
        @functools.wraps(handler)
        def timed(event: Event, context: Context) -> Answer:
            facts: dict[str, Any] = {"started_at": clock.now(), **_about(event)}
            began = time.monotonic()
            try:
                return handler(event, context)
            except Exception as error:
                facts["failed"] = type(error).__name__
                raise
            finally:
                seconds = round(time.monotonic() - began, 3)
                facts["requests"] = dict(Counter(_taken(_sent)))
                if attempts := _taken(_attempts):
                    facts["attempts"] = attempts
                _print(_directive({"Seconds": (MetricUnit.Seconds, seconds)}, stage=name), facts)

        return timed

    return decorate


def started(job: Job) -> None:
    """Note for the trigger's next line that it starts an attempt."""
    _attempts.append(job["execution_name"])


def ended(
    job: Job,
    status: Status,
    *,
    finished: Manifest | None = None,
    adopted: bool = False,
    code: str | None = None,
    reason: str | None = None,
) -> None:
    """Count a job that has ended: as SUCCEEDED with the set `finished`, REJECTED or FAILED.

    `adopted`: without a run, as the set of the same bytes stood already. Call it when the end is recorded. An end that
    two invocations record at the same time is counted twice; one whose function is killed just then, not at all.
    """
    figures: dict[str, tuple[MetricUnit, float]] = {
        "Failed": (MetricUnit.Count, int(status == "FAILED")),  # its average is the rate of failures
    }
    figures["SameBytes" if adopted else "Attempts"] = (MetricUnit.Count, 1 if adopted else job["attempt"])
    if finished and not adopted:
        figures["BytesIn"] = (MetricUnit.Bytes, finished["source"]["size"])
        figures["BytesOut"] = (MetricUnit.Bytes, sum(rendition["bytes"] for rendition in finished["renditions"]))
        if asked_at := job.get("asked_at"):
            waited = clock.epoch(finished["created_at"]) - clock.epoch(asked_at)
            figures["EndToEnd"] = (MetricUnit.Seconds, round(max(waited, 0.0), 3))
    kind = {"status": status, "code": code or "-", "recipe": job["recipe"]["name"]}
    facts = _about({"job": job}) | ({"reason": reason} if reason else {})
    _print(_directive({"Images": (MetricUnit.Count, 1)}, **kind), facts, _directive(figures))


def count(name: str, **facts: str) -> None:
    """Count one of `name`. `facts` are for queries of the log: they make no further metric."""
    _print(_directive({name: (MetricUnit.Count, 1)}), facts)


def _about(event: Any) -> dict[str, str]:
    """Whose job an event is about, if it has one."""
    job = event.get("job") if isinstance(event, dict) else None
    if not job:
        return {}
    facts = {"job_id": job["job_id"], "execution_name": job["execution_name"], "source_key": job["source"]["key"]}
    return {name: str(value) for name, value in facts.items()}


def _taken(noted: list[str]) -> list[str]:
    """What was noted since the last call."""
    taken = noted[:]
    del noted[: len(taken)]
    return taken


def _directive(figures: Mapping[str, tuple[MetricUnit, float]], **dimensions: str) -> Any:
    """Figures by name, with their units, under the dimensions `service` (the stack) and these."""
    metrics = EphemeralMetrics(namespace=NAMESPACE)  # `service` by POWERTOOLS_SERVICE_NAME
    for name, value in dimensions.items():
        metrics.add_dimension(name, value)
    for name, (unit, figure) in figures.items():
        metrics.add_metric(name, unit, figure)
    return metrics.serialize_metric_set()


def _print(line: Any, facts: Mapping[str, Any], *more: Any) -> None:
    """Print one line: metrics, those of further directives, and plain fields."""
    for other in more:
        other["_aws"]["CloudWatchMetrics"] = line["_aws"]["CloudWatchMetrics"] + other["_aws"]["CloudWatchMetrics"]
        line = {**line, **other}
    print(
        json.dumps({**facts, **line}, separators=(",", ":"))
    )  # in ASCII: a key cannot forge a line, or steer a terminal
