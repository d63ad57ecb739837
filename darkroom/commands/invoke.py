"""Run one deployed function with a sample event.

The events in events/ name the buckets `darkroom-source` and `darkroom-output`; the stack's own take their place, as its
SourcePrefix takes that of raw/. A source that an event names gets its real version, etag and size. On a local stack, a
missing source is generated and uploaded first. The pipeline takes it up like any upload: the function runs once that
job is over, or it would meet the lease and the record of the running one. Earlier states' output is made too: the
intermediates of OptimizeFunction, and the open record that it and NotifyFunction ask for.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import re
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from darkroom import intake, records, samples
from darkroom.project import ROOT, CommandError, typed_path
from darkroom.stack import Stack
from darkroom.terminal import printable_lines

SOURCE, OUTPUT = "darkroom-source", "darkroom-output"
PATIENCE_SECONDS = 30.0  # of a generated photo's own job, which takes a few
POLL_SECONDS = 0.25


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("invoke", help="run one function with a sample event")
    parser.add_argument("function", metavar="FUNCTION", help="its id in the template, such as ValidateFunction")
    event = "the event (default: the function's sample in events/)"
    parser.add_argument("-e", "--event", type=typed_path, metavar="FILE", help=event)
    parser.add_argument("-l", "--log", action="store_true", help="show the function's log too, on stderr")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the function's answer as JSON. Raises CommandError if the function raised."""
    stack = Stack.open(args.stack, aws=args.aws)
    event = read_event(args.event, stack) if args.event else sample_event(stack, args.function)
    if stack.endpoint:
        _prepare(stack, args.function, event)
    answer = _invoke(stack, args.function, event)
    payload = json.load(answer["Payload"])
    if args.log:
        print(printable_lines(base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")), file=sys.stderr)
    print(json.dumps(payload, indent=2, ensure_ascii=False))
    if "FunctionError" in answer:
        raise CommandError(f"{args.function} raised {payload.get('errorType')}: {payload.get('errorMessage')}")
    return 0


def sample_event(stack: Stack, function: str) -> Any:
    """The event in events/ with the name of the function's folder, adapted to the stack."""
    client = stack.client("lambda")
    handler = client.get_function_configuration(FunctionName=function_name(stack, function))["Handler"]
    return read_event(ROOT / "events" / f"{handler.partition('.')[0]}.json", stack)


def function_name(stack: Stack, logical_id: str) -> str:
    """The deployed name of the function `logical_id`. Raises CommandError, with the choices, if there is none."""
    try:
        return stack.outputs[f"{logical_id}Name"]
    except KeyError:
        known = sorted(name.removesuffix("Name") for name in stack.outputs if name.endswith("FunctionName"))
        raise CommandError(f"there is no function {logical_id!r}: the stack has {', '.join(known)}") from None


def read_event(path: Path, stack: Stack) -> Any:
    """The event in a file, adapted to the stack: see the module's docstring."""
    try:
        event = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"the event cannot be read: {error.strerror}: {path}") from None
    except ValueError as error:
        raise CommandError(f"{path} is not JSON: {error}") from None
    text = json.dumps(_with_real_sources(event, stack))
    for sample, output in ((SOURCE, "SourceBucketName"), (OUTPUT, "OutputBucketName")):
        text = re.sub(rf"(?<![\w.-]){sample}(?![\w.-])", stack.outputs[output], text)
    return json.loads(text)


def _invoke(stack: Stack, function: str, event: Any) -> Any:
    name = function_name(stack, function)
    return stack.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")


def _prepare(stack: Stack, function: str, event: Any) -> None:
    """Run the states before `function` on their own sample events, for the objects that it reads."""
    match function, event:
        case "OptimizeFunction", {"intermediates": list()}:
            for earlier in ("ResizeFunction", "FilterFunction"):
                _invoke(stack, earlier, sample_event(stack, earlier))
            records.put_open(stack, event["job"])
        case "NotifyFunction", {"job": dict()}:
            optimize = sample_event(stack, "OptimizeFunction")
            _prepare(stack, "OptimizeFunction", optimize)
            _invoke(stack, "OptimizeFunction", optimize)
            records.put_open(stack, event["job"])


def _with_real_sources(node: Any, stack: Stack) -> Any:
    match node:
        case {"eventName": str(name), "s3": {"object": {"key": str(key)} as item} as s3} if name.startswith(
            "ObjectRemoved"
        ):
            return node | {"s3": {**s3, "object": {**item, "key": _placed(stack, key)}}}
        case {"bucket": str(bucket), "key": str(key)} if bucket == SOURCE:
            key = _placed(stack, key)
            version, etag, size = _source(stack, key)
            return node | {"key": key, "version_id": version, "etag": etag, "size": size}
        case {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as item} if bucket == SOURCE:
            key = _placed(stack, key)
            version, etag, size = _source(stack, unquote_plus(key))
            return node | {"object": {**item, "key": key, "versionId": version, "eTag": etag, "size": size}}
        case {"Key": str(key), "Etag": str(), "Size": int()}:  # as a Distributed Map lists it
            key = _placed(stack, key)
            _, etag, size = _source(stack, key)
            return node | {"Key": key, "Etag": f'"{etag}"', "Size": size}
        case {"body": str(body), **others}:  # an SQS message
            with contextlib.suppress(ValueError):  # not JSON: for the trigger to refuse
                body = json.dumps(_with_real_sources(json.loads(body), stack))
            return {**_with_real_sources(others, stack), "body": body}
        case dict():
            return {name: _with_real_sources(value, stack) for name, value in node.items()}
        case list():
            return [_with_real_sources(value, stack) for value in node]
    return node


def _placed(stack: Stack, key: str) -> str:
    """A sample event's key below the stack's prefix, which has no character that events encode."""
    if not key.startswith(records.DEFAULT_PREFIX):
        return key
    return records.source_prefix(stack) + key.removeprefix(records.DEFAULT_PREFIX)


def _source(stack: Stack, key: str) -> tuple[str, str, int]:
    """Version id, etag and size of a source; if a local stack has none, it gets a generated photo."""
    s3, bucket = stack.client("s3"), stack.outputs["SourceBucketName"]
    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        if stack.endpoint is None:
            raise CommandError(f"the event is about {key}, which is not in {bucket}: upload it first") from None
        s3.put_object(Bucket=bucket, Key=key, Body=samples.photo(1600, 1200, seed=1), ContentType="image/jpeg")
        head = s3.head_object(Bucket=bucket, Key=key)
        _await_its_job(stack, key, head.get("VersionId", "null"))
    return head.get("VersionId", "null"), head["ETag"].strip('"'), head["ContentLength"]


def _await_its_job(stack: Stack, key: str, version: str) -> None:
    """Wait until the pipeline has finished with an upload; not if it takes none, and not for ever if it is broken."""
    if intake.is_paused(stack):
        return
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        record = records.read(stack, (key, records.record_item(version)))
        # The record is closed before the trigger lets go of the key; its message is deleted after that.
        if record.get("status") in records.FINAL and intake.is_idle(stack):
            return
        time.sleep(POLL_SECONDS)
    print(f"{key} was uploaded, but its own job has not ended: it may be in the way.", file=sys.stderr)
