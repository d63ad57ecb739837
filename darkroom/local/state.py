"""What a local stack keeps on disk, one folder per stack, and the environment in which programs reach it."""

from __future__ import annotations

import fcntl
import json
import os
import re
from pathlib import Path
from typing import Any

from darkroom.project import ROOT, CommandError

STATE = ROOT / ".darkroom"  # one folder per local stack, and tools/
REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = "test"  # noqa: S105 - the emulator's administrator; functions get their role's keys


def folder(name: str) -> Path:
    """The folder that holds everything of the local stack `name`."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", name) or name == "tools":
        raise CommandError(f"{name!r} cannot be a stack's name: use letters, digits and hyphens (not `tools`)")
    return STATE / name


def certificate(name: str) -> Path:
    """The certificate of the local stack `name`: clients trust it, and for this stack nothing else."""
    return folder(name) / "certificate.pem"


def environment(name: str, endpoint: str, region: str = REGION) -> dict[str, str]:
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


def is_running(name: str) -> bool:
    """Whether the emulator of the local stack `name` lives."""
    try:
        with (folder(name) / "lock").open("rb") as lock:
            return not locked(lock.fileno())
    except FileNotFoundError:
        return False


def locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read(name: str) -> dict[str, Any]:
    """What `write` wrote: endpoint, region and, once it is deployed, outputs. Raises FileNotFoundError, ValueError."""
    state: dict[str, Any] = json.loads((folder(name) / "stack.json").read_text(encoding="utf-8"))
    return state


def write(name: str, state: dict[str, Any]) -> None:
    """Replace the state of a stack at once: a reader sees the old one or the new one."""
    path = folder(name) / "stack.json"
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(state, indent=2), encoding="utf-8")
    draft.replace(path)
