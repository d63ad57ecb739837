"""Payloads of one function for AWS Lambda Power Tuning, made from real uploads: docs/TUNING.md.

What the functions write for them lies below folders of its own, `darkroom-tuning`, in the output bucket. No source has
such a key, so nothing is reconciled there. `--clear` removes it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import uuid
from typing import Any

from botocore.exceptions import ClientError

from darkroom import records
from darkroom.commands.invoke import function_name
from darkroom.project import CommandError, command
from darkroom.stack import Stack, is_gone

FUNCTIONS = ("ValidateFunction", "ResizeFunction", "FilterFunction", "OptimizeFunction")
FOLDER = "darkroom-tuning"
VERSION = "tuning"
# For so long OptimizeFunction accepts its payloads. DynamoDB removes their records after a day, S3 the intermediates.
USABLE_SECONDS, KEPT_SECONDS = 6 * 3600, 86400
LARGEST = 256 * 1024  # bytes: Step Functions takes no larger input


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("payloads", help="print payloads of a function for AWS Lambda Power Tuning")
    parser.add_argument("function", nargs="?", metavar="FUNCTION", help=f"one of {', '.join(FUNCTIONS)}")
    parser.add_argument("keys", nargs="*", metavar="KEY", help="uploads to make them from, with or without raw/")
    count = "how many of OptimizeFunction, each of which can be used once (default 10)"
    parser.add_argument("--count", type=int, default=10, metavar="N", help=count)
    parser.add_argument("--clear", action="store_true", help="remove what all payloads have made")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    if args.clear:
        print(f"{clear(stack)} objects and records were removed", file=sys.stderr)
        return 0
    if args.function not in FUNCTIONS:
        raise CommandError(f"name one of {', '.join(FUNCTIONS)}: the other functions mostly wait")
    if not args.keys or args.count < 1:
        raise CommandError("name at least one upload, and a --count of at least 1")
    made = payloads(stack, args.function, args.keys, args.count)
    text = json.dumps([{"payload": payload, "weight": 1} for payload in made], indent=2)
    print(text)
    if len(text) > LARGEST:
        print(
            "This is more than an execution's input may hold: put it into S3, and name it as payloadS3", file=sys.stderr
        )
    if args.function != "ValidateFunction":
        print(f"`{command(args.stack, aws=args.aws)} payloads --clear` removes what they make", file=sys.stderr)
    return 0


def payloads(stack: Stack, function: str, keys: list[str], count: int) -> list[dict[str, Any]]:
    """Events for a function: one per upload, or `count` of OptimizeFunction, which removes what it has read."""
    jobs = [_job(stack, records.source_key(stack, key)) for key in keys]
    if function == "ValidateFunction":
        return [{"job": job} for job in jobs]
    accepted = [_accepted(stack, job) for job in jobs]
    if function != "OptimizeFunction":
        return [{name: each[name] for name in ("job", "image", "recipe")} for each in accepted]
    made = [
        {**each, "intermediates": [_call(stack, name, each) for name in ("ResizeFunction", "FilterFunction")]}
        for each in accepted
    ]
    return [_for_once(stack, event) for event in itertools.islice(itertools.cycle(made), count)]


def clear(stack: Stack) -> int:
    """Remove all objects and records of payloads; returns their number."""
    s3, bucket, removed = stack.client("s3"), stack.outputs["OutputBucketName"], 0
    for prefix in (f"work/{FOLDER}", f"processed/{FOLDER}/"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            if found := [{"Key": each["Key"]} for each in page.get("Contents", [])]:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})
                removed += len(found)
    ours = [each for each in records.listed(stack, "PROCESSING") if each[0].startswith(_folder(stack))]
    for each in ours:
        records.remove(stack, each)
    return removed + len(ours)


def _folder(stack: Stack) -> str:
    return f"{records.source_prefix(stack)}{FOLDER}/"


def _job(stack: Stack, key: str) -> dict[str, Any]:
    """A job about an upload that nobody waits for, in the shape of a real one."""
    bucket = stack.outputs["SourceBucketName"]
    try:
        head = stack.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_gone(error):
            raise CommandError(f"{key} is not in {bucket}: name an upload that is there") from None
        raise
    source = {
        "bucket": bucket,
        "key": key,
        "version_id": head.get("VersionId", "null"),
        "etag": head["ETag"].strip('"'),
        "size": head["ContentLength"],
        "modified": head["LastModified"].strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return _renamed({"round": 1, "attempt": 1, "max_attempts": 1, "source": source, "recipe": {}})


def _renamed(job: dict[str, Any]) -> dict[str, Any]:
    """The job under an id that no other one has."""
    name = f"{FOLDER}-{uuid.uuid4().hex[:12]}"
    return {**job, "job_id": name, "execution_name": f"{name}-1-1", "deadline": int(time.time()) + USABLE_SECONDS}


def _accepted(stack: Stack, job: dict[str, Any]) -> dict[str, Any]:
    """The job with its recipe and the facts of its image, as the states after ValidateImage have them."""
    valid = _call(stack, "ValidateFunction", {"job": job})
    if not valid["valid"]:
        raise CommandError(f"{job['source']['key']} is refused: {valid['rejection']['reason']}")
    recipe = valid["recipe"]
    job = {**job, "recipe": {name: recipe[name] for name in ("name", "hash")}}
    return {"job": job, "image": valid["image"], "recipe": recipe}


def _for_once(stack: Stack, event: dict[str, Any]) -> dict[str, Any]:
    """The event about a job of its own, with intermediates of its own, and an open record that says so."""
    job = _renamed(event["job"])
    key = f"{_folder(stack)}{job['job_id']}/{job['source']['key'].rpartition('/')[2]}"
    job["source"] = {**job["source"], "key": key, "version_id": VERSION}
    s3, bucket = stack.client("s3"), stack.outputs["OutputBucketName"]
    copies = []
    for made in event["intermediates"]:
        copy = made["key"] and made["key"].replace(event["job"]["job_id"], job["job_id"])
        if copy:
            s3.copy_object(Bucket=bucket, Key=copy, CopySource={"Bucket": bucket, "Key": made["key"]})
        copies.append({**made, "key": copy})
    records.put_open(stack, job, expires_at=int(time.time()) + KEPT_SECONDS)  # type: ignore[arg-type]
    return {**event, "job": job, "intermediates": copies}


def _call(stack: Stack, function: str, event: dict[str, Any]) -> Any:
    name = function_name(stack, function)
    answer = stack.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    payload = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise CommandError(f"{function} raised {payload.get('errorType')}: {payload.get('errorMessage')}")
    return payload
