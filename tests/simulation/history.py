"""A history: what people do to a bucket, and what goes wrong meanwhile. Plain data, printed as lines one can read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tests.simulation.settings import SETTINGS

# The neighbour's key is another one for whoever decodes it once too often, or not at all.
KEY, NEIGHBOUR = "raw/a.jpg", "raw/a.jpg/b+%20c.jpg"
FORGED = "0" * 32  # an ETag that no source has

_SIZES = {"small": {"width": 100, "height": 100}, "large": {"width": 200, "height": 200}}
_HERO = {"hero": {"size": "large", "filters": [{"filter": "grayscale"}]}}
# B has one rendition more than A; C accepts smaller sources only.
RECIPES: dict[str, dict[str, Any]] = {
    "A": {"sizes": _SIZES, "formats": ["jpeg"], "limits": {"pixels": 10}},
    "B": {"sizes": _SIZES, "formats": ["jpeg"], "limits": {"pixels": 10}, "filtered": _HERO},
    "C": {"sizes": _SIZES, "formats": ["jpeg"], "limits": {"pixels": 5}},
}


def folder(key: str) -> str:
    """Where the outputs of a source lie."""
    return f"processed/{key.removeprefix('raw/')}/"


@lru_cache
def recipes(name: str) -> Any:
    """recipes.json with one of RECIPES as its default, resolved by the functions' own code."""
    from tests.simulation.loading import resolved

    return resolved(json.dumps(RECIPES[name]))


@dataclass(frozen=True)
class Act:
    """`kind` is the name of a method of acts.Acts; `what` and `seconds` are its arguments."""

    at: float  # virtual seconds since the beginning
    kind: str
    key: str = ""
    what: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        lag = f" {self.seconds:+.1f} s" if self.seconds else ""
        return f"{self.at:8.1f} s  {' '.join(filter(None, [self.kind, self.key, self.what]))}{lag}"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the nth of something.

    Calls, by `function` and `operation` (of S3 also "operation file"): "crash before", "crash after"; for `tries` tries
    of the SDK "unreachable", "answer lost", "hangs", "hangs after", "throttled", "broken"; for `tries` calls "stalls"
    for `seconds`; "outage": each call fails from second `at` on, for `seconds`.
    Invocations, by `function` alone: "disconnected" after `seconds`, "refused", "starts late" by `seconds`; `tries` of
    them. Messages ("message"): "lost", "twice" and "late" by `seconds`. Executions ("execution"): "aborted" after
    `seconds`.
    """

    kind: str
    function: str
    operation: str = ""
    nth: int = 1
    tries: int = 1
    seconds: float = 0.0
    at: float = 0.0

    def __str__(self) -> str:
        if self.kind == "outage":
            return f"{self.at:8.1f} s  every {self.operation} of {self.function} fails for {self.seconds:.0f} s"
        times = f", {self.tries} times" if self.tries > 1 else ""
        lasting = f" ({self.seconds:.1f} s)" if self.seconds else ""
        what = " ".join(filter(None, [self.function, self.operation, str(self.nth)]))
        return f"     fault  {what}: {self.kind}{lasting}{times}"


@dataclass(frozen=True)
class History:
    acts: tuple[Act, ...]
    faults: tuple[Fault, ...] = ()
    delays: int = 0  # the seed of all delays; 0: each takes its usual time
    express: bool = False
    versioned: bool = True
    eventbridge: bool = False  # whether EventBridge tells of the bucket's changes, not S3 itself
    clocks: bool = False  # whether processes' clocks differ
    limit: int = 0  # DailyImageLimit until everybody has done all that they do, then it is lifted; 0: none
    seed: int = field(default=0, compare=False)  # that of the random history, to name it

    def pauses(self) -> list[tuple[float, float]]:
        """From when until when the intake is paused, or a limit may hold it. In the end nobody holds it any more."""
        resumed = [act.at for act in self.acts if act.kind == "resume"] + [self.end()]
        paused = [act.at for act in self.acts if act.kind == "pause"]
        pauses = [(begin, min(end for end in resumed if end >= begin)) for begin in paused]
        return [*pauses, (0.0, self.end() + SETTINGS.longest_brake)] if self.limit else pauses

    def end(self) -> float:
        """When everybody has done all that they do."""
        return max((act.at + abs(act.seconds) for act in self.acts), default=0.0) + 1

    def __str__(self) -> str:
        about = [
            "EXPRESS" if self.express else "STANDARD",
            "versions" if self.versioned else "no versions",
            "EventBridge" if self.eventbridge else "",
            f"delays {self.delays}" if self.delays else "usual delays",
            "clocks differ" if self.clocks else "",
            f"limit {self.limit}" if self.limit else "",
        ]
        return "\n".join([", ".join(filter(None, about)), *map(str, self.acts), *map(str, self.faults)])
