"""The way of one image, warm and alone, from its upload to its manifest: on a local stack, stage by stage."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from darkroom import intake
from darkroom.local import deploy, state
from darkroom.stack import Stack

PATIENCE_SECONDS = 60.0
# In the order of the way. "hand-off": between the functions, where the emulator or AWS works.
STAGES = (
    "hand-off: event",
    "trigger",
    "hand-off: start",
    "validate",
    "hand-off: branches",
    "branch",
    "hand-off: optimize",
    "optimize",
)
# The functions that mostly wait.
WAITING = ("trigger", "notify")
Trace = dict[str, Any]


def measure(photos: Iterable[tuple[str, bytes]], rounds: int, workflow_type: str) -> list[dict[str, float]]:
    """Upload each photo (name, bytes) `rounds` times, one after the other, to a stack of its own.

    Returns for each upload the seconds of each of STAGES, of the whole way ("all"), and of the work on it: "validate",
    "branch" (the longer one) and all of "optimize", even what follows the manifest ("optimize, whole"). Also the
    seconds that the trigger waits for the run of an EXPRESS workflow ("run"), and the CPU seconds, the peak memory
    (MB) and the number of requests of the functions in WAITING.
    """
    photos = list(photos)
    with tempfile.TemporaryDirectory() as folder:
        traces = Path(folder, "traces")
        with _stack(traces, workflow_type) as stack:
            _upload(stack, traces, "raw/warm-up.jpg", photos[0][1])
            _upload(stack, traces, "raw/warm-up-2.jpg", photos[0][1])
            return [
                _upload(stack, traces, f"raw/{round_}/{name}", body)
                for round_ in range(rounds)
                for name, body in photos
            ]


@contextmanager
def _stack(traces: Path, workflow_type: str) -> Iterator[Stack]:
    def traced(template: dict[str, Any]) -> None:
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                properties = resource["Properties"]
                variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
                variables |= {
                    "REAL_MODULE": properties["Handler"].rpartition(".")[0],
                    "TRACES": str(traces),
                    "PYTHONPATH": str(Path(__file__).parent),
                }
                properties["Handler"] = "traced.lambda_handler"

    name = f"way-{os.getpid()}"
    try:
        with deploy.running(name, parameters={"WorkflowType": workflow_type}, edit=traced) as stack:
            yield stack
    finally:
        shutil.rmtree(state.folder(name), ignore_errors=True)


def _upload(stack: Stack, traces: Path, key: str, body: bytes) -> dict[str, float]:
    traces.write_text("")
    s3 = stack.client("s3")
    began = time.time()
    s3.put_object(Bucket=stack.outputs["SourceBucketName"], Key=key, Body=body)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (intake.is_idle(stack) and '"function": "trigger"' in traces.read_text()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{key} was not finished within {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.1)
    return stages(began, [json.loads(line) for line in traces.read_text().splitlines()])


def stages(began: float, traces: list[Trace]) -> dict[str, float]:
    """The seconds of each stage of an upload that began at this moment (epoch seconds): see `measure`."""
    ran = {trace["function"]: trace for trace in traces}
    trigger, validate, optimize = ran["trigger"], ran["validate"], ran["optimize"]
    branch = max(ran["resize"], ran["filters"], key=lambda trace: float(trace["ended"]))
    started = next(each for each in trigger["requests"] if each["operation"].startswith("Start"))
    (manifest,) = [each for each in optimize["requests"] if _writes_manifest(each)]
    moments = (
        *(began, trigger["began"], started["began"]),
        *(validate["began"], validate["ended"]),
        *(branch["began"], branch["ended"]),
        *(optimize["began"], manifest["ended"]),
    )
    taken = {stage: after - before for stage, before, after in zip(STAGES, moments[:-1], moments[1:], strict=True)}
    whole = optimize["ended"] - optimize["began"]
    run = started["ended"] - started["began"]
    taken |= {"all": manifest["ended"] - began, "optimize, whole": whole, "run": run}
    for name in WAITING:
        taken |= {f"{what} of {name}": ran[name][what] for what in ("cpu", "peak")}
        taken[f"requests of {name}"] = len(ran[name]["requests"])
    return taken


def _writes_manifest(request: dict[str, Any]) -> bool:
    return request["operation"] == "PutObject" and str(request["key"]).endswith("/manifest.json")


def ratio(taken: dict[str, float]) -> float:
    """The whole way, divided by the work on the image: validate, the longer branch, optimize."""
    return taken["all"] / (taken["validate"] + taken["branch"] + taken["optimize, whole"])


def medians(measured: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in measured) for name in measured[0]}
