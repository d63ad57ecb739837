"""What the functions' logs say: their lines, and the stages of a job among them."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from typing import Any

from darkroom.stack import Stack

FUNCTIONS = "FunctionName"  # what the outputs that name functions end with


def functions(stack: Stack) -> list[str]:
    """The names of the stack's functions."""
    return [name for output, name in stack.outputs.items() if output.endswith(FUNCTIONS)]


def events(stack: Stack, function: str, since: float, until: float | None = None, word: str = "") -> Iterator[Any]:
    """A function's log events between two epoch seconds, oldest first; with `word`, those that contain it."""
    configuration = stack.client("lambda").get_function_configuration(FunctionName=function)
    which: dict[str, Any] = {"filterPattern": json.dumps(word)} if word else {}
    which |= {"endTime": int(until * 1000)} if until else {}
    pages = stack.client("logs").get_paginator("filter_log_events")
    group = configuration["LoggingConfig"]["LogGroup"]
    for page in pages.paginate(logGroupName=group, startTime=int(since * 1000), **which):
        yield from page["events"]


def all_events(stack: Stack, names: list[str], since: float) -> Iterator[Any]:
    """The log events of several functions since an epoch second, oldest first."""
    return heapq.merge(*(events(stack, name, since) for name in names), key=lambda event: event["timestamp"])


def lines(stack: Stack, since: float, until: float | None = None, word: str = "") -> Iterator[dict[str, Any]]:
    """The lines of all functions that are JSON objects: stages, ends of jobs, and what the functions log."""
    for name in functions(stack):
        for event in events(stack, name, since, until, word):
            try:
                line = json.loads(event["message"])
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line


def stages(stack: Stack, job_id: str, since: float, until: float) -> list[dict[str, Any]]:
    """The stages of a job, oldest first: what each attempt did, when, and for how long.

    Each is {"stage", "started_at", "seconds", "execution_name"}, and "failed" with an error's name. That of the trigger
    has no execution_name: it may wait for several runs.
    """
    found = [line for line in lines(stack, since, until, job_id) if "stage" in line]
    return sorted(
        (
            {
                "stage": line["stage"],
                "started_at": line["started_at"],
                "seconds": line["Seconds"][0],
                **{name: line[name] for name in ("execution_name", "failed") if name in line},
            }
            for line in found
        ),
        key=lambda stage: str(stage["started_at"]),
    )


def source_of(stack: Stack, job_id: str, since: float) -> str | None:
    """The source key of a job, as its first state has logged it; None if no log names it."""
    for name in ("ValidateFunctionName", "NotifyFunctionName"):
        for event in events(stack, stack.outputs[name], since, word=job_id):
            try:
                line = json.loads(event["message"])
            except ValueError:
                continue
            if line.get("job_id") == job_id and "source_key" in line:
                return str(line["source_key"])
    return None
