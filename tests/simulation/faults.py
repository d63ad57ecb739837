"""Looks up which of a history's faults the nth call, invocation, message or execution meets."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from tests.simulation.history import Fault
from tests.simulation.scheduler import EPOCH, Scheduler


class Faults:
    def __init__(self, faults: tuple[Fault, ...], scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._counts: Counter[tuple[str, str]] = Counter()
        self._faults: dict[tuple[str, str], list[Fault]] = defaultdict(list)
        for fault in faults:
            self._faults[fault.function, fault.operation].append(fault)
        self.met: set[Fault] = set()

    def of_call(self, function: str, operation: str, params: dict[str, Any]) -> Fault | None:
        """The fault of a function's next call of an operation, or of "operation file" with the object's file name."""
        fault = self._next(function, operation, by_call=True)
        if isinstance(key := params.get("Key"), str):
            return self._next(function, f"{operation} {key.rpartition('/')[2]}", by_call=True) or fault
        return fault

    def next(self, function: str) -> Fault | None:
        """The fault of the next invocation of a function, the next "message" or the next "execution"."""
        return self._next(function, "", by_call=False)

    def _next(self, function: str, operation: str, *, by_call: bool) -> Fault | None:
        self._counts[function, operation] += 1
        nth = self._counts[function, operation]
        for fault in self._faults.get((function, operation), ()):
            last = fault.nth if by_call and fault.kind != "stalls" else fault.nth + fault.tries - 1
            if self._in_outage(fault) if fault.kind == "outage" else fault.nth <= nth <= last:
                self.met.add(fault)
                return fault
        return None

    def _in_outage(self, fault: Fault) -> bool:
        return fault.at <= self._scheduler.now - EPOCH <= fault.at + fault.seconds
