"""Stand-ins for what the functions' modules take from Python and Powertools: time, threads, ids, logs."""

from __future__ import annotations

import datetime as real_datetime
import itertools
import sys
import threading as real_threading
import time as real_time
import uuid as real_uuid
from collections.abc import Callable
from concurrent import futures as real_futures
from types import ModuleType, SimpleNamespace
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from tests.simulation.scheduler import Signal, Thread, current


def _time() -> float:
    process = current()
    return process.scheduler.now + process.offset


class Datetime(real_datetime.datetime):
    @classmethod
    def now(cls, tz: real_datetime.tzinfo | None = None) -> Any:
        return cls.fromtimestamp(_time(), tz)


class Event:
    def __init__(self) -> None:
        self._signal = Signal(current().scheduler)

    def set(self) -> None:
        self._signal.set()

    def is_set(self) -> bool:
        return self._signal.is_set

    def wait(self, timeout: float | None = None) -> bool:
        return current().wait(self._signal, timeout)


class StartedThread:
    """threading.Thread."""

    def __init__(self, target: Callable[..., Any], args: tuple[Any, ...] = (), daemon: bool = False) -> None:
        self._run = lambda: target(*args)
        self._thread: Thread | None = None

    def start(self) -> None:
        self._thread = current().thread(self._run)

    def join(self, timeout: float | None = None) -> None:
        assert self._thread is not None
        current().wait(self._thread.ended, timeout)


class Lock:
    """Of no use where threads take turns only when they wait, as long as none waits while it holds the lock."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class Future:
    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._error: Exception | None = None
        self.thread = current().thread(self._work)

    def _work(self) -> None:
        try:
            self._value = self._call()
        except Exception as error:
            self._error = error

    def result(self, timeout: float | None = None) -> Any:
        if not current().wait(self.thread.ended, timeout):
            raise TimeoutError
        if self._error:
            raise self._error
        return self._value


class ThreadPoolExecutor:
    """Starts each task at once, however few threads it may have."""

    def __init__(self, max_workers: int | None = None) -> None:
        self._futures: list[Future] = []

    def submit(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Future:
        future = Future(lambda: call(*args, **kwargs))
        self._futures.append(future)
        return future

    def map(self, call: Callable[..., Any], *iterables: Any) -> list[Any]:
        return [future.result() for future in [self.submit(call, *each) for each in zip(*iterables, strict=False)]]

    def __enter__(self) -> ThreadPoolExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        for future in self._futures:
            current().wait(future.thread.ended)


_ids = itertools.count()
_uuid = SimpleNamespace(uuid4=lambda: SimpleNamespace(hex=f"{next(_ids):032x}"))
_time_module = SimpleNamespace(
    time=_time,
    monotonic=lambda: current().scheduler.now,
    sleep=lambda seconds: current().sleep(seconds),
)
_threading = SimpleNamespace(Event=Event, Thread=StartedThread, Lock=Lock)

# What a module may have imported, and what it gets instead.
REPLACED: list[tuple[Any, Any]] = [
    (real_time, _time_module),
    (real_uuid, _uuid),
    (real_threading, _threading),
    (real_datetime.datetime, Datetime),
    (real_futures.ThreadPoolExecutor, ThreadPoolExecutor),
]


def install(module: ModuleType) -> None:
    """Replace what the module has imported."""
    for name, value in list(vars(module).items()):
        for real, stand_in in REPLACED:
            if value is real:
                setattr(module, name, stand_in)
    vars(module)["print"] = lambda *_, **__: None  # lines of metrics


class Logger:
    """Powertools' Logger. Its lines go to the process's log, if that keeps one."""

    def __init__(self, **_: Any) -> None: ...

    def inject_lambda_context(self, **_: Any) -> Callable[[Any], Any]:
        return lambda handler: handler

    def append_keys(self, **_: Any) -> None: ...

    def _log(self, message: object, **facts: Any) -> None:
        process = current()
        log = getattr(process, "log", None)
        if log is not None:
            log(f"{message} {facts}" if facts else str(message))

    debug = info = warning = error = _log

    def exception(self, message: object, **facts: Any) -> None:
        error = sys.exception()
        current().world.raised(error)  # type: ignore[attr-defined]
        self._log(message, error=repr(error), **facts)


class Metrics:
    """Powertools' EphemeralMetrics, which count nothing here."""

    def __init__(self, **_: Any) -> None: ...

    def add_dimension(self, *_: object) -> None: ...

    def add_metric(self, *_: object) -> None: ...

    def serialize_metric_set(self) -> dict[str, Any]:
        return {"_aws": {"CloudWatchMetrics": []}}


def powertools() -> dict[str, ModuleType]:
    """The modules in place of aws_lambda_powertools, by name."""
    module, metrics = ModuleType("aws_lambda_powertools"), ModuleType("aws_lambda_powertools.metrics")
    vars(module)["Logger"] = Logger
    vars(metrics).update(EphemeralMetrics=Metrics, MetricUnit=MetricUnit)
    return {each.__name__: each for each in (module, metrics)}
