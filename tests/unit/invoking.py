"""The handlers of the workflow's states in this process, as Step Functions calls them."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import Any

CONTEXT = SimpleNamespace(
    function_name="function", memory_limit_in_mb=1769, invoked_function_arn="arn", aws_request_id="request"
)


def call(name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Call the handler of functions/<name>; event and answer are JSON, as between states."""
    handler = importlib.import_module(f"{name}.app").lambda_handler
    answer: dict[str, Any] = json.loads(json.dumps(handler(json.loads(json.dumps(event)), CONTEXT)))
    return answer
