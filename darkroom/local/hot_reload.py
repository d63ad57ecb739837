"""Runs a function's handler from the working tree, imported again when a .py or .json file of functions/ has changed.

The local stack deploys this file beside its `bootstrap`, so an edit is live on the next invocation, even of a warm
worker. It is not deployed to AWS.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

FUNCTIONS = os.environ["LAMBDA_TASK_ROOT"]
MODULE, _, NAME = os.environ["DARKROOM_HANDLER"].rpartition(".")


def handler(event: Any, context: Any) -> Any:
    """Call the real handler as its file is now."""
    global _seen
    if (files := _files()) != _seen:
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(FUNCTIONS + os.sep):
                del sys.modules[name]
        importlib.invalidate_caches()
        _seen = files
    return getattr(importlib.import_module(MODULE), NAME)(event, context)


def _files() -> dict[Path, int]:
    paths = (path for pattern in ("**/*.py", "**/*.json") for path in Path(FUNCTIONS).glob(pattern))
    return {path: path.stat().st_mtime_ns for path in paths}


_seen = _files()
importlib.import_module(MODULE)  # in the init phase, as Lambda does
