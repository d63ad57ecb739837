"""How `make tune` reckons: what more processors bring, and the stages of an image's way."""

from __future__ import annotations

from typing import Any

import pytest

from bench import tune, way


@pytest.mark.parametrize(
    ("work", "threads", "share", "seconds"),
    [
        ([4, 2, 1, 1], 1, 1.0, 8.0),
        ([4, 2, 1, 1], 2, 2.0, 4.0),  # one thread has the longest, the other one the rest
        ([4, 1, 1, 2], 2, 2.0, 4.0),
        ([1, 1, 4], 2, 2.0, 5.0),  # the order counts
        ([4, 2, 1, 1], 4, 4.0, 4.0),  # no sooner than the longest
        ([4, 4], 2, 1.0, 8.0),  # two threads on one processor
        ([4, 4], 2, 1.5, 16 / 3),
        ([3, 1], 2, 1.5, 1 / 0.75 + 2.0),  # who is alone gets a whole processor, and no more
        ([], 2, 2.0, 0.0),
    ],
)
def test_encodes_are_replayed_on_a_share_of_processors(
    work: list[float], threads: int, share: float, seconds: float
) -> None:
    assert tune.replayed(work, threads, share) == pytest.approx(seconds)


def trace(function: str, began: float, ended: float, *requests: tuple[str, str, float, float]) -> dict[str, Any]:
    noted = [{"operation": name, "key": key, "began": start, "ended": end} for name, key, start, end in requests]
    return {"function": function, "began": began, "ended": ended, "cpu": 0.1, "peak": 90.0, "requests": noted}


def test_the_way_of_an_image_has_stages_without_gaps() -> None:
    """The longer branch counts, and the manifest is written before OptimizeImage ends."""
    traces = [
        trace("validate", 3.0, 3.5),
        trace("filters", 4.0, 4.5),
        trace("resize", 4.1, 5.0),
        trace(
            "optimize",
            *(5.5, 7.0),
            ("PutObject", "processed/a.jpg/large.avif", 6.0, 6.4),
            ("PutObject", "processed/a.jpg/manifest.json", 6.5, 6.75),
        ),
        trace("notify", 7.1, 7.2),
        trace("trigger", 1.5, 8.0, ("PutItem", "", 1.6, 1.7), ("StartSyncExecution", "", 2.0, 7.5)),
    ]
    taken = way.stages(1.0, traces)
    assert [taken[stage] for stage in way.STAGES] == pytest.approx([0.5, 0.5, 1.0, 0.5, 0.6, 0.9, 0.5, 1.25])
    assert taken["all"] == sum(taken[stage] for stage in way.STAGES) == pytest.approx(5.75)
    assert way.ratio(taken) == pytest.approx(5.75 / (0.5 + 0.9 + 1.5))
    assert (taken["run"], taken["requests of trigger"]) == (5.5, 2)


def test_functions_wait_for_their_requests_and_for_what_they_move() -> None:
    moved = {"validate": 4.0, "optimize": 8.0}
    get, put, other = (tune.REQUEST_SECONDS[kind] for kind in ("get", "put", "other"))
    assert tune.waits("validate", moved) == pytest.approx(get + 4 / tune.MB_PER_SECOND)
    assert tune.waits("optimize", moved) == pytest.approx(get + 2 * put + other + 8 / tune.MB_PER_SECOND)
