"""What a stack on AWS used: read from CloudWatch's metrics and, for requests, from the functions' stage lines.

Lambda's poller: a ReceiveMessage for each empty receive and for each invocation of the trigger, which also has its
messages deleted by one request. The topics' key is asked twice in five minutes at most, for $0.05 a month: that is left
out. Reads of a source that a KMS key encrypts are counted.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from darkroom.costs.local import READERS, workflow_log
from darkroom.costs.usage import MB_PER_GB, REQUESTS, STAGES, Usage, transitions
from darkroom.project import CommandError
from darkroom.stack import Stack

HOUR, DAY = 3600, 86400
QUERIES_AT_ONCE = 500  # GetMetricData's limit
PATIENCE_SECONDS = 300.0
# Requests by the functions themselves: their names as fields of a query.
_FIELDS = {name.replace(".", "_"): name for name in REQUESTS}


def read(stack: Stack, since: float) -> Usage:
    """What was used from `since` (epoch seconds) on. Raises CommandError if the logs cannot be queried in time."""
    configurations = {
        stage: stack.client("lambda").get_function_configuration(FunctionName=stack.outputs[output])
        for output, stage in STAGES.items()
        if output in stack.outputs
    }
    groups = [each["LoggingConfig"]["LogGroup"] for each in configurations.values()]
    sums = _sums(stack, since, _wanted(stack, configurations, groups))
    requests, ran, failed, sources = _from_logs(stack, since, groups)
    batches = sums["Invocations", "Trigger"]
    sent = sum(amount for (name, _), amount in sums.items() if name == "NumberOfMessagesSent")
    empty = sum(amount for (name, _), amount in sums.items() if name == "NumberOfEmptyReceives")
    requests["lambda.Invoke"] = sum(sums["Invocations", stage] for stage in configurations)
    requests["sqs.ReceiveMessage"] += batches + empty
    requests["sqs.DeleteMessageBatch"] += batches
    requests["sqs.SendMessage"] = max(sent, requests["sqs.SendMessage"])
    if stack.parameters.get("ExistingSourceBucket"):
        requests["events.Event"] += sent
    if stack.parameters.get("SourceKmsKeyArn"):
        requests["kms.Decrypt"] += sources
    express = stack.parameters.get("WorkflowType") == "EXPRESS"
    # CloudWatch sums a run's billed milliseconds; each of our runs is billed 64 MB.
    billed = sums["ExpressExecutionBilledDuration", "pipeline"] / 1000
    return Usage(
        images=sum(amount for (name, _), amount in sums.items() if name == "Images"),
        workflow_type="EXPRESS" if express else "STANDARD",
        architecture=stack.parameters.get("Architecture", "arm64"),
        requests=dict(requests),
        gb_seconds={
            stage: sums["Duration", stage] / 1000 * each["MemorySize"] / MB_PER_GB
            for stage, each in configurations.items()
        },
        transitions=0.0 if express else transitions(ran, failed),
        express_gb_seconds=billed * 64 / MB_PER_GB if express else 0.0,
        dynamodb_writes=sum(amount for (name, _), amount in sums.items() if name == "ConsumedWriteCapacityUnits"),
        dynamodb_reads=sum(amount for (name, _), amount in sums.items() if name == "ConsumedReadCapacityUnits"),
        log_bytes=sum(amount for (name, _), amount in sums.items() if name == "IncomingBytes"),
    )


def metrics(stack: Stack) -> int:
    """How many metrics the stack sends: those that CloudWatch had within two weeks."""
    pages = stack.client("cloudwatch").get_paginator("list_metrics")
    found = pages.paginate(Namespace="Darkroom", Dimensions=[{"Name": "service", "Value": stack.name}])
    return sum(len(page["Metrics"]) for page in found)


# (metric, about what) → namespace and dimensions.
Wanted = dict[tuple[str, str], tuple[str, dict[str, str]]]


def _wanted(stack: Stack, configurations: Mapping[str, Any], groups: list[str]) -> Wanted:
    wanted: Wanted = {}
    for stage, each in configurations.items():
        for metric in ("Invocations", "Duration"):
            wanted[metric, stage] = "AWS/Lambda", {"FunctionName": each["FunctionName"]}
    for output in ("UploadQueueUrl", "BackfillQueueUrl"):
        if url := stack.outputs.get(output):
            for metric in ("NumberOfMessagesSent", "NumberOfEmptyReceives"):
                wanted[metric, output] = "AWS/SQS", {"QueueName": url.rpartition("/")[2]}
    table = {"TableName": stack.outputs["JobsTableName"]}
    for metric in ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"):
        wanted[metric, "table"] = "AWS/DynamoDB", table
        wanted[metric, "index"] = "AWS/DynamoDB", {**table, "GlobalSecondaryIndexName": "by_status"}
    for group in [*groups, workflow_log(stack)]:
        wanted["IncomingBytes", group] = "AWS/Logs", {"LogGroupName": group}
    machine = {"StateMachineArn": stack.outputs["StateMachineArn"]}
    wanted["ExpressExecutionBilledDuration", "pipeline"] = "AWS/States", machine
    for status in ("SUCCEEDED", "REJECTED", "FAILED"):
        wanted["Images", status] = "Darkroom", {"service": stack.name, "status": status}
    return wanted


def _sums(stack: Stack, since: float, wanted: Wanted) -> dict[tuple[str, str], float]:
    """The sum of each metric."""
    names = list(wanted)
    # CloudWatch keeps minutes for 15 days and hours for 15 months.
    period = HOUR if time.time() - since > DAY else 60
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                },
                "Period": period,
                "Stat": "Sum",
            },
        }
        for number, ((name, _), (namespace, dimensions)) in enumerate(wanted.items())
    ]
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        pages = stack.client("cloudwatch").get_paginator("get_metric_data")
        for page in pages.paginate(
            MetricDataQueries=queries[start : start + QUERIES_AT_ONCE],
            StartTime=datetime.fromtimestamp(since // period * period, UTC),
            EndTime=datetime.now(UTC),
        ):
            for found in page["MetricDataResults"]:
                sums[names[int(found["Id"][1:])]] += sum(found["Values"])
    return sums


def _from_logs(
    stack: Stack, since: float, groups: list[str]
) -> tuple[dict[str, float], dict[str, float], dict[str, float], float]:
    """From the stage lines: requests by name; invocations and failed ones by stage; and reads of sources."""
    requests: dict[str, float] = defaultdict(float)
    ran: dict[str, float] = defaultdict(float)
    failed: dict[str, float] = defaultdict(float)
    sources = 0.0
    for row in _query(stack, since, groups):
        stage = row["stage"]
        ran[stage] += float(row["lines"])
        failed[stage] += float(row.get("broken") or 0)
        found = {_FIELDS[name]: float(value) for name, value in row.items() if name in _FIELDS and value}
        for request, amount in found.items():
            requests[request] += amount
        if stage in READERS:
            sources += found.get("s3.GetObject", 0)
    return requests, ran, failed, sources


def query() -> str:
    """The query of Logs Insights. It reads the names by patterns, as a name with a dot in it is no field there."""
    parts = ['filter @message like /"stage":/', 'parse @message /"stage":"(?<stage>[^"]+)"/']
    parts.append('parse @message /"failed":"(?<failed>[^"]+)"/')
    for name, request in _FIELDS.items():
        pattern = request.replace(".", r"\.")
        parts.append(f'parse @message /"{pattern}":(?<n_{name}>\\d+)/')
    sums = ", ".join(f"sum(n_{name}) as {name}" for name in _FIELDS)
    return " | ".join([*parts, f"stats count(*) as lines, count(failed) as broken, {sums} by stage"])


def _query(stack: Stack, since: float, groups: list[str]) -> Iterator[dict[str, str]]:
    logs = stack.client("logs")
    started = logs.start_query(
        logGroupNames=sorted(set(groups)), startTime=int(since), endTime=int(time.time()), queryString=query()
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := logs.get_query_results(queryId=started["queryId"]))["status"] in ("Scheduled", "Running"):
        if time.monotonic() > deadline:
            raise CommandError("the logs could not be read within five minutes: ask for fewer hours with --hours")
        time.sleep(1)
    if answer["status"] != "Complete":
        raise CommandError(f"the query of the logs ended as {answer['status']}: ask for fewer hours with --hours")
    for row in answer["results"]:
        yield {cell["field"]: cell["value"] for cell in row}
