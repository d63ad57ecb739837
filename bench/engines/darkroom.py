"""Darkroom: one function's own handler, its S3 replaced by a folder. `darkroom.py TASK.json ANSWERS.json`.

A task: {"function": name, "store": folder, "events": […], "memory": MB, "processors": number}; the last two may be left
out. Prints the last event's "cpu" (seconds), and of each event "cpu", "wall" and "encodes" (CPU seconds, in order).
One process per function, as on Lambda. Files stand for S3; all else is the function as deployed, imports included.
"""

import importlib
import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

os.environ |= {
    "OUTPUT_BUCKET": "output",
    "JOBS_TABLE": "jobs",
    "PUBLIC_BASE_URL": "",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}


def keep_objects_in(folder: Path) -> ModuleType:
    """A replacement of `pipeline.storage`, the one module that calls S3: without the SDK, which the peers have not."""
    storage = ModuleType("pipeline.storage")

    def path(key: str) -> Path:
        return folder / key

    def put(_bucket: str, key: str, body: bytes, _content_type: str = "", _metadata: object = None) -> None:
        path(key).parent.mkdir(parents=True, exist_ok=True)
        path(key).write_bytes(body)

    def get(_bucket: str, key: str) -> tuple[bytes, str] | None:
        return (path(key).read_bytes(), "an ETag") if path(key).exists() else None

    vars(storage).update(
        read_source=lambda source, _limit: path(source["key"]).read_bytes(),
        download=lambda _bucket, key, folder: Path(shutil.copy(path(key), folder)),
        get=get,
        put=put,
        replace=lambda bucket, key, body, _etag, _content_type: put(bucket, key, body),
        delete=lambda _bucket, _keys: None,
    )
    return storage


def own_every_job() -> ModuleType:
    """A replacement of `pipeline.jobs`, which calls DynamoDB: nobody else works on the task."""
    jobs = ModuleType("pipeline.jobs")
    vars(jobs).update(check_owner=lambda _job: None)
    return jobs


def say_nothing() -> ModuleType:
    """A replacement of `pipeline.metrics`, which makes clients of the SDK and prints lines."""
    metrics = ModuleType("pipeline.metrics")
    vars(metrics).update(stage=lambda _name: lambda handler: handler)
    return metrics


def cpu_seconds() -> float:
    """CPU seconds of this process and of the children that it waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timing_encodes() -> list[float]:
    """The CPU seconds of each encode from now on, in the order in which they begin if there is one at a time."""
    encoding = importlib.import_module("engine.encoding")
    encode, seconds = encoding.encode, []

    def timed(*arguments: Any) -> bytes:
        before = time.thread_time()
        content: bytes = encode(*arguments)
        seconds.append(time.thread_time() - before)
        return content

    vars(encoding)["encode"] = timed
    return seconds


def main() -> None:
    task = json.loads(Path(sys.argv[1]).read_text())
    if "processors" in task:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task["processors"]])
    sys.modules["pipeline.storage"] = keep_objects_in(Path(task["store"]))
    sys.modules["pipeline.jobs"] = own_every_job()
    sys.modules["pipeline.metrics"] = say_nothing()
    handler = importlib.import_module(f"{task['function']}.app").lambda_handler
    context = SimpleNamespace(
        function_name="bench",
        memory_limit_in_mb=task.get("memory", 1769),
        invoked_function_arn="",
        aws_request_id="",
    )
    answers, ran, encodes = [], [], timing_encodes() if task["function"] == "optimize" else []
    for event in task["events"]:
        encodes.clear()
        began, before = time.monotonic(), cpu_seconds()
        answers.append(handler(event, context))
        ran.append({"cpu": cpu_seconds() - before, "wall": time.monotonic() - began, "encodes": [*encodes]})
    Path(sys.argv[2]).write_text(json.dumps(answers))
    print(json.dumps({"cpu": ran[-1]["cpu"], "events": ran}))


if __name__ == "__main__":
    main()
