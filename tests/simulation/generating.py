"""Random histories, each from its seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.history import KEY, NEIGHBOUR, Act, Fault, History

_BODIES = ["good 1", "good 1", "good 2", "good 2", "good 3", "good 7", "bad 1", "bad 1", "bad 2"]
# What is given with an upload: few different ones, so that it is often the same.
_FOCUS = ["", "", "0.1,0.1", "0.9,0.9"]
_ACTS = {
    "put": 45,
    "give": 6,
    "delete": 10,
    "undelete": 4,
    "undelete silently": 1,
    "erase": 5,
    "erase silently": 1,
    "suspend": 1.5,
    "enable": 1,
    "expire": 2,
    "recipe": 6,
    "address": 1,
    "move": 2,
    "pause": 4,
    "ask": 4,
    "force": 2,
    "redrive": 3,
    "restart": 2,
    "deface": 3,
    "edit": 3,
}
# The calls that each function may make.
CALLS = {
    "trigger": (
        "PutItem PutItem PutItem GetItem HeadObject GetObject UpdateItem DeleteItem StartExecution StartSyncExecution"
        " DescribeExecution Publish DeleteObjects ChangeMessageVisibility SendMessage ListObjectVersions ListObjectsV2"
        " Query PutObject"
    ),
    "validate": "GetObject HeadObject",
    "resize": "GetObject PutObject",
    "filters": "GetObject PutObject",
    "optimize": "GetObject PutObject PutObject PutObject DeleteObjects GetItem UpdateItem ListObjectsV2 HeadObject",
    "notify": "GetItem GetObject Publish Publish UpdateItem UpdateItem PutItem HeadObject",
}
_FUNCTIONS = [
    "trigger",
    "trigger",
    "trigger",
    "validate",
    "resize",
    "filters",
    "optimize",
    "optimize",
    "notify",
    "notify",
]
_KINDS = [
    "crash before",
    "crash after",
    "unreachable",
    "answer lost",
    "hangs",
    "hangs after",
    "throttled",
    "broken",
    "stalls",
]


@dataclass(frozen=True)
class Manner:
    """How rough a history is: how many faults it meets, how long outages last, how often the neighbour's key is used,
    how often several uploads come within one run."""

    faults: tuple[int, ...]
    outages: tuple[float, ...]
    neighbour: float
    burst: float


_USUAL = Manner((0, 1, 1, 2, 3, 4, 6), (20.0, 100.0, 700.0, 1500.0), neighbour=0.15, burst=0.02)
_ROUGH = Manner((2, 3, 4, 6, 8), (100.0, 700.0, 1500.0, 3000.0, 5000.0), neighbour=0.4, burst=0.15)


def history(seed: int) -> History:
    chance = random.Random(seed)
    manner = _ROUGH if chance.random() < 0.3 else _USUAL
    acts = tuple(sorted(_acts(chance, manner), key=lambda act: act.at))
    limit, acts = _over_days(seed, acts)
    end = acts[-1].at
    acts = tuple(sorted([*acts, *_backfills(random.Random(f"backfills of {seed}"), end)], key=lambda act: act.at))
    faults = tuple(fault for _ in range(chance.choice(manner.faults)) for fault in _faults(chance, end, manner))
    return History(
        acts,
        faults,
        delays=seed + 1,
        express=chance.random() < 0.4,
        versioned=chance.random() < 0.7,
        clocks=chance.random() < 0.5,
        eventbridge=chance.random() < 0.5,
        limit=limit,
        seed=seed,
    )


def _over_days(seed: int, acts: tuple[Act, ...]) -> tuple[int, tuple[Act, ...]]:
    """A limit for some histories; and for some, moments at which records expire."""
    chance = random.Random(-seed)
    limit = chance.choice([1, 1, 2, 3, 5]) if chance.random() < 0.15 else 0
    if chance.random() < 0.25:
        moments = [chance.uniform(acts[0].at + 100, acts[-1].at + 400) for _ in range(chance.randint(1, 3))]
        acts = tuple(sorted([*acts, *(Act(round(at, 1), "forget") for at in moments)], key=lambda act: act.at))
    return limit, acts


def _acts(chance: random.Random, manner: Manner) -> Iterator[Act]:
    moment = 1.0
    if chance.random() < 0.05:  # a set that was accepted stays, so memory is not lowered later
        yield Act(0.0, "memory", "", "1024")
        yield Act(round(chance.uniform(0, 300), 1), "memory", "", "1769")
    for number in range(chance.randint(2, 12)):
        kind = "put" if not number else chance.choices(list(_ACTS), list(_ACTS.values()))[0]
        key = NEIGHBOUR if chance.random() < manner.neighbour else KEY
        yield from _act(chance, round(moment, 1), kind, key)
        if chance.random() < manner.burst:
            for _ in range(chance.randint(2, 6)):
                moment += chance.uniform(0, 1)
                yield from _act(chance, round(moment, 1), "put", key)
        moment += chance.choices([chance.uniform(0, 2), chance.uniform(2, 30), chance.uniform(30, 900)], [45, 30, 25])[
            0
        ]


def _backfills(chance: random.Random, end: float) -> Iterator[Act]:
    """Backfills of either key, at any moment: one lists a source, and asks for it at once or minutes later."""
    for _ in range(chance.choice([0, 0, 1, 2, 4])):
        at, late = chance.uniform(1, end + 5), chance.choice([0, 0, chance.uniform(0, 5), chance.uniform(0, 300)])
        yield Act(round(at, 1), "backfill", chance.choice([KEY, KEY, NEIGHBOUR]), seconds=round(late, 1))


def _act(chance: random.Random, at: float, kind: str, key: str) -> Iterator[Act]:
    if kind == "put":
        body, focus = chance.choice(_BODIES), chance.choice(_FOCUS)
        yield Act(at, kind, key, f"{body} at {focus}" if focus else body)
    elif kind == "give":
        yield Act(at, kind, key, chance.choice(_FOCUS))
    elif kind == "recipe":
        yield Act(at, kind, "", chance.choice("ABC"), round(chance.uniform(-20, 20), 1))
    elif kind == "address":
        yield Act(at, kind, "", chance.choice(["", "https://images.example.com"]))
    elif kind == "pause":
        yield Act(at, kind)
        yield Act(round(at + chance.uniform(5, 300), 1), "resume")
    elif kind.startswith("erase"):
        yield Act(at, kind, key, chance.choice(["newest", "newest", "beneath", "oldest"]))
    elif kind == "deface":
        yield Act(at, kind, key, chance.choice(["manifest.json", "small.jpg", "large.jpg", "hero.jpg"]))
    elif kind == "edit":
        yield Act(at, kind, key, chance.choice(["half", "nothing", "list", "other etag", "other key", "no files"]))
    elif kind in ("suspend", "enable", "redrive", "move", "restart"):
        yield Act(at, kind)
    else:
        yield Act(at, kind, key)


def _faults(chance: random.Random, end: float, manner: Manner) -> Iterator[Fault]:
    draw = chance.random()
    nth = min(int(chance.expovariate(0.4)) + 1, 12)
    tries = chance.choice([1, 1, 2, 3])
    function = chance.choice(_FUNCTIONS)
    if draw < 0.15:
        kind = chance.choice(["lost", "twice", "late"])
        yield Fault(kind, "message", nth=nth, seconds=round(chance.uniform(1, 300), 1) if kind != "lost" else 0)
    elif draw < 0.20:
        yield Fault("aborted", "execution", nth=nth, seconds=round(chance.uniform(0, 5), 1))
    elif draw < 0.30:
        kind = chance.choice(["disconnected", "refused", "starts late"])
        seconds = round(chance.uniform(0, 8), 1) if kind != "refused" else 0
        yield Fault(kind, function, nth=nth, tries=tries, seconds=seconds)
    elif draw < 0.42:  # nobody waits for a function that goes on
        function, nth = chance.choice(["optimize", "optimize", "optimize", "notify", "resize"]), min(nth, 3)
        operation = chance.choice(CALLS[function].split())
        yield Fault("disconnected", function, nth=nth, tries=3, seconds=round(chance.uniform(0.2, 4), 1))
        yield Fault("stalls", function, operation, nth, seconds=round(chance.uniform(5, 58), 1))
    elif draw < 0.52:
        operation = chance.choice(CALLS[function].split())
        seconds = chance.choice(manner.outages)
        yield Fault("outage", function, operation, seconds=seconds, at=round(chance.uniform(0, end), 1))
    else:
        kind, operation = chance.choice(_KINDS), chance.choice(CALLS[function].split())
        seconds = round(chance.uniform(1, 70), 1) if kind == "stalls" else 0
        yield Fault(kind, function, operation, nth, tries if kind[:5] not in ("crash", "stall") else 1, seconds)
