"""A deployed stack: where it is, what CloudFormation named its resources, and clients for them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

from darkroom.local import state
from darkroom.project import NAME, CommandError, command


@dataclass(frozen=True)
class Stack:
    """One deployed copy of the application, on AWS (`endpoint` is None) or in the local emulator."""

    name: str
    outputs: dict[str, str]
    region: str
    endpoint: str | None = None

    @classmethod
    def open(cls, name: str = NAME, *, aws: bool = False) -> Stack:
        """The running local stack `name`, or with `aws` the one deployed in the default account and region.

        Raises CommandError when there is none.
        """
        return _deployed(name) if aws else _local(name)

    def client(self, service: str) -> Any:
        """The boto3 client of `service`; one per process, safe to share between threads."""
        return _client(service, self.region, self.endpoint, str(state.certificate(self.name)))

    def environment(self) -> dict[str, str]:
        """The environment in which a child process (`aws`, `sam`, a script) reaches this stack.

        For a local stack nothing of the user's own AWS configuration remains in it.
        """
        if self.endpoint is None:
            return {**os.environ, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        return state.environment(self.name, self.endpoint, self.region)


def _local(name: str) -> Stack:
    up = f"`{command(name)} up`"
    try:
        found = state.read(name)
        stack = Stack(name, found["outputs"], found["region"], found["endpoint"])
    except FileNotFoundError:
        raise CommandError(f"no local stack {name!r} is running: start it with {up}") from None
    except (ValueError, KeyError):
        raise CommandError(f"the local stack {name!r} was not deployed to its end: run {up}") from None
    if not state.is_running(name):
        raise CommandError(f"the local stack {name!r} has stopped: start it again with {up}")
    return stack


def _deployed(name: str) -> Stack:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.Session()
    region = session.region_name
    if region is None:
        raise CommandError("no AWS region is configured: set AWS_REGION, or run `aws configure`")
    try:
        found = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except (ClientError, BotoCoreError) as error:
        if "does not exist" in str(error):
            raise CommandError(f"there is no stack {name!r} in {region}: deploy it with `make build deploy`") from None
        raise CommandError(f"the stack {name!r} in {region} cannot be read: {error}") from None
    outputs = {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", [])}
    return Stack(name, outputs, region)


@cache
def _client(service: str, region: str, endpoint: str | None, ca_bundle: str) -> Any:
    import boto3  # here and below, because it takes longer to import than `darkroom down` to run
    from botocore.config import Config

    if endpoint is None:
        config = Config(max_pool_connections=50, retries={"mode": "standard"}, read_timeout=910)
        return boto3.client(service, region_name=region, config=config)
    config = Config(
        inject_host_prefix=False,
        max_pool_connections=50,
        proxies={},
        read_timeout=910,  # longer than any function runs
        retries={"mode": "standard"},
    )
    return _isolated_session().client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        verify=ca_bundle,
        aws_access_key_id=state.ACCESS_KEY,
        aws_secret_access_key=state.SECRET_KEY,
        config=config,
    )


@cache
def _isolated_session() -> Any:
    """A session that reads no profile, so that a broken or absent ~/.aws does no harm."""
    import boto3
    import botocore.session

    nothing: tuple[None, list[str], str, None] = (None, [], os.devnull, None)
    core = botocore.session.Session(
        session_vars={
            "profile": (None, [], None, None),
            "config_file": nothing,
            "credentials_file": nothing,
        }
    )
    return boto3.Session(botocore_session=core)
