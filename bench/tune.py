"""`make tune`: what each function takes with 1, 2, 3 and 4 processors, and the way of one image. docs/TUNING.md.

Prints tables and a line per bar; exit status 1 if a bar is short. Writes nothing into this folder.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.table import Table

from bench import photos, way
from bench.bars import Bar, report
from bench.process import apart
from bench.race import JOB, run_function

FUNCTIONS = ("validate", "resize", "filters", "optimize")
VCPU_MB = 1769  # memory that buys one vCPU
# Memory in MB → its share of vCPUs. 2654 MB is OptimizeImage's, 3008 MB the most that a new account gets.
SIZES = {memory: memory / VCPU_MB for memory in (1769, 2654, 3008, 3538, 5307, 7076)}
SMALL_SIZES = (128, 192, 256, 512, 1024)
DOLLARS_PER_GB_SECOND = 0.0000133334  # Lambda on arm64, us-east-1
# What AWS is assumed to take, from a function in the same region: no emulator says that.
REQUEST_SECONDS = {"get": 0.025, "put": 0.035, "other": 0.008}
MB_PER_SECOND = 80.0
# The rounds of requests of each function, one after the other: what is asked together counts once.
ROUNDS = {
    "validate": ("get",),
    "resize": ("get", "put"),
    "filters": ("get", "put"),
    "optimize": ("get", "put", "put", "other"),  # the intermediates; the last output; the manifest; the removal
}
ROUNDS_OF_WAY = 3
PHOTOS_OF_WAY = 3
console = Console(width=116)


@dataclass(frozen=True)
class Taken:
    """What one function took for the photos: means, but for the peak."""

    wall: float  # seconds
    cpu: float  # seconds
    peak: float  # MB
    measured: bool = True


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = apart(photos.gather, folder)
        console.print(f"{len(found)} photos, {_processors()} processors here …")
        taken, encodes, moved = functions(found, folder / "runs")
        per_picture = encodes_of_a_small_source(folder)
        uploads = [(photo.name, photo.read_bytes()) for photo in found[:PHOTOS_OF_WAY]]
    _print_functions(taken, moved)
    largest = statistics.mean(max(each) / sum(each) for each in encodes)
    console.print(f"The largest encode is {largest:.0%} of OptimizeImage's: no number of processors ends sooner.")
    console.print("The way of one image …")
    measured = way.measure(uploads, ROUNDS_OF_WAY, "EXPRESS")
    _print_way(way.medians(measured))
    _print_waiting(way.medians(measured))
    console.print(f"{time.monotonic() - started:.0f} s")
    two, one = taken["optimize", 3538], taken["optimize", VCPU_MB]
    return report(
        [
            Bar("put-to-manifest-by-work", statistics.median(map(way.ratio, measured)), 1.5),
            Bar("encodes-per-distinct-picture-and-format", per_picture, 1),
            Bar("optimize-2-processors-by-1", two.wall / one.wall, 0.7),
        ],
        ".2f",
    )


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


# --------------------------------------------------------------------------- the functions that touch pixels


def functions(
    found: list[Path], folder: Path
) -> tuple[dict[tuple[str, int], Taken], list[list[float]], dict[str, float]]:
    """What each function takes, by (function, memory); the CPU seconds of the encodes by photo; MB moved by `waits`.

    Measured for as many whole processors as this computer has, else computed: see `replayed`.
    """
    store = folder / "store"
    jobs = [_stored(photo, number, store) for number, photo in enumerate([_tiny(folder), *found])]
    taken: dict[tuple[str, int], Taken] = {}
    encodes: list[list[float]] = []
    events: list[dict[str, Any]] = [{"job": job} for job in jobs]
    made: dict[str, list[dict[str, Any]]] = {}
    for function in FUNCTIONS:
        if function == "optimize":
            pairs = zip(made["resize"], made["filters"], strict=True)
            events = [{**event, "intermediates": list(pair)} for event, pair in zip(events, pairs, strict=True)]
        for memory in filter(_has, SIZES):
            ran, peak, made[function] = _run(function, events, memory, store)
            mean = {name: statistics.mean(each[name] for each in ran) for name in ("wall", "cpu")}
            taken[function, memory] = Taken(mean["wall"], mean["cpu"], peak)
            if memory == VCPU_MB:
                encodes = [each["encodes"] for each in ran]
        for memory in itertools.filterfalse(_has, SIZES):
            taken[function, memory] = _computed(taken, function, SIZES[memory], encodes)
        if function == "validate":
            facts = made["validate"]
            events = [{**e, "image": f["image"], "recipe": f["recipe"]} for e, f in zip(events, facts, strict=True)]
    return (
        {(name, memory): taken[name, memory] for name in FUNCTIONS for memory in SIZES},
        encodes,
        _megabytes(found, store),
    )


def _has(memory: int) -> bool:
    """Whether this computer has the processors that so much memory buys, and they are whole ones."""
    return SIZES[memory].is_integer() and SIZES[memory] <= max(_processors(), 1)


def _run(
    function: str, events: list[dict[str, Any]], memory: int, store: Path
) -> tuple[list[dict[str, Any]], float, list[dict[str, Any]]]:
    """Run a function on all photos, after the first event for warming up: times, peak memory and answers."""
    task, answers = store.parent / "task.json", store.parent / "answers.json"
    limits = {"memory": memory, **({"processors": memory // VCPU_MB} if _processors() else {})}
    task.write_text(json.dumps({"function": function, "store": str(store), "events": events, **limits}))
    ended = run_function(task, answers)
    ran: list[dict[str, Any]] = json.loads(ended.output.splitlines()[-1])["events"][1:]
    return ran, ended.peak, json.loads(answers.read_text())


def _computed(taken: dict[tuple[str, int], Taken], function: str, share: float, encodes: list[list[float]]) -> Taken:
    """For a share of vCPUs that this computer does not have: more than one help only OptimizeImage."""
    one = taken[function, VCPU_MB]
    if function != "optimize":
        return Taken(one.wall, one.cpu, one.peak, measured=False)
    rest = max(0.0, one.wall - statistics.mean(map(sum, encodes)))
    parallel = statistics.mean(replayed(each, math.ceil(share), share) for each in encodes)
    two = taken.get((function, 2 * VCPU_MB))
    page = two.peak - one.peak if two else 0.0  # what another encoder takes
    return Taken(rest + parallel, one.cpu, one.peak + page * (math.ceil(share) - 1), measured=False)


def replayed(work: Sequence[float], threads: int, share: float) -> float:
    """Seconds until all of `work` (CPU seconds, in the order in which it is taken up) is done.

    `threads` take up one piece after the other, as in `encode_all`. All of them together get `share` of vCPUs, and
    none more than one.
    """
    running: list[float] = []
    waiting, now = list(reversed(work)), 0.0
    while waiting or running:
        while waiting and len(running) < threads:
            heapq.heappush(running, waiting.pop())
        speed = min(1.0, share / len(running))
        least = running[0]
        now += least / speed
        running = [left - least for left in running[1:]]
        heapq.heapify(running)
    return now


def encodes_of_a_small_source(folder: Path) -> float:
    """The most encodes for one picture and format, of a source of 600 pixels, which most sizes show whole."""
    source = folder / "small.jpg"
    Image.effect_noise((600, 450), 50).convert("RGB").save(source)
    store = folder / "small"
    event: dict[str, Any] = {"job": _stored(source, 1, store / "store")}
    _, _, (facts,) = _run("validate", [event], VCPU_MB, store / "store")
    event = {**event, "image": facts["image"], "recipe": facts["recipe"]}
    event["intermediates"] = [_run(name, [event], VCPU_MB, store / "store")[2][0] for name in ("resize", "filters")]
    _run("optimize", [event, event], VCPU_MB, store / "store")
    document = json.loads((store / "store/processed/small.jpg/manifest.json").read_text())
    distinct = len({entry["sha256"] for entry in document["renditions"]})
    ran, _, _ = _run("optimize", [event, event], VCPU_MB, store / "store")
    return len(ran[-1]["encodes"]) / distinct


def _stored(photo: Path, number: int, store: Path) -> dict[str, Any]:
    key = f"raw/{photo.name}"
    target = store / key
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(photo, target)
    source = {"bucket": "source", "key": key, "version_id": "1", "etag": "0", "size": photo.stat().st_size}
    return {**JOB, "job_id": f"{number:024}", "source": source}


def _tiny(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return apart(photos.write_tiny, folder)


def _megabytes(found: list[Path], store: Path) -> dict[str, float]:
    """MB that each function moves from or to S3 while nothing else happens, on average."""

    def mean(paths: list[Path]) -> float:
        return sum(path.stat().st_size for path in paths) / len(found) / 1e6

    source, work = mean(found), {kind: mean([*store.glob(f"work/**/{kind}.tiff")]) for kind in ("resized", "filtered")}
    return {
        "validate": source,
        "resize": source + work["resized"],
        "filters": source + work["filtered"],
        "optimize": work["resized"],  # both intermediates come at the same time
    }


# --------------------------------------------------------------------------- tables


def waits(function: str, moved: dict[str, float]) -> float:
    """Seconds that the function is assumed to wait for S3, on AWS."""
    return sum(REQUEST_SECONDS[kind] for kind in ROUNDS[function]) + moved[function] / MB_PER_SECOND


def _print_functions(taken: dict[tuple[str, int], Taken], moved: dict[str, float]) -> None:
    table = Table(title="Functions that touch pixels, per image (c: computed)")
    for column in ("function", "MB", "vCPU", "wall s", "CPU s", "wait s", "peak MB", "GB-seconds", "$ per million"):
        table.add_column(column, justify="left" if column == "function" else "right")
    for (function, memory), each in taken.items():
        wait = waits(function, moved)
        gb_seconds = memory / 1024 * (each.wall + wait)
        table.add_row(
            *(function, str(memory), f"{SIZES[memory]:.1f}", f"{each.wall:.3f}{'' if each.measured else ' c'}"),
            *(f"{each.cpu:.3f}", f"{wait:.3f}", f"{each.peak:.0f}", f"{gb_seconds:.2f}"),
            f"{gb_seconds * DOLLARS_PER_GB_SECOND * 1e6:.2f}",
            end_section=memory == max(SIZES),
        )
    console.print(table)


def _print_way(taken: dict[str, float]) -> None:
    table = Table(title="From the upload to the manifest, warm, one image at a time (EXPRESS, medians)")
    table.add_column("stage")
    table.add_column("ms", justify="right")
    for stage in way.STAGES:
        table.add_row(stage, f"{1000 * taken[stage]:.0f}")
    table.add_row("all", f"{1000 * taken['all']:.0f}")
    console.print(table)
    emulator = sum(taken[stage] for stage in way.STAGES if stage.startswith("hand-off"))
    console.print(f"The emulator's own share (all hand-offs): {1000 * emulator:.0f} ms, {emulator / taken['all']:.0%}.")


def _print_waiting(taken: dict[str, float]) -> None:
    """The trigger and NotifyFunction, whose CPU is a part of one vCPU, and who otherwise wait."""
    table = Table(title=f"Functions that wait, one image a batch; the trigger waits {taken['run']:.1f} s for the run")
    for column in ("function", "MB", "vCPU", "CPU s", "at work s", "peak MB", "GB-seconds", "$ per million"):
        table.add_column(column, justify="left" if column == "function" else "right")
    for name in way.WAITING:
        for memory in SMALL_SIZES:
            share = memory / VCPU_MB
            cpu = taken[f"cpu of {name}"]
            at_work = cpu / share + taken[f"requests of {name}"] * REQUEST_SECONDS["other"]
            gb_seconds = memory / 1024 * (at_work + (taken["run"] if name == "trigger" else 0.0))
            dollars = gb_seconds * DOLLARS_PER_GB_SECOND * 1e6
            row = (name, str(memory), f"{share:.2f}", f"{cpu:.3f}", f"{at_work:.3f}", f"{taken[f'peak of {name}']:.0f}")
            table.add_row(*row, f"{gb_seconds:.2f}", f"{dollars:.2f}", end_section=memory == max(SMALL_SIZES))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
