"""This computer: what is checked without AWS."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

from darkroom.diagnosis.findings import Finding, note, ok, warning, wrong
from darkroom.project import make

PYTHONS = ((3, 11), (3, 14))  # the oldest and the newest that the checkout works with
RUNTIME = "3.13"  # the functions': `sam build` needs this one
SAM_CLI = (1, 143, 0)  # older ones refuse the wheels that Pillow has for the other processor (manylinux_2_28)


def python() -> Iterator[Finding]:
    """The Python of this program, and the one that builds the functions."""
    here, name = sys.version_info[:2], ".".join(map(str, sys.version_info[:3]))
    if not PYTHONS[0] <= here <= PYTHONS[1]:
        again = f"install Python {RUNTIME}, then `{make('clean')} && {make('install')}`"
        yield wrong(f"Python {name}: 3.11 to 3.14 are supported", again)
    elif f"{here[0]}.{here[1]}" != RUNTIME and not shutil.which(f"python{RUNTIME}"):
        yield warning(f"Python {name}: it runs everything here, but `{make('build')}` needs Python {RUNTIME} on PATH")
    else:
        yield ok(f"Python {name}")


def sam_cli() -> Iterator[Finding]:
    """The SAM CLI on PATH. The make targets have their own."""
    own = f"`{make('build')}` and `{make('deploy')}` bring their own"
    program = shutil.which("sam")
    if program is None:
        yield note(f"no SAM CLI on PATH: {own}")
        return
    try:
        run = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
        text = run.stdout
    except (OSError, subprocess.TimeoutExpired):
        text = ""
    found = re.search(r"version (\d+)\.(\d+)\.(\d+)", text)
    if not found:
        yield warning(f"the SAM CLI {program} does not work: {own}")
    elif tuple(map(int, found.groups())) < SAM_CLI:
        needed = ".".join(map(str, SAM_CLI))
        yield warning(f"SAM CLI {'.'.join(found.groups())}: building for another processor needs {needed}; {own}")
    else:
        yield ok(f"SAM CLI {'.'.join(found.groups())}")


def region(ours: str) -> Finding:
    """The region, and whether the SAM CLI would go to the same one: it does not read AWS_REGION."""
    import boto3

    if (its := boto3.Session().region_name) == ours:
        return ok(f"region: {ours}")
    text = f"region: AWS_REGION is {ours}, but the SAM CLI goes to {its or 'no region'}"
    return warning(text, f"`export AWS_DEFAULT_REGION={ours}`")
