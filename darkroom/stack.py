"""A deployed stack: where it is, what CloudFormation named its resources, and clients for them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".darkroom"  # one folder for each local stack, and tools/
NAME = "darkroom"
REGION = "us-east-1"  # of a local stack
ACCESS_KEY = SECRET_KEY = "test"  # noqa: S105 - the emulator's administrator; functions get their role's keys


class StackError(Exception):
    """An expected failure; its message is one sentence that says what to do."""


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

        Raises StackError when there is none.
        """
        return _deployed(name) if aws else _local(name)

    def client(self, service: str) -> Any:
        """The boto3 client of `service`; one per process, safe to share between threads."""
        return _client(service, self.region, self.endpoint, str(certificate(self.name)))

    def environment(self) -> dict[str, str]:
        """The environment in which a child process (`aws`, `sam`, a script) reaches this stack.

        For a local stack nothing of the user's own AWS configuration remains in it.
        """
        if self.endpoint is None:
            return {**os.environ, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        return local_environment(self.name, self.endpoint, self.region)


def state_folder(name: str) -> Path:
    """The folder that holds everything of the local stack `name`."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", name) or name == "tools":
        raise StackError(f"{name!r} cannot be a stack's name: use letters, digits and hyphens (not `tools`)")
    return STATE / name


def certificate(name: str) -> Path:
    """The certificate of the local stack `name`: clients trust it, and for this stack nothing else."""
    return state_folder(name) / "certificate.pem"


def local_environment(name: str, endpoint: str, region: str = REGION) -> dict[str, str]:
    """This process's environment, with every AWS setting replaced by those of the stack `name`, at `endpoint`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {
        **kept,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_CA_BUNDLE": str(certificate(name)),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",  # sync-127.0.0.1 is no host (StartSyncExecution)
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def _local(name: str) -> Stack:
    from darkroom import emulator

    try:
        state = json.loads((state_folder(name) / "stack.json").read_text(encoding="utf-8"))
        stack = Stack(name, state["outputs"], state["region"], state["endpoint"])
    except FileNotFoundError:
        raise StackError(f"no local stack {name!r} is running: start it with {_up(name)}") from None
    except (ValueError, KeyError):
        raise StackError(f"the local stack {name!r} was not deployed to its end: run {_up(name)}") from None
    if not emulator.is_running(name):
        raise StackError(f"the local stack {name!r} has stopped: start it again with {_up(name)}")
    return stack


def _up(name: str) -> str:
    return "`make up`" if name == NAME else f"`python -m darkroom --stack {name} up`"


def _deployed(name: str) -> Stack:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.Session()
    region = session.region_name
    if region is None:
        raise StackError("no AWS region is configured: set AWS_REGION, or run `aws configure`")
    try:
        found = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except (ClientError, BotoCoreError) as error:
        if "does not exist" in str(error):
            raise StackError(f"there is no stack {name!r} in {region}: deploy it with `make build deploy`") from None
        raise StackError(f"the stack {name!r} in {region} cannot be read: {error}") from None
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
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
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
