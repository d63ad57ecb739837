"""`make bench`: measures everything; prints tables and a line per bar, writes bench/results.json.

Exit status 1 if a bar is short.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import functions, photos, pictures, race, settings
from bench.bars import Bar, report
from bench.process import ROOT, TOOLS, TOOLS_PYTHON, FailedError, apart

RESULTS = ROOT / "bench" / "results.json"
# The whole run ends within this: if time runs short, the last photos are left out.
MINUTES = float(os.environ.get("MINUTES", "10"))
# The rendition that is scored: its SSIMULACRA2 takes two seconds, that of the largest five.
SCORED = "medium"
# Points of SSIMULACRA2. An engine whose pictures differ from ours by more is not compared.
TOLERANCE = 2.0
FORMATS = race.DEFAULT["formats"]
OURS = "Darkroom"

console = Console(width=110)


def main() -> int:
    started = time.monotonic()
    console.print("Cold starts …")
    cold = functions.cold_starts()
    console.print("Peak memory of Resize …")
    peaks = functions.peaks()
    console.print("The package …")
    package = _or_none(functions.package_mb)
    with tempfile.TemporaryDirectory() as folder:
        results, names = _race(Path(folder), started + MINUTES * 60)
    summary = _summary(results)
    _print_race(summary, names)
    _print_functions(cold, peaks)
    bars = [*_race_bars(summary), *_function_bars(cold, peaks, package)]
    for name in pictures.PARTS:
        console.print(f"Pictures: {name} …")
        bars += apart(pictures.bars, name)
    status = report(bars, ".2f")
    for sentence in _not_measured(summary):
        print(sentence)
    measured = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(time.monotonic() - started),
        "photos": names,
        "engines": summary,
        "by_photo": results,
        "cold_start_cpu": cold,
        "resize_peak": peaks,
        "package_mb": package,
        "bars": [{"name": bar.name, "value": bar.value, "limit": bar.limit} for bar in bars],
    }
    RESULTS.write_text(json.dumps(measured, indent=2) + "\n")
    return status


def _or_none(measure: Callable[[], Any]) -> Any:
    try:
        return measure()
    except (FailedError, OSError) as error:
        console.print(f"  not measured: {error}", markup=False)
        return None


# --------------------------------------------------------------------------- the race


def _engines() -> dict[str, Callable[[Path, Path, Path], race.Result]]:
    def program(engine: str, options: dict[str, Any]) -> Callable[[Path, Path, Path], race.Result]:
        return lambda photo, warmup, folder: race.peer(engine, options, photo, warmup, folder)

    peers = {name: program(*peer) for name, peer in settings.PEERS.items()}
    if not (shutil.which("node") and (TOOLS / "node" / "node_modules" / "sharp").exists()):
        peers = {name: run for name, run in peers.items() if not name.startswith("sharp")}
    return {OURS: race.darkroom, **peers}


def _race(folder: Path, deadline: float) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Each engine's figures, photo by photo; and the names of the photos."""
    warmup = apart(photos.write_tiny, folder)
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in _engines()}
    names: list[str] = []
    longest = 0.0
    for photo in apart(photos.gather, folder):
        begun = time.monotonic()
        if names and begun + 1.2 * longest > deadline:
            console.print(f"  {photo.name}: left out, for time")
            continue
        console.print(f"{photo.name} …")
        reference = folder / f"{photo.stem}.reference.png"
        apart(photos.write_reference, photo, reference, race.DEFAULT["sizes"][SCORED])
        ran = {name: _measured(run, photo, warmup, folder / photo.stem / name) for name, run in _engines().items()}
        scores = _scores(reference, {name: result.outputs for name, result in ran.items()})
        for name, result in ran.items():
            figures = {"cpu": result.cpu, "peak": result.peak, "bytes": result.bytes, "score": scores[name]}
            results[name].append({**figures, "parts": result.parts, "version": result.version})
        names.append(photo.name)
        longest = max(longest, time.monotonic() - begun)
    return results, names


def _measured(run: Callable[[Path, Path, Path], race.Result], photo: Path, warmup: Path, folder: Path) -> race.Result:
    folder.mkdir(parents=True)
    return run(photo, warmup, folder)


def _scores(reference: Path, outputs: dict[str, dict[str, Path]]) -> dict[str, dict[str, float]]:
    """SSIMULACRA2 by engine and format, two processes at a time."""
    asked = [(engine, format_) for engine in outputs for format_ in FORMATS]
    pairs = [f"{reference}\t{outputs[engine][f'{SCORED}.{format_}']}\n" for engine, format_ in asked]

    def scored(lines: list[str]) -> list[float]:
        command = [str(TOOLS_PYTHON), str(ROOT / "bench" / "score.py")]
        done = subprocess.run(command, input="".join(lines), capture_output=True, text=True, check=True)  # noqa: S603
        return [float(line) for line in done.stdout.split()]

    with ThreadPoolExecutor(2) as pool:
        even, odd = pool.map(scored, (pairs[::2], pairs[1::2]))
    values = [value for pair in zip(even, odd, strict=False) for value in pair] + even[len(odd) :]
    scores: dict[str, dict[str, float]] = {engine: {} for engine in outputs}
    for (engine, format_), value in zip(asked, values, strict=True):
        scores[engine][format_] = value
    return scores


def _summary(results: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Per engine: geometric means of its ratios to Darkroom, mean scores, and medians of the figures themselves."""
    summary = {}
    for name, rows in results.items():
        ours = results[OURS]
        scores = {format_: statistics.mean(row["score"][format_] for row in rows) for format_ in FORMATS}
        summary[name] = {
            "version": rows[0]["version"],
            "cpu": _ratio(row["cpu"] / our["cpu"] for row, our in zip(rows, ours, strict=True)),
            "peak": _ratio(row["peak"] / our["peak"] for row, our in zip(rows, ours, strict=True)),
            "bytes": {
                format_: _ratio(
                    row["bytes"][format_] / our["bytes"][format_] for row, our in zip(rows, ours, strict=True)
                )
                for format_ in FORMATS
            },
            "total": _ratio(
                sum(row["bytes"].values()) / sum(our["bytes"].values()) for row, our in zip(rows, ours, strict=True)
            ),
            "score": scores,
            "cpu_seconds": statistics.median(row["cpu"] for row in rows),
            "peak_mb": statistics.median(row["peak"] for row in rows),
            "parts": {
                part: {
                    "cpu": statistics.median(row["parts"][part]["cpu"] for row in rows),
                    "peak": statistics.median(row["parts"][part]["peak"] for row in rows),
                }
                for part in rows[0]["parts"]
            },
        }
    for engine in summary.values():
        differences = [abs(engine["score"][format_] - summary[OURS]["score"][format_]) for format_ in FORMATS]
        engine["alike"] = max(differences) <= TOLERANCE
    return summary


def _ratio(ratios: Iterable[float]) -> float:
    return math.exp(statistics.mean(map(math.log, ratios)))


# --------------------------------------------------------------------------- results


def _race_bars(summary: dict[str, dict[str, Any]]) -> list[Bar]:
    def inverse(engine: str, *path: str) -> float | None:
        """Darkroom's figure over a peer's; None if the peer was not measured or its pictures differ."""
        value: Any = summary.get(engine)
        if value is None or not value["alike"]:
            return None
        for part in path:
            value = value[part]
        return 1 / float(value)

    cpu, bytes_ = inverse("Pillow, naive", "cpu"), inverse("Pillow, naive", "total")
    return [
        Bar("cpu-to-sharp-same-speed", inverse("sharp, same speed", "cpu"), 1.00),
        Bar("cpu-to-sharp-its-effort", inverse("sharp, its effort", "cpu"), 0.38),
        Bar("avif-bytes-to-sharp-its-effort", inverse("sharp, its effort", "bytes", "avif"), 1.05),
        # One pulls against the other: a slower encoder writes fewer bytes.
        Bar("cpu-times-bytes-to-naive-pillow", cpu and bytes_ and cpu * bytes_, 0.45),
        Bar("peak-memory-to-sharp", inverse("sharp, same speed", "peak"), 0.55),
    ]


def _function_bars(
    cold: dict[str, float], peaks: dict[str, dict[str, float]], package: dict[str, float] | None
) -> list[Bar]:
    def peak(kind: str) -> float | None:
        return peaks[kind]["mb"] if kind in peaks else None

    return [
        Bar("resize-mb-png-50-megapixels", peak("PNG, 50 megapixels"), 450),
        Bar("resize-mb-jpeg-96-megapixels", peak("JPEG, 96 megapixels"), 130),
        *(Bar(f"cold-start-{name}", cold[name] / cold["bare"], 1.35) for name in functions.FUNCTIONS),
        Bar("package-mb", max(package.values()) if package else None, 60),
    ]


def _not_measured(summary: dict[str, dict[str, Any]]) -> list[str]:
    sentences = [
        f"{name}: its pictures are not within {TOLERANCE:g} points of Darkroom's, so its ratios are no comparison."
        for name, engine in summary.items()
        if not engine["alike"]
    ]
    if not any(name.startswith("sharp") for name in summary):
        sentences.append("sharp was not measured: it needs Node.js 20.9 or later and npm. Its bars are short.")
    return sentences


def _print_race(summary: dict[str, dict[str, Any]], names: list[str]) -> None:
    table = Table(title=f"{len(names)} photos, 13 outputs each: ratios to Darkroom (geometric means), mean scores")
    for heading in ("engine", "CPU", "memory", *(f"{name} bytes" for name in FORMATS), "all bytes", "SSIMULACRA2"):
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    for name, engine in summary.items():
        title = f"{name} {engine['version']}".strip()
        table.add_row(
            title if engine["alike"] else f"({title})",
            f"{engine['cpu']:.2f}",
            f"{engine['peak']:.2f}",
            *(f"{engine['bytes'][format_]:.2f}" for format_ in FORMATS),
            f"{engine['total']:.2f}",
            " ".join(f"{engine['score'][format_]:.1f}" for format_ in FORMATS),
        )
    console.print(table)
    ours = summary[OURS]
    parts = ", ".join(f"{name} {part['cpu']:.2f} s {part['peak']:.0f} MB" for name, part in ours["parts"].items())
    console.print(f"Darkroom, median photo: {ours['cpu_seconds']:.2f} s of CPU ({parts}).")


def _print_functions(cold: dict[str, float], peaks: dict[str, dict[str, float]]) -> None:
    starts = ", ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in cold.items())
    console.print(f"Cold start, ms of CPU: {starts}.")
    table = Table(title="Peak memory of Resize")
    for heading in ("source", "MB", "bytes per pixel above a tiny one"):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    for kind, peak in peaks.items():
        table.add_row(kind, f"{peak['mb']:.0f}", f"{peak['bytes_per_pixel']:.1f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
