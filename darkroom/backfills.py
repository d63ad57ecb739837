"""A stack's backfill: the listing of its sources (a Distributed Map), and the queue of what that has asked for.

A run of the listing has a name, an execution and an item in JobsTable with its figures. A *count* is a run that asks
for nothing. One backfill at a time: the item LATEST names the last one.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from darkroom import costs, intake, records
from darkroom.costs import prices
from darkroom.project import CommandError
from darkroom.stack import Stack

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

FIGURES = (
    "batches",
    "listed",
    "bytes",
    "standing",
    "archived",
    "no_source",
    "sent",
    "sent_bytes",
    "outputs",
    "intermediates",
    "over",
)
CHILDREN = 4  # of the Map at a time, and so BackfillFunction
CHILD_GB_SECONDS = 1.0  # of BackfillFunction for a batch: a second with 1 GB
LISTED_PER_REQUEST = 1000
PER_IMAGE = 2  # functions at once for an image in flight: ResizeFunction and FilterFunction


@dataclass(frozen=True)
class Backfill:
    """A run: a count, or a backfill. `most`: photos that it may ask for, 0 without a bound.

    `inherited`: messages that an earlier one has left in the queue.
    """

    name: str
    prefix: str
    sends: bool
    most: int
    started_at: str  # moment
    inherited: int = 0
    stopped: bool = False
    figures: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, figure: str) -> int:
        return self.figures.get(figure, 0)


@dataclass(frozen=True)
class Expected:
    """What making the sets of `images` photos takes, the look at all objects included."""

    images: int
    dollars: float
    requests: Mapping[str, float]  # by service.Operation
    seconds: float


@dataclass(frozen=True)
class Progress:
    """How far a backfill is."""

    run: Backfill
    listing: str  # the status of the Map's execution
    waiting: int
    in_flight: int
    failed: int  # jobs, since it began

    @property
    def done(self) -> int:
        """Of the photos that were asked for; about, as SQS counts."""
        return max(0, self.run.inherited + self.run["sent"] - self.waiting - self.in_flight)

    @property
    def is_over(self) -> bool:
        return self.listing != "RUNNING" and self.waiting + self.in_flight == 0


def start(stack: Stack, prefix: str, *, sends: bool, most: int = 0) -> Backfill:
    """Start a run over the sources whose keys begin with `prefix`. Raises CommandError if another has just begun."""
    moment = datetime.now(UTC)
    name = f"{moment:%Y-%m-%dT%H-%M-%S}-{secrets.token_hex(3)}"
    began = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    inherited = sum(intake.waiting(intake.queue(stack, intake.BACKFILLS))) if sends else 0
    run = Backfill(name, prefix, sends, most, began, inherited)
    facts = {"prefix": prefix, "sends": sends, "most": most, "started_at": began, "inherited": inherited}
    before = _latest(stack)
    records.put_backfill(stack, name, facts)
    if sends and not records.claim_backfill(stack, name, before):
        raise CommandError("another backfill has begun at this moment: watch it with `backfill`")
    told = {"prefix": prefix, "run": {"name": name, "sends": sends, "most": most}}
    _states(stack).start_execution(
        stateMachineArn=stack.outputs["BackfillStateMachineArn"], name=name, input=json.dumps(told)
    )
    return run


def read(stack: Stack, name: str) -> Backfill:
    """A run with its figures as they are now."""
    item = records.backfill(stack, name)
    return Backfill(
        name,
        str(item.get("prefix", "")),
        bool(item.get("sends")),
        int(item.get("most", 0)),
        str(item.get("started_at", "")),
        int(item.get("inherited", 0)),
        bool(item.get("stopped")),
        {figure: int(item.get(figure, 0)) for figure in FIGURES},
    )


def latest(stack: Stack) -> Backfill | None:
    """The backfill that was started last, over or not."""
    name = _latest(stack)
    return read(stack, name) if name else None


def under_way(stack: Stack) -> Backfill | None:
    """The backfill that lists, or whose photos wait, unless it was stopped."""
    run = latest(stack)
    if run is None or run.stopped:
        return None
    if listing(stack, run) == "RUNNING" or not intake.is_idle(stack, intake.BACKFILLS):
        return run
    return None


def listing(stack: Stack, run: Backfill) -> str:
    """The status of the run's execution; NOT_STARTED if it has none."""
    client = _states(stack)
    try:
        return client.describe_execution(executionArn=_execution(stack, run))["status"]
    except client.exceptions.ExecutionDoesNotExist:
        return "NOT_STARTED"


def not_compared(stack: Stack, run: Backfill) -> int:
    """Objects of batches that failed for good."""
    client = _states(stack)
    found = client.list_map_runs(executionArn=_execution(stack, run))["mapRuns"]
    counts = [client.describe_map_run(mapRunArn=each["mapRunArn"])["itemCounts"] for each in found]
    return sum(each["failed"] + each["timedOut"] for each in counts)


def progress(stack: Stack, run: Backfill, most_failed: int) -> Progress:
    """How far a backfill is; no more than `most_failed` + 1 FAILED jobs are counted."""
    state = listing(stack, run)  # first: once it is over, no figure changes
    current = read(stack, run.name)
    waiting, in_flight = intake.waiting(intake.queue(stack, intake.BACKFILLS))
    failed = records.failed_since(stack, run.started_at, run.prefix, most_failed)
    return Progress(current, state, waiting, in_flight, failed)


def stop(stack: Stack, run: Backfill) -> None:
    """End the listing of a run. What it has asked for stays in the queue."""
    records.stop_backfill(stack, run.name)
    try:
        _states(stack).stop_execution(executionArn=_execution(stack, run), cause="stopped by an operator")
    except ClientError as error:  # over, or never started
        if error.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "ValidationException"):
            raise


def expect(stack: Stack, counted: Backfill, images: int, triggers: int) -> Expected:
    """What it takes to make `images` of the photos that a count has found. Raises CommandError without prices."""
    region = pricing_region(stack)
    found = max(counted["sent"], 1)
    each = costs.estimate(
        images,
        counted["outputs"] / found,
        counted["intermediates"] / found,
        region,
        stack.parameters.get("WorkflowType", "STANDARD"),
    )
    requests = dict(each.requests)
    look = _look(counted)
    for name, number in look.items():
        requests[name] = requests.get(name, 0.0) + number
    at_once = triggers * int(stack.parameters.get("BatchSize", "2"))
    dollars = each.dollars + _look_dollars(counted, look, region, stack)
    return Expected(images, dollars, requests, images * each.seconds / at_once)


def affordable(stack: Stack, counted: Backfill, dollars: float) -> int:
    """How many of the counted photos can be made for so many dollars."""
    least, most = 0, counted["sent"]
    while least < most:
        middle = math.ceil((least + most) / 2)
        if expect(stack, counted, middle, 1).dollars <= dollars:
            least = middle
        else:
            most = middle - 1
    return least


def pricing_region(stack: Stack) -> str:
    """The region whose prices count: the stack's, or for a local one the first of the table."""
    return prices.REGION if stack.endpoint else stack.region


def functions_at_once(stack: Stack, triggers: int) -> int:
    """The most functions that uploads and a backfill with so many triggers run at a time."""
    batch = int(stack.parameters.get("BatchSize", "2"))
    all_triggers = triggers + int(stack.parameters.get("MaximumConcurrency", "2"))
    return all_triggers * (1 + batch * PER_IMAGE) + CHILDREN


def _look(counted: Backfill) -> dict[str, float]:
    """The requests of a look at all objects, but for the message about each photo: it is one of an image's requests."""
    batches = max(counted["batches"], 1)
    return {
        "lambda.Invoke": batches,
        "dynamodb.UpdateItem": batches,
        "s3.GetObject": counted["listed"] - counted["no_source"],
        "s3.ListObjectsV2": math.ceil(counted["listed"] / LISTED_PER_REQUEST),
    }


def _look_dollars(counted: Backfill, look: Mapping[str, float], region: str, stack: Stack) -> float:
    """What a look costs: its requests, BackfillFunction, and a transition and an EXPRESS run a batch."""
    table = prices.load(region)
    millions = {
        "lambda_requests_million": look["lambda.Invoke"],
        "states_transitions_million": look["lambda.Invoke"],
        "states_express_requests_million": look["lambda.Invoke"],
        "dynamodb_writes_million": look["dynamodb.UpdateItem"],
        "s3_get_million": look["s3.GetObject"],
        "s3_put_list_million": look["s3.ListObjectsV2"],
    }
    compute = table[f"lambda_gb_second_{stack.parameters.get('Architecture', 'arm64')}"]
    return sum(table[name] * number / 1e6 for name, number in millions.items()) + (
        counted["batches"] * CHILD_GB_SECONDS * compute
    )


def _latest(stack: Stack) -> str:
    return str(records.backfill(stack, records.LATEST).get("run", ""))


def _states(stack: Stack) -> SFNClient:
    client: SFNClient = stack.client("stepfunctions")
    return client


def _execution(stack: Stack, run: Backfill) -> str:
    return stack.outputs["BackfillStateMachineArn"].replace(":stateMachine:", ":execution:") + f":{run.name}"


def summary(run: Backfill) -> dict[str, Any]:
    """A run as a script reads it."""
    return {"run": run.name, "prefix": run.prefix, **run.figures}
