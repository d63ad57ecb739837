"""SQS: messages that hide while a receiver has them, come back, and go to the dead-letter queue at last."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.refusals import Refusal
from tests.simulation.scheduler import Scheduler

Params = dict[str, Any]
LONGEST_DELAY, LONGEST_VISIBILITY = 900, 43_200


@dataclass(eq=False)
class Message:
    id: str
    body: str
    sent_at: float
    visible_at: float
    attributes: dict[str, Any] = field(default_factory=dict)
    receives: int = 0
    receipt: str = ""


class Queue:
    """`ready` is called whenever a message may have become visible."""

    def __init__(
        self, scheduler: Scheduler, *, max_receives: int = 0, letters: Queue | None = None, visibility: float = 30
    ) -> None:
        self.scheduler = scheduler
        self.messages: list[Message] = []
        self.ready: Callable[[], None] = lambda: None
        self._max_receives, self._letters, self._visibility = max_receives, letters, visibility
        self._ids = itertools.count(1)

    def send(self, body: str, delay: float = 0, attributes: dict[str, Any] | None = None) -> Message:
        now = self.scheduler.now
        message = Message(f"m{next(self._ids)}", body, now, now + delay, attributes or {})
        self.messages.append(message)
        self.scheduler.at(message.visible_at, self.ready)
        return message

    def take(self, message: Message) -> None:
        """A message that SQS moves here from another queue: it keeps its time, and has not been received."""
        self.messages.append(message)
        message.id, message.receives, message.visible_at = f"m{next(self._ids)}", 0, self.scheduler.now
        self.scheduler.after(0, self.ready)

    def receive(self, most: int) -> list[Message]:
        """Take visible messages, roughly in order. Those received too often move to the dead-letter queue."""
        now = self.scheduler.now
        visible = sorted((each for each in self.messages if each.visible_at <= now), key=lambda each: each.visible_at)
        if len(visible) > 1 and self.scheduler.chance("disorder") < 0.1:
            visible.append(visible.pop(0))
        taken: list[Message] = []
        for message in visible:
            if len(taken) == most:
                break
            message.receives += 1
            if self._letters and message.receives > self._max_receives:
                self.messages.remove(message)
                self._letters.messages.append(message)
                continue
            message.receipt = f"{message.id}-{message.receives}"
            self.hide(message, self._visibility)
            taken.append(message)
        return taken

    def delete(self, message: Message) -> None:
        if message in self.messages:
            self.messages.remove(message)

    def hide(self, message: Message, seconds: float) -> None:
        message.visible_at = self.scheduler.now + seconds
        self.scheduler.at(message.visible_at, self.ready)


class SQS:
    """The API's side of the queues, which are named by URL."""

    def __init__(self, queues: dict[str, Queue]) -> None:
        self.queues = queues

    def call(self, operation: str, params: Params) -> Params:
        queue = self.queues[params["QueueUrl"]]
        if operation == "SendMessage":
            delay = params.get("DelaySeconds", 0)
            if not 0 <= delay <= LONGEST_DELAY or not isinstance(delay, int):
                raise Refusal("InvalidParameterValue")
            message = queue.send(params["MessageBody"], delay, params.get("MessageAttributes"))
            return {"MessageId": message.id}
        if operation == "ChangeMessageVisibility":
            seconds = params["VisibilityTimeout"]
            if not 0 <= seconds <= LONGEST_VISIBILITY or not isinstance(seconds, int):
                raise Refusal("InvalidParameterValue")
            message_id = params["ReceiptHandle"].partition("-")[0]
            found = next((each for each in queue.messages if each.id == message_id), None)
            if found is None or found.visible_at <= queue.scheduler.now:
                raise Refusal("MessageNotInflight")
            if found.receipt == params["ReceiptHandle"]:  # that of an earlier receive has no effect
                queue.hide(found, seconds)
            return {}
        raise NotImplementedError(f"SQS {operation}")
