"""What a check sees and says, and how the failure of a look becomes a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from darkroom.project import command
from darkroom.stack import Stack

Level = Literal["ok", "note", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One line of the report. `remedy` says what to type; `drift`: it was changed beside CloudFormation."""

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
    """Something is not as CloudFormation made it, and no single command mends it."""
    return Finding("wrong", text, drift=True)


@dataclass
class Patient:
    """A deployed stack under examination, and what the checks ask about it more than once."""

    stack: Stack
    account: str = ""
    parameters: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.parameters = self.stack.parameters

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
        return f"arn:{self.partition}:{service}:{self.stack.region}:{self.account}:{resource}"

    @property
    def partition(self) -> str:
        """The part of AWS that the stack is in: aws, aws-cn, aws-us-gov."""
        return self.output("StateMachineArn").split(":")[1]

    @property
    def upload_queue(self) -> str:
        """The upload queue's ARN."""
        return self.arn("sqs", self.output("UploadQueueUrl").rpartition("/")[2])

    def type(self, words: str) -> str:
        """How to type a command of ours for this stack."""
        return f"`{command(self.stack.name, aws=self.stack.endpoint is None)} {words}`"

    def aws(self, words: str) -> str:
        """How to type a command of the AWS CLI for this stack."""
        return f"`aws {words}{'' if self.stack.endpoint else f' --region {self.stack.region}'}`"


class Check(NamedTuple):
    """`look` yields what it finds about `what`, a noun, and needs the IAM `actions`."""

    what: str
    look: Callable[[Patient], Iterable[Finding]]
    actions: str


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
    return wrong(f"{check.what}: AWS refused: {error}", "run the doctor again in a minute")


def is_denied(error: ClientError) -> bool:
    code = error.response["Error"]["Code"]
    return code in ("403", "UnauthorizedOperation") or "AccessDenied" in code or code.startswith("AuthorizationError")


def is_gone(error: ClientError) -> bool:
    """True if AWS says that the thing does not exist."""
    code = error.response["Error"]["Code"]
    return code in ("404", "NotFound") or any(
        word in code for word in ("NoSuch", "NotFound", "NonExistent", "NotExist")
    )
