"""What a local stack used: read from its functions' logs, its table and its runs.

AWS counts some things that nobody here does. They follow from what is here:

* Lambda's poller: one ReceiveMessage and one DeleteMessageBatch for each invocation of the trigger. It polls an idle
  queue too: that is among the fixed costs.
* S3 sends one message for each job.
* DynamoDB: a write is one unit for each started kB of the item. A lease has less than one, a record as much as it has
  now. A read is one unit, as no item has 4 kB. The index takes one unit for an open record, one when it leaves the
  index (SUCCEEDED), two when its status changes there.
* KMS: SNS keeps a data key for five minutes, and makes and decrypts one for each five minutes with a message. Each read
  of a source is one more if the bucket has a KMS key.
* Logs: the bytes of each line, and 26 for each as CloudWatch Logs adds them.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from darkroom.costs.usage import EXPRESS_GB, MB_PER_GB, STAGES, Usage, transitions
from darkroom.records import FINAL, ITEM_PREFIX
from darkroom.stack import Stack

EVENT_BYTES = 26
DATA_KEY_SECONDS = 300
READERS = ("ValidateImage", "ResizeImage", "ApplyFilters")  # of sources
_REPORT = re.compile(r"REPORT RequestId: .*?Billed Duration: (\d+) ms\s.*?Memory Size: (\d+) MB")


@dataclass
class Function:
    """What the log of one function says."""

    durations: list[float] = field(default_factory=list)  # seconds, one an invocation
    memory: int = 0  # MB
    failed: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    published: set[int] = field(default_factory=set)  # the five minutes, counted from 1970, in which it sent messages
    metrics: set[tuple[str, ...]] = field(default_factory=set)  # each that was sent: its name, its dimensions' values
    log_bytes: int = 0


def read(stack: Stack, since: float) -> Usage:
    """What was used from `since` (epoch seconds) on."""
    logs = functions(stack, since)
    records = list(_ended(stack, since))
    requests: Counter[str] = Counter()
    for log in logs.values():
        requests += log.requests
        requests["lambda.Invoke"] += len(log.durations)
    batches = len(logs["Trigger"].durations)
    requests += Counter(
        {"sqs.ReceiveMessage": batches, "sqs.DeleteMessageBatch": batches, "sqs.SendMessage": len(records)}
    )
    if stack.parameters.get("ExistingSourceBucket"):
        requests["events.Event"] += len(records)
    windows = len(set().union(*(log.published for log in logs.values())))
    requests += Counter({"kms.GenerateDataKey": windows, "kms.Decrypt": windows})
    if stack.parameters.get("SourceKmsKeyArn"):
        requests["kms.Decrypt"] += sum(logs[stage].requests["s3.GetObject"] for stage in READERS)
    express = stack.parameters.get("WorkflowType") == "EXPRESS"
    ran = {stage: float(len(log.durations)) for stage, log in logs.items()}
    failed = {stage: float(log.failed) for stage, log in logs.items()}
    return Usage(
        images=len(records),
        workflow_type="EXPRESS" if express else "STANDARD",
        architecture=stack.parameters.get("Architecture", "arm64"),
        requests=dict(requests),
        gb_seconds={stage: sum(log.durations) * log.memory / MB_PER_GB for stage, log in logs.items() if log.durations},
        transitions=0.0 if express else transitions(ran, failed),
        express_gb_seconds=EXPRESS_GB * sum(run_seconds(stack, since)) if express else 0.0,
        dynamodb_writes=_write_units(requests, records),
        dynamodb_reads=float(requests["dynamodb.GetItem"]),
        log_bytes=sum(log.log_bytes for log in logs.values()) + _bytes(_events(stack, workflow_log(stack), since)),
    )


def functions(stack: Stack, since: float) -> dict[str, Function]:
    """The log of each function from `since` on, by stage."""
    known = {stage: stack.outputs[output] for output, stage in STAGES.items() if output in stack.outputs}
    return {stage: _function(_events(stack, log_group(stack, name), since)) for stage, name in known.items()}


def metrics(stack: Stack) -> int:
    """How many metrics the functions have sent: CloudWatch charges for each name with each value of its dimensions."""
    return len(set().union(*(log.metrics for log in functions(stack, 0).values())))


def log_group(stack: Stack, function: str) -> str:
    configuration = stack.client("lambda").get_function_configuration(FunctionName=function)
    return str(configuration["LoggingConfig"]["LogGroup"])


def workflow_log(stack: Stack) -> str:
    """The log group of the state machine, as the template names it."""
    return f"/aws/vendedlogs/states/{stack.name}-pipeline"


def run_seconds(stack: Stack, since: float) -> list[float]:
    """The duration of each run, rounded up to a tenth of a second as EXPRESS bills it."""
    pages = stack.client("stepfunctions").get_paginator("list_executions")
    found = pages.paginate(stateMachineArn=stack.outputs["StateMachineArn"])
    ended = [each for page in found for each in page["executions"] if "stopDate" in each]
    return [
        math.ceil(10 * (each["stopDate"] - each["startDate"]).total_seconds()) / 10
        for each in ended
        if each["startDate"].timestamp() >= since
    ]


def _function(events: Iterable[Mapping[str, Any]]) -> Function:
    log = Function()
    for event in events:
        message = event["message"]
        log.log_bytes += len(message.encode()) + EVENT_BYTES
        if report := _REPORT.match(message):
            log.durations.append(int(report[1]) / 1000)
            log.memory = int(report[2])
        elif message.startswith("{") and '"_aws"' in message:
            _note(log, json.loads(message))
    return log


def _note(log: Function, line: dict[str, Any]) -> None:
    """A line of metrics; that of a stage has the requests too."""
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            for names in directive["Dimensions"]:
                log.metrics.add((metric["Name"], *(str(line[name]) for name in names)))
    log.failed += "failed" in line
    log.requests.update(line.get("requests", {}))
    if line.get("requests", {}).get("sns.Publish"):
        log.published.add(line["_aws"]["Timestamp"] // 1000 // DATA_KEY_SECONDS)


def _events(stack: Stack, group: str, since: float) -> Iterator[dict[str, Any]]:
    pages = stack.client("logs").get_paginator("filter_log_events")
    for page in pages.paginate(logGroupName=group, startTime=int(since * 1000)):
        yield from page["events"]


def _bytes(events: Iterable[Mapping[str, Any]]) -> int:
    return sum(len(event["message"].encode()) + EVENT_BYTES for event in events)


def _ended(stack: Stack, since: float) -> Iterator[dict[str, Any]]:
    """The records of jobs that ended from `since` on, as DynamoDB has them. A scan: for local stacks only."""
    since_text = datetime.fromtimestamp(since, UTC).isoformat(timespec="milliseconds")
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["JobsTableName"])
    for item in (item for page in pages for item in page["Items"]):
        job = item["item"]["S"].startswith(ITEM_PREFIX) and item.get("status", {}).get("S") in FINAL
        if job and item.get("finished_at", {"S": ""})["S"] >= since_text:
            yield item


def _write_units(requests: Mapping[str, float], records: list[dict[str, Any]]) -> float:
    """A unit a write; one more for each kB beyond a record's first, at its begin and at its end; and the index."""
    writes = sum(requests.get(f"dynamodb.{name}Item", 0) for name in ("Put", "Update", "Delete"))
    large = sum(2 * (math.ceil(item_bytes(record) / 1024) - 1) for record in records)
    index = sum(2 if record["status"]["S"] == "SUCCEEDED" else 3 for record in records)
    return float(writes + large + index)


def item_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item by DynamoDB's rules: names and values in UTF-8; a number takes a byte for two digits."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return math.ceil(len(content.strip("-0.")) / 2) + 1
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_bytes(each) for name, each in content.items())
        case "L":
            return 3 + sum(1 + _value_bytes(each) for each in content)
        case _:
            return 1  # a boolean, or null
