"""How the bench reckons: ratios, what is comparable, what was not measured."""

from __future__ import annotations

from typing import Any

from bench import __main__ as bench
from bench import settings


def row(cpu: float = 1.0, score: float = 74.0, bytes_: int = 100) -> dict[str, Any]:
    return {
        "cpu": cpu,
        "peak": 100.0 * cpu,
        "bytes": dict.fromkeys(bench.FORMATS, bytes_),
        "score": dict.fromkeys(bench.FORMATS, score),
        "parts": {},
        "version": "",
    }


def bars(peer_score: float = 74.0) -> dict[str, float | None]:
    results = {
        bench.OURS: [row(), row(2)],
        "sharp, same speed": [row(2), row(1)],
        "Pillow, naive": [row(4, peer_score, 200), row(8, peer_score, 200)],
    }
    return {name: value for name, value, _ in bench._race_bars(bench._summary(results))}


def test_ratios_are_geometric_means_over_the_photos() -> None:
    assert round(bars()["cpu-to-sharp-same-speed"], 6) == 1.0  # half of it once, twice as much once
    assert round(bars()["cpu-to-naive-pillow"], 6) == 0.25
    assert round(bars()["bytes-to-naive-pillow"], 6) == 0.5


def test_pictures_that_look_different_are_not_compared() -> None:
    assert bars(peer_score=71.9)["cpu-to-naive-pillow"] is None
    assert bars(peer_score=76.1)["bytes-to-naive-pillow"] is None
    assert bars(peer_score=76.1)["cpu-to-sharp-same-speed"] is not None


def test_what_was_not_measured_has_no_value() -> None:
    assert bars()["cpu-to-sharp-its-effort"] is None
    assert bench._function_bars(dict.fromkeys(["bare", *bench.functions.FUNCTIONS], 1.0), {}, None)[0][1] is None


def test_peers_encode_each_size_at_our_speed() -> None:
    assert dict.fromkeys(["thumbnail", "small", "medium", "large"], 3) == settings.EFFORTS
