"""Makes a history that fails as short as it can be, and still fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from tests.simulation.history import History


def shrunk(history: History, fails: Callable[[History], bool]) -> History:
    """The shortest history that was found by leaving out what does not matter."""
    found = True
    while found:
        found = False
        for simpler in _simpler(history):
            if fails(simpler):
                history, found = simpler, True
                break
    return history


def _simpler(history: History) -> Iterator[History]:
    """The histories that are one step simpler, the greatest steps first."""

    def change(**fields: object) -> History:
        return dataclasses.replace(history, **fields)  # type: ignore[arg-type]

    acts, faults = history.acts, history.faults
    if faults:
        yield change(faults=())
    for start in range(len(faults)):
        yield change(faults=faults[:start] + faults[start + 1 :])
    for size in (4, 2, 1):
        for start in range(len(acts) - size + 1):
            yield change(acts=acts[:start] + acts[start + size :])
    if history.delays:
        yield change(delays=0)
    if history.clocks:
        yield change(clocks=False)
    if history.express:
        yield change(express=False)
    if history.eventbridge:
        yield change(eventbridge=False)
    if not history.versioned:
        yield change(versioned=True)
    for index, fault in enumerate(faults):
        if fault.tries > 1:
            yield change(faults=(*faults[:index], dataclasses.replace(fault, tries=1), *faults[index + 1 :]))
    for index, act in enumerate(acts):
        if act.at != round(act.at):
            rounder = dataclasses.replace(act, at=float(round(act.at)), seconds=float(round(act.seconds)))
            yield change(acts=(*acts[:index], rounder, *acts[index + 1 :]))
