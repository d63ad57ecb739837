"""Runs a function's real handler, with the next fault that a test has laid out for it: see pipeline.Faults.

The functions of a stack under test have this as their handler, REAL_MODULE names theirs, FAULTS the folder of faults,
RECIPES a file in place of recipes.json. BUSY_SECONDS, if the trigger has it, is in place of its constant. Each request
to AWS, with the SDK's further tries, is a line in the folder of requests: see pipeline.Faults.requests.
"""

import importlib
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.exceptions import ClientError

MODULE = os.environ["REAL_MODULE"]
FAULTS = Path(os.environ["FAULTS"], MODULE.partition(".")[0])
REQUESTS = Path(os.environ["FAULTS"], "requests")

if os.environ["RECIPES"]:
    from pipeline import recipes

    recipes.load.__defaults__ = (Path(os.environ["RECIPES"]),)

if "BUSY_SECONDS" in os.environ:
    from trigger import reconcile

    reconcile.BUSY_SECONDS = tuple(map(float, os.environ["BUSY_SECONDS"].split(",")))

# What AWS answers to one call too many, or while it is unavailable: code and HTTP status.
REFUSALS = {
    "unavailable": ("SlowDown", 503),
    "throttled": ("ProvisionedThroughputExceededException", 400),
    "slowed": ("ThrottlingException", 400),
    "limited": ("ExecutionLimitExceeded", 400),
}


_get_response = Endpoint._get_response


def _counted(endpoint: Any, request: Any, operation: Any, *others: Any) -> Any:
    if REQUESTS.is_dir():
        with (REQUESTS / str(os.getpid())).open("a", encoding="utf-8") as lines:
            lines.write(f"{operation.service_model.service_name}.{operation.name}\n")
    return _get_response(endpoint, request, operation, *others)


Endpoint._get_response = _counted


def lambda_handler(event: Any, context: Any) -> Any:
    fault = _next(json.dumps(event))
    with _met(fault) if fault else _nothing():
        return importlib.import_module(MODULE).lambda_handler(event, context)


def _next(event: str) -> dict[str, Any] | None:
    """The oldest fault for this event. The process that removes its file first meets it."""
    for path in sorted(FAULTS.glob("*.json")):
        try:
            fault: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if fault["when"] in event:
                if not fault["stays"]:
                    path.unlink()
                return fault
        except FileNotFoundError:
            continue
    return None


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _met(fault: dict[str, Any]) -> Iterator[None]:
    """Meet the fault now or, with `at`, before or after the nth call of an AWS operation: ["PutObject", 3, "after"]."""
    if fault["at"] is None:
        _meet(fault)
        yield
        return
    operation, nth, side = fault["at"]
    calls, original = itertools.count(1), BaseClient._make_api_call

    def call(client: Any, name: str, arguments: Any) -> Any:
        hit = name == operation and next(calls) == nth
        if hit and side == "before":
            _meet(fault, name, arguments)
        answer = original(client, name, arguments)
        if hit and side == "after":
            _meet(fault, name, arguments)
        return answer

    BaseClient._make_api_call = call
    try:
        yield
    finally:
        BaseClient._make_api_call = original


def _meet(fault: dict[str, Any], operation: str = "", arguments: Any = None) -> None:
    """Do what the fault's kind says. `operation`, `arguments`: the AWS call before or after which it happens."""
    argument = fault["argument"]
    if fault["kind"] == "raise":
        raise type(argument, (Exception,), {})("a fault that a test laid out")
    if fault["kind"] in REFUSALS:
        raise _refusal(*REFUSALS[fault["kind"]], operation)
    if fault["kind"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault["kind"] == "timeout":
        time.sleep(3600)  # longer than any timeout
    if fault["kind"] == "abort":
        _stop(arguments["stateMachineArn"].replace(":stateMachine:", ":execution:") + ":" + arguments["name"])
    if fault["kind"] == "exit":
        os._exit(int(argument))
    if fault["kind"] == "exit after":
        threading.Timer(float(argument), os._exit, (1,)).start()
    if fault["kind"] == "sleep":
        time.sleep(float(argument))


def _refusal(code: str, status: int, operation: str) -> ClientError:
    """The error that the SDK raises after its last try."""
    answer = {"Error": {"Code": code, "Message": "laid out"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)  # type: ignore[arg-type]


def _stop(execution: str) -> None:
    """Stop an execution as an administrator: no function may."""
    administrator = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    boto3.client("stepfunctions", **administrator).stop_execution(executionArn=execution)
