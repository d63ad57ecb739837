"""A deployed stack: where it runs, the names of its resources, and clients for them."""

from __future__ import annotations

import os
import shlex
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

from darkroom.local import state
from darkroom.project import DEFAULT_STACK, CommandError, command, make

_making_client = threading.Lock()  # `cache` lets threads make the same client twice, and sessions are not thread-safe


@dataclass(frozen=True)
class Stack:
    """One deployed copy of the application, on AWS (`endpoint` is None) or in the local emulator."""

    name: str
    outputs: dict[str, str]
    region: str
    endpoint: str | None = None

    @classmethod
    def open(cls, name: str = DEFAULT_STACK, *, aws: bool = False) -> Stack:
        """The running local stack, or with `aws` the deployed one. Raises CommandError if there is none."""
        return _deployed(name) if aws else _local(name)

    def client(self, service: str) -> Any:
        """The boto3 client of `service`: one per process, shared between threads."""
        with _making_client:
            return _client(service, self.region, self.endpoint, self.name)

    def environment(self) -> dict[str, str]:
        """The environment for child processes that use this stack; a local one hides the user's AWS configuration."""
        if self.endpoint is None:
            return {**os.environ, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        return state.environment(self.name, self.endpoint, self.region)


def _local(name: str) -> Stack:
    up = f"`{command(name)} up`"
    try:
        saved = state.read(name)
        stack = Stack(name, saved["outputs"], saved["region"], saved["endpoint"])
    except FileNotFoundError:
        raise CommandError(f"no local stack {name!r} is running: start it with {up}") from None
    except (ValueError, KeyError):
        raise CommandError(f"the deployment of the local stack {name!r} did not finish: run {up}") from None
    if not state.is_running(name):
        raise CommandError(f"the local stack {name!r} has stopped: start it again with {up}")
    return stack


def _deployed(name: str) -> Stack:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.Session()
    region = session.region_name
    if region is None:
        raise CommandError("no AWS region is configured: set AWS_REGION")
    try:
        stack = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except (ClientError, BotoCoreError) as error:
        if "does not exist" in str(error):
            options = "" if name == DEFAULT_STACK else f" ARGS={shlex.quote(f'--stack-name {name}')}"
            deploy = f"`{make('build')} && {make('deploy')}{options}`"
            raise CommandError(f"there is no stack {name!r} in {region}: deploy it with {deploy}") from None
        raise CommandError(f"the stack {name!r} in {region} cannot be read: {error}") from None
    return Stack(name, {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}, region)


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
