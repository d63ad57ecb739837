"""A backfill under test: its command as a process that can be killed, and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

from darkroom import backfills
from darkroom.project import ROOT
from tests.workflow.pipeline import Pipeline

COMMAND = "import sys; from darkroom.cli import main; sys.exit(main())"


class Command:
    """`bin/darkroom backfill` in a process of its own."""

    def __init__(self, pipeline: Pipeline, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "--stack", pipeline.stack.name, "backfill", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill(self) -> None:
        """By SIGKILL: it has no last word."""
        self.process.kill()
        self.process.communicate()

    def end(self, seconds: float = 600) -> tuple[int, str, str]:
        """Its exit code, what it has printed and what it has told the operator, once it has ended."""
        printed, said = self.process.communicate(timeout=seconds)
        return self.process.returncode, printed, said


def report(pipeline: Pipeline, *arguments: str) -> dict[str, Any]:
    """What `bin/darkroom backfill … --json` says."""
    code, printed, said = Command(pipeline, *arguments, "--json").end()
    assert code == 0, printed + said
    document: dict[str, Any] = json.loads(printed)
    return document


def stop_listing(pipeline: Pipeline) -> None:
    """As StopExecution ends a Map and its children on AWS. The emulator's children go on, until the mark stops them."""
    run = backfills.latest(pipeline.stack)
    if run:
        backfills.stop(pipeline.stack, run)


def figures(pipeline: Pipeline) -> backfills.Backfill | None:
    """The last backfill as it is now."""
    return backfills.latest(pipeline.stack)


def succeeded(pipeline: Pipeline, versions: dict[str, str]) -> int:
    return sum(record.get("status") == "SUCCEEDED" for record in pipeline.records(versions).values())


def runs(pipeline: Pipeline) -> Counter[str]:
    """The number of executions so far, by job."""
    pages = pipeline.stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=pipeline.outputs["StateMachineArn"]
    )
    return Counter(each["name"].partition("-")[0] for page in pages for each in page["executions"])
