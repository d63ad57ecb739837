"""A key that changes without end: do others have to wait for it?"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass

from tests.simulation import loading
from tests.simulation.acts import Acts
from tests.simulation.history import Act, Fault, History
from tests.simulation.scheduler import EPOCH
from tests.simulation.world import ENDLESS, World

HOT = "raw/webcam.jpg"
OTHERS = [f"raw/other-{number:02}.jpg" for number in range(17)]
EVERY, LASTS, RUN = 2.0, 1000.0, 5.0
# How many times as long as without the hot key others may wait; how old the hot key's set may get.
RATIO, OLDEST = 2.0, 60.0


@dataclass(frozen=True)
class Waits:
    """Seconds from upload to message, of the other keys; the longest time without a new set of the hot key."""

    others: list[float]
    unserved: int
    gap: float
    letters: int


def measure(seed: int, *, hot: bool, edits: tuple[loading.Edit, ...] = ()) -> Waits:
    """Upload the other keys over the time, with or without the hot key."""
    acts = [Act(10 + LASTS / len(OTHERS) * number, "put", key, "good 1") for number, key in enumerate(OTHERS)]
    if hot:
        acts += [Act(EVERY * number, "put", HOT, f"good {number % 9 + 1}") for number in range(int(LASTS / EVERY))]
    slow = Fault("stalls", "resize", "PutObject", tries=10**6, seconds=RUN - 2)  # every run takes about RUN seconds
    world = World(History((), (slow,), delays=seed), loading.load(False, edits))
    actor = Acts(world)
    for act in acts:
        actor.schedule(act)
    world.run(LASTS + ENDLESS)
    told = {}
    hot_moments = [0.0]
    for message in world.published:
        key, moment = message.key, message.moment - EPOCH
        told.setdefault(key, moment)
        if key == HOT and message.status == "SUCCEEDED":
            hot_moments.append(moment)
    waits = [told[act.key] - act.at for act in acts if act.key != HOT and act.key in told]
    gaps = [after - before for before, after in zip(hot_moments, [*hot_moments[1:], LASTS], strict=True)]
    letters = [json.loads(letter.body) for letter in world.letters.messages]
    world.close()
    return Waits(waits, len(OTHERS) - len(waits), max(gaps) if hot else 0.0, len(letters))


def _longest_but_one(waits: list[float]) -> float:
    """One wait may meet two cold starts of ten seconds: that is the dice, and not the hot key."""
    return sorted(waits)[-2]


def starved(seed: int = 1, edits: tuple[loading.Edit, ...] = ()) -> list[str]:
    """What is wrong with how the others were served."""
    alone, beside = measure(seed, hot=False, edits=edits), measure(seed, hot=True, edits=edits)
    found = []
    for name, of in (("mean", statistics.mean), ("longest but one", _longest_but_one)):
        before, after = of(alone.others), of(beside.others)
        if after > RATIO * before:
            found.append(f"the {name} wait of the other keys grew from {before:.1f} to {after:.1f} s")
    if beside.unserved:
        found.append(f"{beside.unserved} other keys were never served")
    if beside.gap > OLDEST:
        found.append(f"the hot key had no new set for {beside.gap:.0f} s")
    if beside.letters:
        found.append(f"{beside.letters} healthy messages went to the dead-letter queue")
    return found
