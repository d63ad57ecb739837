"""Shared by the engines in Python: do a job twice, first on a tiny picture, and print the cost of the second run."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def perform(run: Callable[[dict[str, Any]], None], version: str) -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    warmup = f"{job['out']}/warmup"
    Path(warmup).mkdir(parents=True)
    run({**job, "source": job["warmup"], "out": warmup})
    before = time.process_time()
    run(job)
    print(json.dumps({"cpu": time.process_time() - before, "version": version}))
