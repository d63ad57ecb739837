"""Runs a function's real handler, after the next fault that a test has laid out for it: see conftest.Faults.

The functions of a stack under test have this as their handler, REAL_MODULE names theirs, FAULTS the folder of faults.
"""

import importlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

MODULE = os.environ["REAL_MODULE"]
FAULTS = Path(os.environ["FAULTS"], MODULE.partition(".")[0])


def lambda_handler(event: Any, context: Any) -> Any:
    for kind, argument in _next(json.dumps(event)):
        if kind == "raise":
            raise type(argument, (Exception,), {})("a fault that a test laid out")
        if kind == "exit":
            os._exit(int(argument))
        if kind == "exit after":
            threading.Timer(float(argument), os._exit, (1,)).start()
        if kind == "sleep":
            time.sleep(float(argument))
    return importlib.import_module(MODULE).lambda_handler(event, context)


def _next(event: str) -> list[tuple[str, str]]:
    """The oldest fault that is for this event: taken by whoever removes its file first."""
    for path in sorted(FAULTS.glob("*.json")):
        try:
            fault = json.loads(path.read_text(encoding="utf-8"))
            if fault["when"] in event:
                if not fault["stays"]:
                    path.unlink()
                return [(fault["kind"], fault["argument"])]
        except FileNotFoundError:
            continue
    return []
