"""One virtual clock, and processes that wait on it.

A process is a Lambda invocation or an execution. Its threads are greenlets: they run until they wait, and all others
run meanwhile. Nothing here takes real time, and the same history runs in the same order each time.
"""

from __future__ import annotations

import heapq
import itertools
import zlib
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

EPOCH = 1_800_056_700.0  # the virtual second 0: at second 900, a day (UTC) ends


class Killed(BaseException):  # `except Exception` must not see it
    """Unwinds the threads of a process that was killed. What their `finally` blocks ask for has no effect."""


class Scheduler:
    """The clock, and what happens next."""

    def __init__(self, seed: int) -> None:
        self.now = EPOCH
        self.seed = seed
        self.hub = getcurrent()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._drawn: dict[str, int] = {}

    def at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (moment, next(self._order), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds, action)

    def run(self, until: float) -> bool:
        """Let everything happen until the moment `until`. Returns True if nothing is left to happen."""
        while self._heap and self._heap[0][0] <= until:
            moment, _, action = heapq.heappop(self._heap)
            self.now = max(self.now, moment)
            action()
        return not self._heap

    def chance(self, name: str) -> float:
        """A number from 0 to 1: the nth of this name. Other names' numbers do not depend on it; 0.5 without a seed.

        So a history from which an act was removed meets the same delays elsewhere.
        """
        if not self.seed:
            return 0.5
        nth = self._drawn[name] = self._drawn.get(name, 0) + 1
        return zlib.crc32(f"{name} {nth} {self.seed * 2654435761}".encode()) / 2**32


class Thread(greenlet):
    """A greenlet of a process."""

    def __init__(self, process: Process, run: Callable[[], Any]) -> None:
        super().__init__(self._guarded, process.scheduler.hub)
        self.process = process
        self.turn = 0
        self.ended = Signal(process.scheduler)
        self._run = run
        process.threads.add(self)

    def _guarded(self) -> None:
        try:
            self._run()
        except Killed:
            pass
        finally:
            self.process.threads.discard(self)
            self.ended.set()

    def stop(self) -> None:
        """End this thread alone. To be called from outside of the process."""
        if self:  # started, and not at its end
            self.throw(Killed)

    def wake(self, turn: int) -> None:
        """Go on, unless the thread has been woken from that wait already."""
        if turn == self.turn and self.process.alive:
            self.turn += 1
            self.switch()


class Process:
    """Threads that are killed together. Its own clock differs from the world's by `offset` seconds."""

    def __init__(self, scheduler: Scheduler, name: str, offset: float = 0.0) -> None:
        self.scheduler = scheduler
        self.name = name
        self.offset = offset
        self.alive = True
        self.threads: set[Thread] = set()
        self.on_death: Callable[[], None] = lambda: None

    def thread(self, run: Callable[[], Any]) -> Thread:
        """Start a thread: it runs as soon as all others wait."""
        thread = Thread(self, run)
        self.scheduler.after(0, lambda: thread.wake(0))
        return thread

    def kill(self) -> None:
        """End all threads at once. To be called from outside of them."""
        if not self.alive:
            return
        self.alive = False
        for thread in list(self.threads):
            thread.stop()
        self.threads.clear()
        self.on_death()

    def die(self) -> None:
        """End the process from within one of its threads. Does not return."""
        self.scheduler.after(0, self.kill)
        self.wait(None)

    def sleep(self, seconds: float) -> None:
        thread = self._current()
        turn = thread.turn
        self.scheduler.after(seconds, lambda: thread.wake(turn))
        self._pause()

    def wait(self, signal: Signal | None, timeout: float | None = None) -> bool:
        """Wait until the signal is set, for at most `timeout` seconds. Returns whether it is."""
        thread = self._current()
        if signal is not None:
            if signal.is_set:
                return True
            signal.waiters.append((thread, thread.turn))
        if timeout is not None:
            turn = thread.turn
            self.scheduler.after(timeout, lambda: thread.wake(turn))
        self._pause()
        return signal is not None and signal.is_set

    def _current(self) -> Thread:
        if not self.alive:
            raise Killed
        thread = getcurrent()
        assert isinstance(thread, Thread)
        assert thread.process is self
        return thread

    def _pause(self) -> None:
        self.scheduler.hub.switch()
        if not self.alive:
            raise Killed


class Signal:
    """Set once; wakes all that wait for it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.is_set = False
        self.waiters: list[tuple[Thread, int]] = []

    def set(self) -> None:
        self.is_set = True
        for thread, turn in self.waiters:
            self.scheduler.after(0, lambda thread=thread, turn=turn: thread.wake(turn))  # type: ignore[misc]
        self.waiters.clear()


def current() -> Process:
    """The process that is running."""
    thread = getcurrent()
    if not isinstance(thread, Thread):
        raise RuntimeError("a function's code is running outside of any process")
    return thread.process
