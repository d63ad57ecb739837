"""What a stack used, in the units that AWS bills, and what that costs.

One shape, whoever fills it: `local` reads a local stack, `cloudwatch` one on AWS, `model` says what images will use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from darkroom.costs.prices import Prices

GB = 1e9
MB_PER_GB = 1024  # Lambda's and Step Functions' memory
EXPRESS_GB = 64 / MB_PER_GB  # a run's memory is billed in steps of 64 MB, and ours fit into one
SECONDS_PER_HOUR = 3600

# The bill's lines, in the order in which they are shown.
STATES, STORAGE, COMPUTE, WAITING, INVOCATIONS = (
    "Step Functions",
    "S3 requests",
    "Lambda compute",
    "Lambda, the trigger's wait",
    "Lambda requests",
)
TABLE, QUEUE, MESSAGES, KEYS, LOGS, EVENTS = "DynamoDB", "SQS", "SNS", "KMS", "CloudWatch Logs", "EventBridge"
LINES = (STATES, STORAGE, COMPUTE, WAITING, INVOCATIONS, TABLE, QUEUE, MESSAGES, KEYS, LOGS, EVENTS)

# Request → the line and the price of a million. None: it costs nothing, or is billed by other units than requests.
FREE = None
REQUESTS: dict[str, tuple[str, str] | None] = {
    "lambda.Invoke": (INVOCATIONS, "lambda_requests_million"),
    "s3.PutObject": (STORAGE, "s3_put_list_million"),
    "s3.ListObjectsV2": (STORAGE, "s3_put_list_million"),
    "s3.ListObjectVersions": (STORAGE, "s3_put_list_million"),
    "s3.GetObject": (STORAGE, "s3_get_million"),
    "s3.HeadObject": (STORAGE, "s3_get_million"),
    "s3.DeleteObject": FREE,
    "s3.DeleteObjects": FREE,
    "sqs.SendMessage": (QUEUE, "sqs_requests_million"),
    "sqs.SendMessageBatch": (QUEUE, "sqs_requests_million"),
    "sqs.ReceiveMessage": (QUEUE, "sqs_requests_million"),
    "sqs.DeleteMessage": (QUEUE, "sqs_requests_million"),
    "sqs.DeleteMessageBatch": (QUEUE, "sqs_requests_million"),
    "sqs.ChangeMessageVisibility": (QUEUE, "sqs_requests_million"),
    "sqs.ChangeMessageVisibilityBatch": (QUEUE, "sqs_requests_million"),
    "sns.Publish": (MESSAGES, "sns_publishes_million"),
    "kms.Decrypt": (KEYS, "kms_requests_million"),
    "kms.GenerateDataKey": (KEYS, "kms_requests_million"),
    "events.Event": (EVENTS, "events_million"),
    "dynamodb.GetItem": FREE,  # by read units
    "dynamodb.PutItem": FREE,  # by write units, as the next two
    "dynamodb.UpdateItem": FREE,
    "dynamodb.DeleteItem": FREE,
    "stepfunctions.StartExecution": FREE,  # by transitions
    "stepfunctions.StartSyncExecution": (STATES, "states_express_requests_million"),
    "stepfunctions.DescribeExecution": FREE,
}
PUTS = ("s3.PutObject",)
GETS = ("s3.GetObject", "s3.HeadObject")
LISTS = ("s3.ListObjectsV2", "s3.ListObjectVersions")

# The outputs of the stack that name its functions, and the stages of their lines in the log.
STAGES = {
    "TriggerFunctionName": "Trigger",
    "ValidateFunctionName": "ValidateImage",
    "ResizeFunctionName": "ResizeImage",
    "FilterFunctionName": "ApplyFilters",
    "OptimizeFunctionName": "OptimizeImage",
    "NotifyFunctionName": "Notify",
    "BackfillFunctionName": "Backfill",
}


@dataclass(frozen=True)
class Usage:
    """What some images used. Amounts may be fractions: a mean, or what is expected."""

    images: float = 0.0  # jobs that ended
    workflow_type: str = "STANDARD"
    architecture: str = "arm64"
    requests: Mapping[str, float] = field(default_factory=dict)  # by "service.Operation", whoever made them
    gb_seconds: Mapping[str, float] = field(default_factory=dict)  # of Lambda, by stage
    transitions: float = 0.0  # of STANDARD runs
    express_gb_seconds: float = 0.0
    dynamodb_writes: float = 0.0  # units, those of the index included
    dynamodb_reads: float = 0.0  # units
    log_bytes: float = 0.0

    def per_image(self) -> Usage:
        """The same, for one of its images. Raises ZeroDivisionError if it has none."""
        return self.times(1 / self.images)

    def times(self, factor: float) -> Usage:
        return replace(
            self,
            images=self.images * factor,
            requests={name: amount * factor for name, amount in self.requests.items()},
            gb_seconds={name: amount * factor for name, amount in self.gb_seconds.items()},
            transitions=self.transitions * factor,
            express_gb_seconds=self.express_gb_seconds * factor,
            dynamodb_writes=self.dynamodb_writes * factor,
            dynamodb_reads=self.dynamodb_reads * factor,
            log_bytes=self.log_bytes * factor,
        )

    def count(self, names: tuple[str, ...]) -> float:
        """How many of these requests were made."""
        return sum(self.requests.get(name, 0) for name in names)

    @property
    def unpriced(self) -> list[str]:
        """Requests that no line of the bill knows."""
        return sorted(self.requests.keys() - REQUESTS.keys())


def bill(usage: Usage, prices: Prices) -> dict[str, float]:
    """Dollars by line. What a month's steps of a price hold is taken from the first on, as if nothing else was used."""
    dollars = dict.fromkeys(LINES, 0.0)
    for name, amount in usage.requests.items():
        if priced := REQUESTS.get(name):
            line, price = priced
            dollars[line] += prices.of(price, amount) / 1e6
    dollars[STATES] += prices.of("states_transitions_million", usage.transitions) / 1e6
    dollars[STATES] += prices.of("states_express_gb_hour", usage.express_gb_seconds / SECONDS_PER_HOUR)
    for stage, amount in usage.gb_seconds.items():
        line = WAITING if stage == "Trigger" else COMPUTE
        dollars[line] += prices.of(f"lambda_gb_second_{usage.architecture}", amount)
    dollars[TABLE] += prices.of("dynamodb_writes_million", usage.dynamodb_writes) / 1e6
    dollars[TABLE] += prices.of("dynamodb_reads_million", usage.dynamodb_reads) / 1e6
    dollars[LOGS] += prices.of("logs_gb", usage.log_bytes / GB)
    return dollars


def transitions(ran: Mapping[str, float], failed: Mapping[str, float]) -> float:
    """The billed transitions of STANDARD runs, from how often each state's function ran and how often that failed.

    A state counts each time it ends, a retry again. Beside the functions' own there are: ImageValid? after each
    validation, ProcessImage around the branches, the end of a failed branch, and two states after NotifyError.
    """
    own = {stage: amount for stage, amount in ran.items() if stage not in ("Trigger", "Backfill")}
    ended = Counter({stage: amount - failed.get(stage, 0) for stage, amount in own.items()})
    choices = ended["ValidateImage"]
    parallel = max(ended["ResizeImage"], ended["ApplyFilters"])
    broken = failed.get("ResizeImage", 0) + failed.get("ApplyFilters", 0)
    unsuccessful = max(ended["Notify"] - ended["OptimizeImage"], 0)
    return sum(own.values()) + choices + parallel + broken + 2 * unsuccessful
