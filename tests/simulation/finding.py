"""How the histories that went wrong once are written down."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.history import KEY, Act, Fault, History

GOOD, OTHER, BAD, LARGE = "good 1", "good 2", "bad 1", "good 7"
NAMED = 1  # delays with which each event names its version, "null" too


@dataclass(frozen=True)
class Finding:
    """`made`: no job may have FAILED at the end. `stands`: whether there must be a set then."""

    history: History
    made: bool = True
    stands: bool | None = None


def history(
    *acts: tuple[float, str, str] | tuple[float, str, str, float],
    faults: tuple[Fault, ...] = (),
    versioned: bool = True,
    express: bool = False,
    eventbridge: bool = False,
    delays: int = 0,
    limit: int = 0,
) -> History:
    everywhere = {
        "recipe",
        "pause",
        "resume",
        "suspend",
        "enable",
        "redrive",
        "move",
        "restart",
        "address",
        "memory",
        "forget",
    }
    return History(
        tuple(Act(at, kind, "" if kind in everywhere else KEY, what, *seconds) for at, kind, what, *seconds in acts),
        faults,
        versioned=versioned,
        express=express,
        eventbridge=eventbridge,
        delays=delays,
        limit=limit,
    )


def zombie(nth: int, seconds: float, operation: str, stall: float) -> tuple[Fault, ...]:
    """The nth OptimizeImage and its retries lose their connection, and the function goes on."""
    lost = Fault("disconnected", "optimize", nth=nth, tries=3, seconds=seconds)
    return lost, Fault("stalls", "optimize", operation, nth, seconds=stall)
