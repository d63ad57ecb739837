"""The checkout: where it is, how its command line is called, and what that raises."""

from __future__ import annotations

import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "darkroom"  # of a stack, where none is named


class CommandError(Exception):
    """An expected failure; its message is one sentence that says what to do."""


def command(stack: str = NAME, *, aws: bool = False) -> str:
    """How to call this command line for a stack: what a person can paste into the shell that called us."""
    program = "bin/darkroom" if Path.cwd() == ROOT else shlex.quote(str(ROOT / "bin" / "darkroom"))
    return program + (" --aws" if aws else "") + ("" if stack == NAME else f" --stack {shlex.quote(stack)}")
