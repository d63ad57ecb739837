"""Targets beside fixed numbers: how near they come, what they save, what they take. `python -m bench.pictures.quality`

Each picture is encoded for the target and at some fixed numbers, and scored by SSIMULACRA2 itself. The fixed number
that is compared is the one whose mean score over all pictures is the targets' mean score, by interpolation. Each sort
of picture weighs the same. Bytes are geometric means, CPU is a sum. Photos are those of ../shared/photos that nothing
was fitted to, or scenes if there are none.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table

from bench.bars import Bar, at_least, report
from bench.photos import SHARED
from bench.pictures import sorts
from bench.process import ROOT, TOOLS_PYTHON, apart
from engine import encoding
from pipeline import recipes

TARGET = 74
NUMBERS = {"jpeg": (60, 75, 86, 93), "webp": (65, 80, 90, 96), "avif": (38, 48, 56, 66)}
HELD_OUT = ("phone_8mp.jpg", "slr_22mp.jpg", "street_6mp.jpg", "phone_12mp.jpg", "alpha_3mp.png")
SIDES = (240, 512, 640)  # pixels, of the longer side; the shorter ones are at least 240
SEEDS = (100, 101, 102)  # which `fit` does not use
BOUNDED = 60  # pictures whose bytes are bounded


@dataclass(frozen=True)
class Encoded:
    number: int | None  # None: chosen for the target
    bytes: int
    seconds: float  # of CPU
    score: float


@dataclass(frozen=True)
class Case:
    """A picture in a format."""

    sort: str
    format: str
    aimed: Encoded
    fixed: list[Encoded]  # by rising number

    def at(self, number: float, value: Callable[[Encoded], float]) -> float:
        """A value at a fixed number, between those measured."""
        return _along([(float(each.number or 0), value(each)) for each in self.fixed], number)


def bars() -> list[Bar]:
    """Measure, print a table, and hold the targets to their bars."""
    try:
        cases = apart(measured)
    except (OSError, subprocess.CalledProcessError):  # the bench's tools are not installed
        cases = []
    exceeded = apart(exceeding)
    names = ("within-2", "worst-below-target", "bytes-to-fixed", "cpu-to-fixed")
    figures: dict[str, float | None] = dict.fromkeys(names)
    if cases:
        _print(cases)
        figures = dict(zip(names, _figures(cases), strict=True))
    return [
        Bar("quality-within-2", figures["within-2"], 0.80, at_least),
        Bar("quality-worst-below-target", figures["worst-below-target"], 6),
        Bar("quality-bytes-to-fixed", figures["bytes-to-fixed"], 0.92),
        Bar("quality-cpu-to-fixed", figures["cpu-to-fixed"], 1.5),
        Bar("max-bytes-exceeded", exceeded, 0),
    ]


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """Pictures (RGB) and their sort."""
    photos = [SHARED / name for name in HELD_OUT if (SHARED / name).exists()]
    for index, path in enumerate(photos):
        side = SIDES[index % len(SIDES)]
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
        fitted = ImageOps.fit(image, (side, side)) if side == SIDES[0] else ImageOps.contain(image, (side, side))
        yield "photo", fitted
    for sort in sorts.SORTS:
        if sort == "scene" and photos:
            continue
        for side, seed in zip(SIDES, SEEDS, strict=True):
            size = (side, side) if side == SIDES[0] else (side, side * 3 // 4)
            yield ("photo" if sort == "scene" else sort), sorts.picture(sort, size, seed)


def measured() -> list[Case]:
    """Every picture in every lossy format. Raises OSError or CalledProcessError without the bench's tools."""
    recipe = recipes.route(recipes.load(), "raw/x")
    made: list[tuple[str, str, list[tuple[int | None, int, float]]]] = []
    pairs: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index, (sort, image) in enumerate(pictures()):
            reference = folder / f"{index}.png"
            image.save(reference, compress_level=0)
            for format_, numbers in NUMBERS.items():
                row: list[tuple[int | None, int, float]] = []
                for number in (None, *numbers):
                    wanted: Any = {"target": TARGET, "floor": 5} if number is None else number
                    changed: Any = {**recipe, "quality": {**recipe["quality"], format_: wanted}}
                    began = time.process_time()
                    content = encoding.encode(image.copy(), format_, changed)  # type: ignore[arg-type]
                    row.append((number, len(content), time.process_time() - began))
                    path = folder / f"{index}-{number}.{format_}"
                    path.write_bytes(content)
                    pairs.append(f"{reference}\t{path}\n")
                made.append((sort, format_, row))
        scores = iter(_scores(pairs))
    cases = []
    for sort, format_, row in made:
        aimed, *fixed = [Encoded(*each, next(scores)) for each in row]
        cases.append(Case(sort, format_, aimed, fixed))
    return cases


def _scores(pairs: list[str]) -> list[float]:
    """SSIMULACRA2, in two processes."""

    def scored(lines: list[str]) -> list[float]:
        command = [str(TOOLS_PYTHON), str(ROOT / "bench" / "score.py")]
        done = subprocess.run(command, input="".join(lines), capture_output=True, text=True, check=True)  # noqa: S603
        return [float(line) for line in done.stdout.split()]

    half = len(pairs) // 2
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(scored, (pairs[:half], pairs[half:]))
    return first + second


def exceeding() -> int:
    """How many files have more bytes than their bound, of noise, flat pictures and all sorts."""
    recipe = recipes.route(recipes.load(), "raw/x")
    found = 0
    for seed in range(BOUNDED):
        rng = random.Random(seed)
        size = (rng.randrange(1, 300), rng.randrange(1, 300))
        sort = rng.choice(("noise", *sorts.SORTS))
        image = (
            Image.frombytes("RGB", size, rng.randbytes(3 * size[0] * size[1]))
            if sort == "noise"
            else sorts.picture(sort, (300, 300), seed).crop((0, 0, *size))
        )
        for format_ in NUMBERS:
            most = rng.randrange(1400, 20_000)  # a JPEG of 300 x 300 takes 1,100 bytes, whatever is in it
            wanted: Any = rng.choice((95, recipe["quality"][format_], {"target": 80, "floor": 60}))  # type: ignore[literal-required]
            changed: Any = {
                **recipe,
                "quality": {**recipe["quality"], format_: wanted},
                "max_bytes": {**recipe["max_bytes"], format_: most},
            }
            found += len(encoding.encode(image.copy(), format_, changed)) > most  # type: ignore[arg-type]
    return found


# --------------------------------------------------------------------------- figures


def _weights(cases: list[Case]) -> list[float]:
    """Each sort weighs the same; they sum to 1."""
    sorts_ = [case.sort for case in cases]
    return [1 / sorts_.count(case.sort) / len(set(sorts_)) for case in cases]


def _mean(values: list[float], cases: list[Case]) -> float:
    return sum(value * weight for value, weight in zip(values, _weights(cases), strict=True))


def _number(cases: list[Case]) -> float:
    """The fixed number of one format whose mean score is the targets' mean score."""
    reached = _mean([case.aimed.score for case in cases], cases)
    numbers = [float(each.number or 0) for each in cases[0].fixed]
    steps = [numbers[0] + (numbers[-1] - numbers[0]) * step / 200 for step in range(201)]
    curve = sorted((_mean([case.at(step, lambda each: each.score) for case in cases], cases), step) for step in steps)
    return _along(curve, reached)


def _figures(cases: list[Case]) -> tuple[float, float, float, float]:
    """The part within 2 points; the most points below the target; bytes and CPU to the fixed numbers'."""
    near = _mean([float(abs(case.aimed.score - TARGET) <= 2) for case in cases], cases)
    logs, seconds, fixed_seconds = [], 0.0, 0.0
    for format_ in NUMBERS:
        of_format = [case for case in cases if case.format == format_]
        number = _number(of_format)
        ratios = [math.log(case.aimed.bytes) - case.at(number, lambda each: math.log(each.bytes)) for case in of_format]
        logs.append(_mean(ratios, of_format))
        seconds += _mean([case.aimed.seconds for case in of_format], of_format)
        fixed_seconds += _mean([case.at(number, lambda each: each.seconds) for case in of_format], of_format)
    worst = max(TARGET - case.aimed.score for case in cases)
    return near, worst, math.exp(statistics.mean(logs)), seconds / fixed_seconds


def _along(points: list[tuple[float, float]], x: float) -> float:
    """By straight lines between points in the order of x; the ends' values beyond them."""
    if x <= points[0][0]:
        return points[0][1]
    for (left, start), (right, end) in itertools.pairwise(points):
        if x <= right:
            return start + (end - start) * (x - left) / (right - left) if right > left else end
    return points[-1][1]


def _print(cases: list[Case]) -> None:
    table = Table(title=f"Target {TARGET}: ratios to the fixed number of the same mean score, per format")
    headings = ("sort", "format", "fixed", "files", "within 2", "lowest", "mean", "bytes", "CPU", "fixed: from", "to")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("sort", "format") else "right")
    for format_ in NUMBERS:
        of_format = [case for case in cases if case.format == format_]
        number = _number(of_format)
        groups = {sort: [case for case in of_format if case.sort == sort] for sort in {case.sort for case in of_format}}
        for sort, group in [*sorted(groups.items()), ("all", of_format)]:
            scores = [case.aimed.score for case in group]
            fixed = [case.at(number, lambda each: each.score) for case in group]
            ratios = [math.log(case.aimed.bytes) - case.at(number, lambda each: math.log(each.bytes)) for case in group]
            cpu = _mean([case.aimed.seconds for case in group], group)
            table.add_row(
                sort,
                format_,
                f"{number:.0f}",
                str(len(group)),
                f"{_mean([float(abs(score - TARGET) <= 2) for score in scores], group):.0%}",
                f"{min(scores):.1f}",
                f"{_mean(scores, group):.1f}",
                f"{math.exp(_mean(ratios, group)):.2f}",
                f"{cpu / _mean([case.at(number, lambda each: each.seconds) for case in group], group):.2f}",
                f"{min(fixed):.0f}",
                f"{max(fixed):.0f}",
                end_section=sort == "all",
            )
    Console(width=116).print(table)


if __name__ == "__main__":
    sys.exit(report(bars(), ".2f"))
