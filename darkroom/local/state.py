"""A local stack's folder on disk, and the environment in which programs reach the stack."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from pathlib import Path
from typing import NotRequired, TypedDict

from darkroom.project import ROOT, CommandError

STATE = ROOT / ".darkroom"  # a folder per local stack, and tools/
REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = "test"  # noqa: S105 - the emulator's administrator; functions get their role's keys


# stack.json: how to reach a stack.
class StackState(TypedDict):
    endpoint: str
    region: str
    outputs: NotRequired[dict[str, str]]  # these two once it is deployed
    parameters: NotRequired[dict[str, str]]


def folder(name: str) -> Path:
    """The folder of the local stack `name`. Raises CommandError for a name that cannot be one."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", name) or name == "tools":
        raise CommandError(f"{name!r} cannot be a stack's name: use letters, digits and hyphens (not `tools`)")
    return STATE / name


def certificate(name: str) -> Path:
    """The certificate that clients of the local stack `name` trust, and no other client does."""
    return folder(name) / "certificate.pem"


def environment(name: str, endpoint: str, region: str = REGION) -> dict[str, str]:
    """This process's environment, with the stack's own AWS settings in place of all others."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
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


def is_running(name: str) -> bool:
    """True if the emulator of the local stack `name` runs."""
    with contextlib.suppress(FileNotFoundError), (folder(name) / "lock").open("rb") as lock:
        return not try_lock(lock.fileno())
    return False


def try_lock(descriptor: int) -> bool:
    """Lock an open file; False if another process holds the lock."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def read(name: str) -> StackState:
    """The state that `write` saved. Raises FileNotFoundError, or ValueError if it is not JSON."""
    state: StackState = json.loads((folder(name) / "stack.json").read_text(encoding="utf-8"))
    return state


def write(name: str, state: StackState) -> None:
    """Replace a stack's state in one step: a reader sees the old one or the new one."""
    path = folder(name) / "stack.json"
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(state, indent=2), encoding="utf-8")
    draft.replace(path)
