"""What a check sees and says, and how the failure of a look becomes a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from darkroom.project import command
from darkroom.stack import Stack, is_denied, is_gone

Level = Literal["ok", "note", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One line of the report. `remedy` says what to do. `drift`: a thing is gone, or changed outside CloudFormation.

    Drift without a remedy is mended for the whole stack at once.
    """

    level: Level
    text: str
    remedy: str = ""
    drift: bool = False


def ok(text: str) -> Finding:
    return Finding("ok", text)


def note(text: str) -> Finding:
    return Finding("note", text)


def warning(text: str, remedy: str = "") -> Finding:
    return Finding("warning", text, remedy)


def wrong(text: str, remedy: str = "") -> Finding:
    return Finding("wrong", text, remedy)


def drifted(text: str) -> Finding:
    """Something is gone or not as CloudFormation made it, and no single command mends it."""
    return Finding("wrong", text, drift=True)


@dataclass
class Patient:
    """A deployed stack under examination, and what the checks ask about it more than once."""

    stack: Stack

    @property
    def parameters(self) -> dict[str, str]:
        return self.stack.parameters

    def client(self, service: str) -> Any:
        return self.stack.client(service)

    def output(self, name: str) -> str:
        """An output of the stack; empty if its template has no such one, or its condition is false."""
        return self.stack.outputs.get(name, "")

    @cached_property
    def resources(self) -> dict[str, str]:
        """Logical → physical id of the stack's resources."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.stack.name)
        found = [summary for page in pages for summary in page["StackResourceSummaries"]]
        return {summary["LogicalResourceId"]: summary.get("PhysicalResourceId", "") for summary in found}

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in the stack's region and account."""
        return f"arn:{self.stack.partition}:{service}:{self.stack.region}:{self.stack.account}:{resource}"

    @property
    def upload_queue(self) -> str:
        """The upload queue's ARN."""
        return self.arn("sqs", self.output("UploadQueueUrl").rpartition("/")[2])

    def type(self, words: str) -> str:
        """How to type a command of ours for this stack."""
        return f"`{command(self.stack.name, aws=self.stack.endpoint is None)} {words}`"

    def aws(self, *commands: str) -> str:
        """How to type commands of the AWS CLI for this stack. For a local one, they must not reach the user's AWS."""
        region = "" if self.stack.endpoint else f" --region {self.stack.region}"
        typed = ", ".join(f"`aws {words}{region}`" for words in commands)
        return typed if region else f"{typed} (in a shell with the variables that `up` printed)"


class Check(NamedTuple):
    """`look` yields what it finds about `what`, a noun, and needs the IAM `actions`.

    `on_the_way`: if what it looks at has drifted, no photo comes through.
    """

    what: str
    look: Callable[[Patient], Iterable[Finding]]
    actions: str
    on_the_way: bool = False


def examine(checks: Iterable[Check], patient: Patient) -> Iterator[Finding]:
    """The findings of all checks. One that may not look, or finds nothing to look at, does not stop the others."""
    for check in checks:
        try:
            yield from check.look(patient)
        except ClientError as error:
            yield _of_failure(check, error)
        except BotoCoreError as error:
            yield wrong(f"{check.what}: AWS could not be asked: {error}", "`aws sts get-caller-identity`")


def _of_failure(check: Check, error: ClientError) -> Finding:
    if is_denied(error):
        return warning(f"{check.what}: not looked at: your credentials may not {check.actions}")
    if is_gone(error):
        return drifted(f"{check.what}: deleted")
    return wrong(f"{check.what}: AWS refused: {error}", "run the doctor again in a minute" if _passes(error) else "")


def _passes(error: ClientError) -> bool:
    """Whether AWS is busy or ill: later, it may answer."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    busy = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "ThroughputExceeded", "SlowDown")
    return status == 429 or status >= 500 or any(word in error.response["Error"]["Code"] for word in busy)
