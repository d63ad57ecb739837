"""A function's handler that notes when it ran, and each request that it made: see way.py.

The functions of a stack under measurement have this as their handler. REAL_MODULE names theirs, TRACES the file that
gets a line of JSON for each invocation.
"""

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

MODULE = os.environ["REAL_MODULE"]
requests: list[dict[str, Any]] = []
_call = BaseClient._make_api_call  # type: ignore[attr-defined]


def _noted(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
    began = time.time()
    try:
        return _call(client, operation, arguments)
    finally:
        requests.append({"operation": operation, "key": arguments.get("Key"), "began": began, "ended": time.time()})


BaseClient._make_api_call = _noted  # type: ignore[attr-defined]


def lambda_handler(event: Any, context: Any) -> Any:
    began, cpu = time.time(), _cpu_seconds()
    requests.clear()
    try:
        return importlib.import_module(MODULE).lambda_handler(event, context)
    finally:
        trace = {"function": MODULE.partition(".")[0], "about": json.dumps(event), "began": began, "ended": time.time()}
        line = json.dumps({**trace, "cpu": _cpu_seconds() - cpu, "peak": _peak(), "requests": requests})
        with Path(os.environ["TRACES"]).open("a", encoding="utf-8") as traces:
            traces.write(line + "\n")


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak() -> float:
    """MB of memory, the most that this process ever had. (On Linux, ru_maxrss includes the one that started it.)"""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
