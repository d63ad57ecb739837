"""The same job for every engine: all outputs of the default recipe, photo by photo."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.process import PYTHON, ROOT, TOOLS, TOOLS_PYTHON, Ended, function_environment, run
from pipeline import recipes

ENGINES = ROOT / "bench" / "engines"
JOB = {"job_id": "0" * 24, "round": 1, "attempt": 1}
DEFAULT = recipes.route(recipes.load(), "raw/x")


@dataclass
class Result:
    """What one engine took for one photo."""

    cpu: float  # seconds
    peak: float  # MB
    version: str = ""
    parts: dict[str, dict[str, float]] = field(default_factory=dict)  # "cpu" and "peak" per function
    outputs: dict[str, Path] = field(default_factory=dict)  # by "<rendition>.<format>"

    @property
    def bytes(self) -> dict[str, int]:
        sizes: dict[str, int] = dict.fromkeys(DEFAULT["formats"], 0)
        for name, path in self.outputs.items():
            sizes[name.rpartition(".")[2]] += path.stat().st_size
        return sizes


def run_function(task: Path, answers: Path) -> Ended:
    """Run engines/darkroom.py in the environment that the template gives to every function."""
    return run(
        *(PYTHON, ENGINES / "darkroom.py", task, answers),
        paths=(ROOT / "functions",),
        environment=function_environment(),
    )


def darkroom(photo: Path, warmup: Path, folder: Path) -> Result:
    """Run the functions that touch pixels, in order, each in a process of its own."""
    store = folder / "store"
    sources: list[dict[str, Any]] = []
    for path in (warmup, photo):
        key = f"raw/{path.name}"
        target = store / key
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        source = {"bucket": "source", "key": key, "version_id": "1", "etag": "0", "size": path.stat().st_size}
        sources.append({**JOB, "job_id": f"{len(sources):024}", "source": source})
    parts: dict[str, dict[str, float]] = {}

    def step(function: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        task, answers = folder / "task.json", folder / "answers.json"
        task.write_text(json.dumps({"function": function, "store": str(store), "events": events}))
        ended = run_function(task, answers)
        parts[function] = {"cpu": json.loads(ended.output.splitlines()[-1])["cpu"], "peak": ended.peak}
        result: list[dict[str, Any]] = json.loads(answers.read_text())
        return result

    events = [{"job": job} for job in sources]
    facts = step("validate", events)
    events = [
        {**event, "image": fact["image"], "recipe": fact["recipe"]} for event, fact in zip(events, facts, strict=True)
    ]
    branches = [step("resize", events), step("filters", events)]
    made = zip(*branches, strict=True)
    step("optimize", [{**event, "intermediates": list(pair)} for event, pair in zip(events, made, strict=True)])
    manifest = json.loads((store / f"processed/{photo.name}/manifest.json").read_text())
    return Result(
        cpu=sum(part["cpu"] for part in parts.values()),
        peak=max(part["peak"] for part in parts.values()),
        parts=parts,
        outputs={f"{made['name']}.{made['format']}": store / made["key"] for made in manifest["renditions"]},
    )


def peer(engine: str, settings: dict[str, Any], photo: Path, warmup: Path, folder: Path) -> Result:
    """Run one of the programs in engines/, with encoder settings per format."""
    (filtered,) = DEFAULT["filtered"].values()
    contrast = filtered["filters"][1]["amount"]  # type: ignore[typeddict-item]
    job = {
        "source": str(photo),
        "warmup": str(warmup),
        "out": str(folder / "out"),
        "sizes": DEFAULT["sizes"],
        "gray": {"size": filtered["size"], "contrast": contrast},
        "settings": settings,
    }
    task = folder / "job.json"
    task.write_text(json.dumps(job))
    if engine == "sharp":
        ended = run("node", ENGINES / "sharp.mjs", task, TOOLS / "node" / "node_modules")
    else:
        ended = run(TOOLS_PYTHON, ENGINES / f"{engine}.py", task, paths=(ROOT,))
    answer = json.loads(ended.output.splitlines()[-1])
    outputs = {path.name: path for path in (folder / "out").iterdir() if path.is_file()}
    return Result(cpu=answer["cpu"], peak=ended.peak, version=answer["version"], outputs=outputs)
