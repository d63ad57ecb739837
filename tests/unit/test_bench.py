"""How the bench reckons: ratios, what is comparable, what was not measured."""

from __future__ import annotations

from typing import Any

import pytest

from bench import __main__ as bench
from bench import functions, settings
from bench.bars import Bar, at_least, at_most, report


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
    return {name: value for name, value, *_ in bench._race_bars(bench._summary(results))}


def test_ratios_are_geometric_means_over_the_photos() -> None:
    assert round(bars()["cpu-to-sharp-same-speed"], 6) == 1.0  # half of it once, twice as much once
    assert round(bars()["cpu-times-bytes-to-naive-pillow"], 6) == 0.125  # a quarter of the one, half of the other


def test_pictures_that_look_different_are_not_compared() -> None:
    assert bars(peer_score=71.9)["cpu-times-bytes-to-naive-pillow"] is None
    assert bars(peer_score=76.1)["cpu-times-bytes-to-naive-pillow"] is None
    assert bars(peer_score=76.1)["cpu-to-sharp-same-speed"] is not None


def test_a_slow_minute_in_the_midst_changes_no_cold_start() -> None:
    """The medians of each alone would make 4/3 of what is 6/5 in every round."""
    seconds = {"bare": [0.3, 0.3, 0.4, 0.5, 0.6], "trigger": [0.36, 0.36, 0.48, 0.6, 0.72]}
    seconds["trigger"][2] = 0.9  # one hiccup
    assert functions.paired(seconds) == pytest.approx({"bare": 0.4, "trigger": 0.48})


def test_a_peer_that_was_not_measured_has_no_value() -> None:
    assert bars()["cpu-to-sharp-its-effort"] is None
    assert bench._function_bars(dict.fromkeys(["bare", *bench.functions.FUNCTIONS], 1.0), {}, None)[0].value is None


def test_peers_encode_each_size_at_our_speed() -> None:
    assert settings.EFFORTS == {"thumbnail": 3, "small": 3, "medium": 2, "large": 2}


@pytest.mark.parametrize(
    ("bar", "line"),
    [
        (Bar("lost", 0, 0, at_most), "BAR lost 0 0 ok"),
        (Bar("lost", 1, 0, at_most), "BAR lost 1 0 short"),
        (Bar("uploads", 999, 1000, at_least), "BAR uploads 999 1000 short"),
        (Bar("cpu", 0.5, 1.10), "BAR cpu 0.5 1.1 ok"),
        (Bar("cpu", None, 1.10), "BAR cpu - 1.1 short"),
        (Bar("uploads", None, 0, at_least), "BAR uploads - 0 short"),
    ],
)
def test_a_bar_is_a_line_and_an_exit_status(bar: Bar, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert report([bar]) == line.endswith("short")
    assert capsys.readouterr().out == f"{line}\n"


def test_the_bench_prints_two_decimals(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([Bar("cpu", 1 / 3, 1.10), Bar("package-mb", None, 60)], ".2f") == 1
    assert capsys.readouterr().out == "BAR cpu 0.33 1.1 ok\nBAR package-mb - 60 short\n"
