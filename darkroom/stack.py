"""A deployed stack: where it runs, the names of its resources, and clients for them."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from darkroom.local import state
from darkroom.project import DEFAULT_STACK, CommandError, command, is_loopback, make

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

# Outputs that every stack of ours has had; another's has not.
OWN_OUTPUTS = {"SourceBucketName", "OutputBucketName", "JobsTableName", "UploadQueueUrl", "TriggerFunctionName"}

# A stack's own status when a deployment or a deletion begins; taking one back is part of it.
BEGINNINGS = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"}

_making_client = threading.Lock()  # `cache` lets threads make the same client twice, and sessions are not thread-safe


@dataclass(frozen=True)
class Stack:
    """One deployed copy of the application, on AWS (`endpoint` is None) or in the local emulator."""

    name: str
    outputs: dict[str, str]
    region: str
    endpoint: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, name: str = DEFAULT_STACK, *, aws: bool = False) -> Stack:
        """The running local stack, or with `aws` the deployed one. Raises CommandError if there is none."""
        return _deployed(name) if aws else _local(name, deployed=True)

    @classmethod
    def place(cls, name: str = DEFAULT_STACK, *, aws: bool = False) -> Stack:
        """Where the stack is or would be, on AWS a region, else a running emulator: clients, but no outputs.

        Raises CommandError if there is no such place.
        """
        return _on_aws(name) if aws else _local(name, deployed=False)

    def describe(self) -> dict[str, Any] | None:
        """CloudFormation's description of the stack; None if there is none. Raises ClientError, BotoCoreError."""
        from botocore.exceptions import ClientError

        try:
            answer = self.client("cloudformation").describe_stacks(StackName=self.name)
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return dict(answer["Stacks"][0])

    def described(self, description: Mapping[str, Any]) -> Stack:
        """The stack at this place with the outputs and parameters that CloudFormation describes."""
        return replace(self, outputs=outputs_of(description), parameters=parameters_of(description))

    @property
    def partition(self) -> str:
        """The part of AWS that the deployed stack is in: aws, aws-cn, aws-us-gov."""
        return self.outputs["StateMachineArn"].split(":")[1]

    @property
    def account(self) -> str:
        """The account that the deployed stack is in."""
        return self.outputs["StateMachineArn"].split(":")[4]

    def client(self, service: str) -> Any:
        """The boto3 client of `service`: one per process, shared between threads."""
        with _making_client:
            return _client(service, self.region, self.endpoint, self.name)

    def environment(self) -> dict[str, str]:
        """The environment for child processes that use this stack; a local one hides the user's AWS configuration."""
        if self.endpoint is None:
            return {**os.environ, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        return state.environment(self.name, self.endpoint, self.region)


def is_gone(error: ClientError) -> bool:
    """Whether AWS says that the thing does not exist."""
    code = error.response["Error"]["Code"]
    return code in ("404", "NotFound") or any(
        word in code for word in ("NoSuch", "NotFound", "NonExistent", "NotExist")
    )


def is_denied(error: ClientError) -> bool:
    """Whether AWS says that who asks may not do that."""
    code = error.response["Error"]["Code"]
    return code in ("403", "UnauthorizedOperation") or "AccessDenied" in code or code.startswith("AuthorizationError")


def outputs_of(description: Mapping[str, Any]) -> dict[str, str]:
    """The outputs in CloudFormation's description of a stack; none while it is being created, or if that failed."""
    return {item["OutputKey"]: item["OutputValue"] for item in description.get("Outputs", [])}


def parameters_of(description: Mapping[str, Any]) -> dict[str, str]:
    """The parameters in CloudFormation's description of a stack, with the template's defaults."""
    return {item["ParameterKey"]: item["ParameterValue"] for item in description.get("Parameters", [])}


def how_to_deploy(name: str) -> str:
    """What to type to deploy the stack `name` to AWS."""
    options = "--guided" if name == DEFAULT_STACK else f"--guided --stack-name {name}"
    return f"`{make('build')} && {make('deploy')} ARGS={shlex.quote(options)}`"


def trouble(place: Stack, description: Mapping[str, Any]) -> str:
    """Why the described stack cannot be used and what to do, as a sentence; empty if it can be.

    A stack that is being updated, or whose update failed, has its outputs and can be used.
    """
    status, which = description["StackStatus"], f"the stack {place.name!r} in {place.region}"
    if outputs_of(description).keys() >= OWN_OUTPUTS:
        return ""
    if status == "REVIEW_IN_PROGRESS":
        return f"{which} was planned and never created: deploy it with {how_to_deploy(place.name)}"
    if status.endswith("_IN_PROGRESS"):
        return f"{which} is {status}: wait until that is over"
    if status.endswith("_FAILED") or status == "ROLLBACK_COMPLETE":
        remove = f"`{command(place.name, aws=place.endpoint is None)} teardown --delete-data`"
        why = first_failure(place, place.name)
        return f"{which} is {status}, {why}; mend that, remove the stack with {remove}, then deploy again"
    return f"{which} is not Darkroom's: name another with --stack"


def first_failure(place: Stack, which: str) -> str:
    """What failed first in the newest deployment or deletion of the stack with the name or id `which`, as a clause."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        failed = [event for event in _newest_events(place, which) if event["ResourceStatus"].endswith("_FAILED")]
    except (ClientError, BotoCoreError):
        return f"and `aws cloudformation describe-stack-events --stack-name {shlex.quote(which)}` says why"
    causes = [event for event in failed if "cancelled" not in event.get("ResourceStatusReason", "")] or failed
    if not causes:
        return "and no resource says why"
    first = causes[-1]  # the newest is listed first
    return f"because of {first['LogicalResourceId']}: {first.get('ResourceStatusReason', 'no reason given')}"


def _newest_events(place: Stack, which: str) -> Iterator[Mapping[str, Any]]:
    """The events of a stack's newest deployment or deletion, the newest first."""
    pages = place.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=which)
    for event in (event for page in pages for event in page["StackEvents"]):
        yield event
        if event.get("PhysicalResourceId") == event["StackId"] and event["ResourceStatus"] in BEGINNINGS:
            return


def _local(name: str, *, deployed: bool) -> Stack:
    """The running local stack; without `deployed` only its place."""
    up = f"`{command(name)} up`"
    try:
        saved = state.read(name)
        stack = Stack(name, {}, saved["region"], saved["endpoint"])
        if deployed:
            stack = replace(stack, outputs=saved["outputs"], parameters=saved.get("parameters", {}))
    except FileNotFoundError:
        raise CommandError(f"no local stack {name!r} is running: start it with {up}") from None
    except (ValueError, KeyError):
        raise CommandError(f"nothing is deployed to the local stack {name!r}: run {up}") from None
    if not state.is_running(name):
        raise CommandError(f"the local stack {name!r} has stopped: start it again with {up}")
    return stack


def _deployed(name: str) -> Stack:
    from botocore.exceptions import BotoCoreError, ClientError

    place = _on_aws(name)
    try:
        description = place.describe()
    except (ClientError, BotoCoreError) as error:
        raise CommandError(f"the stack {name!r} in {place.region} cannot be read: {error}") from None
    if description is None:
        raise CommandError(f"there is no stack {name!r} in {place.region}: deploy it with {how_to_deploy(name)}")
    if problem := trouble(place, description):
        raise CommandError(problem)
    return place.described(description)


def _on_aws(name: str) -> Stack:
    import boto3

    # AWS's other tools read AWS_REGION first; boto3 reads only AWS_DEFAULT_REGION and the profile.
    region = os.environ.get("AWS_REGION") or boto3.Session().region_name
    if region is None:
        raise CommandError("no AWS region is configured: type `export AWS_DEFAULT_REGION=eu-west-1`, with your region")
    place = Stack(name, {}, region)
    endpoint = place.client("cloudformation").meta.endpoint_url
    if is_loopback(urlsplit(endpoint).hostname or ""):
        raise CommandError(
            f"--aws would reach {endpoint}, which is this computer: leave out --aws for a local stack, or open a new "
            "shell for AWS (this one has AWS_ENDPOINT_URL set, as `up` prints it, or a profile with endpoint_url)"
        )
    return place


@cache
def _client(service: str, region: str, endpoint: str | None, name: str) -> Any:
    import boto3  # slow to import, so not before it is needed
    from botocore.config import Config

    # The timeout is longer than any function runs.
    config = Config(max_pool_connections=50, read_timeout=910, retries={"mode": "standard"})
    if endpoint is None:
        return boto3.client(service, region_name=region, config=config)
    return _isolated_session().client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        verify=str(state.certificate(name)),
        aws_access_key_id=state.ACCESS_KEY,
        aws_secret_access_key=state.SECRET_KEY,
        config=config.merge(Config(inject_host_prefix=False, proxies={})),
    )


@cache
def _isolated_session() -> Any:
    """A session that reads no profile, so a broken or absent ~/.aws does not matter."""
    import boto3
    import botocore.session

    no_file: tuple[None, list[str], str, None] = (None, [], os.devnull, None)
    variables = {"profile": (None, [], None, None), "config_file": no_file, "credentials_file": no_file}
    return boto3.Session(botocore_session=botocore.session.Session(session_vars=variables))
