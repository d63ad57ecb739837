"""What long work says while it lasts."""

from __future__ import annotations

import pytest

from darkroom import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """One entry: the seconds that have passed."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_long_work_tells_every_few_seconds_how_far_it_is(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.counting("Deleting", 2000) as tick:
        for _ in range(12):
            clock[0] += 1
            tick(100)
    told = capsys.readouterr()
    assert told.out == ""  # results only
    assert told.err.splitlines() == [
        "Deleting: 500 of 2,000, 100 a second, 15 s left",
        "Deleting: 1,000 of 2,000, 100 a second, 10 s left",
    ]


def test_short_work_says_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.counting("Sending", 3) as tick:
        tick(3)
    assert capsys.readouterr().err == ""


def test_work_without_a_known_end_does_not_guess_it(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.counting("Reading") as tick:
        clock[0] += 10
        tick(0)
        clock[0] += 10
        tick(40)
    assert capsys.readouterr().err.splitlines() == ["Reading: 0, 0 a second", "Reading: 40, 2 a second"]
