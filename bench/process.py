"""Run a program and measure it, by the operating system's own account."""

from __future__ import annotations

import functools
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".darkroom" / "tools" / "bench"
T = TypeVar("T")
PYTHON = ROOT / ".venv" / "bin" / "python"
TOOLS_PYTHON = TOOLS / "bin" / "python"


@functools.cache
def function_environment() -> dict[str, str]:
    """What the template sets for every function, but for references: some of it changes the memory that is measured."""
    return apart(_variables)


def _variables() -> dict[str, str]:
    from darkroom.local.template import load_template  # imports boto3, which would stay in this process

    variables = load_template()["Globals"]["Function"]["Environment"]["Variables"]
    return {name: value for name, value in variables.items() if isinstance(value, str)}


class FailedError(Exception):
    """A program failed: the message has the end of its output."""


@dataclass(frozen=True)
class Ended:
    """A program that has ended."""

    output: str
    cpu: float  # seconds, of all its threads, from its first instruction to its last
    peak: float  # memory in MB (10**6 bytes)


def run(*command: str | Path, paths: tuple[Path, ...] = (), environment: dict[str, str] | None = None) -> Ended:
    """Run a program to its end, with `paths` as PYTHONPATH. Raises FailedError."""
    with subprocess.Popen(  # noqa: S603  (our own programs)
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), **(environment or {})},
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise FailedError(f"{Path(str(command[1])).name} ended with {process.returncode}: {output[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Ended(output, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)


def apart(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in a process of its own.

    A program's peak memory includes that of the process which started it, so this process must stay small.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
