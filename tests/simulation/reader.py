"""A reader, who takes a key's manifest and then the files that it lists, whenever one of its outputs changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from greenlet import getcurrent

from tests.simulation import sets
from tests.simulation.history import KEY, NEIGHBOUR, History
from tests.simulation.s3 import Bucket
from tests.simulation.scheduler import EPOCH, Scheduler, Thread

# Seconds in which a reader may get anything but one whole set. README: "in a few seconds", if nothing breaks: from an
# attempt's first PUT to its manifest, and the removal of what the new set does not have. Else "half an hour at the
# worst", after the end of what people do to the key, of pauses and of outages.
UNDISTURBED, DISTURBED = 10.0, 1800.0


@dataclass(frozen=True)
class Mix:
    """A time in which the manifest and the files that it lists were not one whole set, in seconds of the history."""

    key: str
    begin: float
    end: float | None = None
    by_hand: bool = False  # somebody removed or edited a file: nobody mends it unless asked


class Reader:
    """`over` and `lasting`: the mixes that were read so far; `harmed`: keys whose set somebody has removed or edited a
    part of, until there is a whole set again, or a function has removed the rest."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.output: Bucket | None = None
        self.over: list[Mix] = []
        self.lasting: dict[str, Mix] = {}
        self.harmed: set[str] = set()

    def look(self, event: str, changed: str, version_id: str) -> None:
        """Read the key to which a changed output belongs."""
        assert self.output is not None
        key = "raw/" + changed.rpartition("/")[0].removeprefix("processed/")
        if key not in (KEY, NEIGHBOUR):
            return
        now, by_hand = self._scheduler.now - EPOCH, not isinstance(getcurrent(), Thread)
        lasting = self.lasting.pop(key, None)
        files = sets.outputs(self.output, key)
        found = sets.torn(files, key) if files else []
        if by_hand and (found or not files):  # the rest may be on its way
            self.harmed.add(key)
        elif not found:
            self.harmed.discard(key)
        # Without a manifest, a reader expects nothing. What it does not list is not read.
        if "manifest.json" in files and any("orphan" not in each for each in found):
            mix = lasting or Mix(key, now)
            self.lasting[key] = replace(mix, by_hand=mix.by_hand or key in self.harmed)
        elif lasting:
            self.over.append(replace(lasting, end=now))

    def problems(self, history: History, *, faults: bool) -> Iterator[str]:
        """Which mixes lasted too long. Now nothing is pending: so none may last, unless it was made by hand."""
        for mix in (*self.over, *self.lasting.values()):
            if mix.by_hand:
                continue
            if mix.end is None:
                yield f"{mix.key}: from second {mix.begin:.0f} on the manifest and its files are no whole set"
            elif mix.end > (allowed := _until(mix, history, DISTURBED if faults else UNDISTURBED)):
                lasted, much = mix.end - mix.begin, mix.end - allowed
                yield f"{mix.key}: from second {mix.begin:.0f} on, no whole set for {lasted:.0f} s, {much:.0f} too long"

    def longest(self) -> float:
        return max((mix.end - mix.begin for mix in self.over if mix.end and not mix.by_hand), default=0.0)


def _until(mix: Mix, history: History, seconds: float) -> float:
    """How long a mix may last: what disturbs the key meanwhile prolongs it."""
    disturbances = [(act.at, act.at + abs(act.seconds)) for act in history.acts if act.key in ("", mix.key)]
    disturbances += [(fault.at, fault.at + fault.seconds) for fault in history.faults if fault.kind == "outage"]
    return prolonged(mix.begin + seconds, seconds, [*disturbances, *history.pauses()])


def prolonged(until: float, seconds: float, disturbances: Iterable[tuple[float, float]]) -> float:
    """Until when something may last that may last for `seconds` after the end of each disturbance that it meets."""
    for begin, end in sorted(disturbances):
        if begin <= until:
            until = max(until, end + seconds)
    return until
