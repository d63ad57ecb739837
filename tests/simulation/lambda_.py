"""Lambda: invocations with init, timeout and a caller that may give up on them; the trigger's event source mapping."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests.simulation.scheduler import Process, Signal
from tests.simulation.settings import SETTINGS

if TYPE_CHECKING:
    from tests.simulation.sqs import Message, Queue
    from tests.simulation.world import World

SHORT_NAMES = {name: function.handler.partition(".")[0] for name, function in SETTINGS.functions.items()}


class Running(Process):
    """An invocation's process: in it, `function`'s code runs with the recipes of that moment."""

    def __init__(self, world: World, function: str) -> None:
        chance = world.scheduler.chance(f"clock of {function}") if world.history.clocks else 0.5
        super().__init__(world.scheduler, function, 0.0 if 0.2 <= chance < 0.8 else 2.0 if chance < 0.2 else -2.0)
        self.world = world
        self.function = function
        self.event: Any = None  # what it was handed
        self.recipes = world.recipes[function]

    def log(self, line: str) -> None:
        self.world.log(f"{self.function}: {line}")


class Invocation:
    """What the caller sees: a result or an error, (name, message), once `answered`; the function may go on."""

    def __init__(self, world: World) -> None:
        self.answered = Signal(world.scheduler)
        self.result: Any = None
        self.error: tuple[str, str] | None = None

    def answer(self, result: Any = None, error: tuple[str, str] | None = None) -> None:
        if not self.answered.is_set:
            self.result, self.error = result, error
            self.answered.set()


class Lambda:
    def __init__(self, world: World) -> None:
        self._world = world

    def invoke(self, name: str, payload: Any) -> Invocation:
        """Start the function with this name in the template."""
        world, invocation, function = self._world, Invocation(self._world), SHORT_NAMES[name]
        fault = world.faults.next(function)
        if fault and fault.kind == "refused":
            invocation.answer(error=("Lambda.TooManyRequestsException", "Rate exceeded"))
            return invocation
        if fault and fault.kind == "disconnected":
            gone = ("Lambda.SdkClientException", "Unable to execute HTTP request")
            world.scheduler.after(fault.seconds, lambda: invocation.answer(error=gone))
        late = fault.seconds if fault and fault.kind == "starts late" else 0
        self._start(name, payload, invocation, late)
        return invocation

    def _start(self, name: str, payload: Any, invocation: Invocation, late: float) -> None:
        world, function, settings = self._world, SHORT_NAMES[name], SETTINGS.functions[name]
        handler = world.code[settings.handler.rpartition(".")[0]].lambda_handler
        scheduler = world.scheduler
        process = Running(world, function)
        event = json.dumps(payload)
        process.event = json.loads(event)

        def run() -> None:
            process.sleep(late + _init(scheduler.chance("init")))
            deadline = scheduler.now + settings.timeout
            scheduler.at(deadline, lambda: end(error=("Sandbox.Timedout", f"Task timed out after {settings.timeout}")))
            context = SimpleNamespace(
                get_remaining_time_in_millis=lambda: int(1000 * (deadline - scheduler.now)),
                memory_limit_in_mb=settings.memory if function == "notify" else world.memory,
            )
            try:
                answer = json.loads(json.dumps(handler(json.loads(event), context)))
            except Exception as error:
                failure = (type(error).__name__, str(error))
                process.log(f"raised {failure[0]}: {failure[1]}")
                world.raised(error)
                scheduler.after(0, lambda: end(error=failure))
            else:
                scheduler.after(0, lambda: end(answer))

        def end(result: Any = None, error: tuple[str, str] | None = None) -> None:
            if process.alive:
                process.on_death = lambda: invocation.answer(result, error)
                process.kill()

        process.on_death = lambda: invocation.answer(error=("Runtime.ExitError", "RequestId: Error: exited"))
        world.processes.append(process)
        process.thread(run)


def _init(chance: float) -> float:
    """Seconds of a cold start, which one call in eight pays."""
    return 0.0 if chance < 0.875 else (chance - 0.875) * 80


class EventSource:
    """Hands a queue's messages to the trigger: `batch_size` at a time, to the queue's `concurrency` at a time."""

    def __init__(self, world: World, queue: Queue, url: str) -> None:
        self._world, self._queue = world, queue
        self._concurrency, self._name = SETTINGS.concurrency[url], url.rpartition("/")[2]
        self._running = 0
        self.paused = False
        queue.ready = self._dispatch

    def resume(self) -> None:
        self.paused = False
        self._dispatch()

    def _dispatch(self) -> None:
        while not self.paused and self._running < self._concurrency:
            batch = self._queue.receive(SETTINGS.batch_size)
            if not batch:
                return
            self._running += 1
            invocation = self._world.lambdas.invoke("TriggerFunction", _event(batch, self._name))
            _when(
                self._world,
                invocation.answered,
                lambda batch=batch, invocation=invocation: self._end(batch, invocation),
            )  # type: ignore[misc]

    def _end(self, batch: list[Message], invocation: Invocation) -> None:
        self._running -= 1
        if invocation.error is None:
            failed = {each["itemIdentifier"] for each in invocation.result["batchItemFailures"]}
            assert failed <= {message.id for message in batch}
            for message in batch:
                if message.id not in failed:
                    self._queue.delete(message)
        self._dispatch()


def _event(batch: list[Message], queue: str) -> dict[str, Any]:
    records = [
        {
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
            "messageId": message.id,
            "receiptHandle": message.receipt,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.receives),
                "SentTimestamp": str(int(1000 * message.sent_at)),
            },
            "messageAttributes": {
                name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
                for name, value in message.attributes.items()
            },
        }
        for message in batch
    ]
    return {"Records": records}


def _when(world: World, signal: Signal, action: Callable[[], None]) -> None:
    """Do something once the signal is set."""
    process = Process(world.scheduler, "event source")

    def run() -> None:
        process.wait(signal)
        world.scheduler.after(0, action)

    process.thread(run)
