"""The checkout: its folder, how its commands are typed, and the error that a command ends with."""

from __future__ import annotations

import ipaddress
import os
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_STACK = "darkroom"


class CommandError(Exception):
    """An expected failure. Its message is one sentence that says what to do."""


def typed_path(text: str) -> Path:
    """A path on the command line. Some shells do not expand ~ in PHOTOS=~/Pictures."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises an error for a file named ~x


def command(stack: str = DEFAULT_STACK, *, aws: bool = False) -> str:
    """How to type the command line for a stack in the current folder."""
    program = "bin/darkroom" if Path.cwd() == ROOT else shlex.quote(str(ROOT / "bin" / "darkroom"))
    return program + (" --aws" if aws else "") + ("" if stack == DEFAULT_STACK else f" --stack {shlex.quote(stack)}")


def make(target: str) -> str:
    """How to type a make target in the current folder."""
    return f"make {target}" if Path.cwd() == ROOT else f"make -C {shlex.quote(str(ROOT))} {target}"


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this computer."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
