"""Runs a history: the functions' real code on simulated services."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote_plus

from tests.simulation import sdk
from tests.simulation.dynamodb import DynamoDB
from tests.simulation.faults import Faults
from tests.simulation.history import NEIGHBOUR, History, folder, recipes
from tests.simulation.lambda_ import SHORT_NAMES, EventSource, Lambda
from tests.simulation.loading import Code
from tests.simulation.reader import Reader
from tests.simulation.s3 import S3, Bucket
from tests.simulation.scheduler import EPOCH, Process, Scheduler
from tests.simulation.settings import BACKFILLS, DEAD_LETTERS, OUTPUT, SETTINGS, SOURCE, UPLOADS
from tests.simulation.sqs import SQS, Queue
from tests.simulation.stepfunctions import StepFunctions

# Virtual seconds after which a history that is not quiet counts as endless: longer than the queue's longest wait times
# its receives.
ENDLESS = 60_000.0

# Seconds after its end in which no record expires.
YOUNG = 100.0

BACKFILL = "ObjectCreated:Backfill"
CRASHES = (NameError, TypeError, AttributeError, LookupError, AssertionError, ImportError, ArithmeticError)


@dataclass(frozen=True)
class Published:
    """A message on a topic, and the attempt whose manifest stood at that moment."""

    moment: float
    key: str
    status: str
    attempt: tuple[str, int, int]
    standing: tuple[str, int, int] | None


class World:
    def __init__(self, history: History, code: Code, *, narrate: bool = False) -> None:
        self.history, self.code = history, code
        self.definition = vars(code["statemachine"])["definition"]
        self.scheduler = Scheduler(history.delays)
        self.faults = Faults(history.faults, self.scheduler)
        self.lines: list[str] | None = [] if narrate else None
        self.mistakes: list[Exception] = []  # of the simulator
        self.crashes: list[BaseException] = []  # errors of the functions that no fault of a history explains
        self.processes: list[Process] = []
        self.starts: list[tuple[str, float]] = []  # names of executions, and when they were started
        self.repeated: list[str] = []  # executions that were started although an earlier attempt's set stood
        self.published: list[Published] = []
        self.forced: dict[str, float] = {}  # keys, and when somebody last asked to make their set again
        self.kept: set[str] = set()  # keys of which the set must stay, although the source has expired
        self.uploaded: list[tuple[float, str]] = []  # moments and ids of the neighbour's versions
        self.undelivered = 0  # notifications on their way to the queue
        self.recipe = "A"
        self.deploy_address("")
        self.deploy_memory(SETTINGS.functions["ValidateFunction"].memory)
        self.deploy_limit(history.limit)
        self.forgotten: list[float] = []  # when records expired
        self.recipes: dict[str, Any] = {function: recipes("A") for function in SHORT_NAMES.values()}
        versioning: Literal["", "Enabled"] = "Enabled" if history.versioned else ""
        self.source = Bucket(versioning, self._notify, lambda: self.scheduler.now)
        self.reader = Reader(self.scheduler)
        self.output = self.reader.output = Bucket("", self.reader.look, lambda: self.scheduler.now)
        self.letters = Queue(self.scheduler)
        self.uploads, self.backfills = (
            Queue(
                self.scheduler,
                letters=self.letters,
                max_receives=SETTINGS.max_receives,
                visibility=SETTINGS.visibility,
            )
            for _ in range(2)
        )
        self.table = DynamoDB(lambda: self.scheduler.now - EPOCH)
        self.lambdas = Lambda(self)
        self.stepfunctions = StepFunctions(self)
        self.event_sources = [
            EventSource(self, self.uploads, UPLOADS),
            EventSource(self, self.backfills, BACKFILLS),
        ]
        self.services: dict[str, Callable[[str, dict[str, Any]], Any]] = {
            "s3": S3(**{SOURCE: self.source, OUTPUT: self.output}).call,
            "dynamodb": self.table.call,
            "sqs": SQS({UPLOADS: self.uploads, BACKFILLS: self.backfills, DEAD_LETTERS: self.letters}).call,
            "sns": self._publish,
            "stepfunctions": self.stepfunctions.call,
        }

    def run(self, moment: float = ENDLESS) -> bool:
        """Let everything happen until nothing is left to happen, or until `moment`. Returns whether nothing is left."""
        with sdk.connected():
            quiet = self.scheduler.run(EPOCH + moment)
        if self.mistakes:
            raise self.mistakes[0]
        return quiet

    def is_quiet(self) -> bool:
        """Whether nothing is under way: no message, no function, no execution."""
        self.processes = [process for process in self.processes if process.alive]
        return not (self.processes or self.uploads.messages or self.backfills.messages or self.undelivered)

    def close(self) -> None:
        for process in self.processes:
            process.kill()

    def log(self, line: str) -> None:
        if self.lines is not None:
            self.lines.append(f"{self.scheduler.now - EPOCH:10.2f} s  {line}")

    def raised(self, error: BaseException | None) -> None:
        """Note what a function has raised or logged."""
        if isinstance(error, CRASHES):
            self.crashes.append(error)

    def started(self, execution: str, job: Any) -> None:
        """Note that an execution was started."""
        self.starts.append((execution, self.scheduler.now))
        standing = self._standing(job["source"]["key"])
        if standing and standing[:2] == (job["job_id"], job["round"]):
            self.repeated.append(execution)
        self.log(f"execution {execution} started")

    def deploy_address(self, address: str) -> None:
        self.address = address
        for module in self.code.values():
            if "PUBLIC_BASE_URL" in vars(module):
                vars(module)["PUBLIC_BASE_URL"] = address

    def deploy_limit(self, images: int) -> None:
        vars(self.code["trigger.brake"])["LIMIT"] = images

    def forget(self) -> None:
        """Have the table's TTL remove what may expire. That is days later: by then nothing is under way."""
        now = self.scheduler.now
        old = [
            place
            for place, item in self.table.items.items()
            if "finished_at" in item and "expires_at" in item
            if datetime.fromisoformat(item["finished_at"]["S"]).timestamp() < now - YOUNG
        ]
        if old and self.is_quiet():
            self.forgotten.append(now)
            for place in old:
                del self.table.items[place]

    def deploy_memory(self, megabytes: int) -> None:
        self.memory = megabytes
        for module in self.code.values():
            if "VALIDATE_MEMORY_MB" in vars(module):
                vars(module)["VALIDATE_MEMORY_MB"] = megabytes

    def demanded(self) -> dict[str, Any]:
        """The recipe that outputs should follow, with the limit that memory sets."""
        recipe = recipes(self.recipe)["recipes"]["default"]
        usable = int(0.6 * self.memory) - 160  # as ValidateImage reckons
        return {**recipe, "limits": {**recipe["limits"], "memory": usable}}

    def send(self, event: str, key: str, version_id: str | None, source: str = "aws:s3") -> None:
        """Put a notification into a queue, as S3 writes it: into that of backfills if one asks."""
        named = {"key": quote_plus(key, safe="/"), **({"versionId": version_id} if version_id else {})}
        s3 = {"bucket": {"name": SOURCE}, "object": named}
        queue = self.backfills if event == BACKFILL else self.uploads
        queue.send(json.dumps({"Records": [{"eventSource": source, "eventName": event, "s3": s3}]}))

    def _send_by_eventbridge(self, event: str, key: str, version_id: str | None) -> None:
        """Put an event into the upload queue, as EventBridge writes it: with the key as it is."""
        named = {"key": key, **({"version-id": version_id} if version_id else {})}
        removed = event.startswith("ObjectRemoved")
        detail = {
            "bucket": {"name": SOURCE},
            "object": named,
            "reason": "DeleteObject" if removed else "PutObject",
            **({"deletion-type": "Permanently Deleted"} if removed else {}),
        }
        kind = "Object Deleted" if removed else "Object Created"
        self.uploads.send(json.dumps({"version": "0", "detail-type": kind, "source": "aws.s3", "detail": detail}))

    def _notify(self, event: str, key: str, version_id: str) -> None:
        """What S3 does after a change, and what may happen to its message."""
        if key == NEIGHBOUR and event.startswith("ObjectCreated") and version_id != "null":
            self.uploaded.append((self.scheduler.now - EPOCH, version_id))
        # AWS does not say whether an event names the version "null": both occur here.
        shown = None if version_id == "null" and self.scheduler.chance("unnamed") <= 0.5 else version_id
        fault = self.faults.next("message")
        kind = fault.kind if fault else ""
        self.log(f"S3: {event} {key} {shown or ''}{f' (message {kind})' if kind else ''}")
        if kind == "lost":
            return
        late = fault.seconds if fault else 0.0
        moments = [self._delay(), self._delay() + late] if kind == "twice" else [self._delay() + late]
        if self.history.eventbridge and self.scheduler.chance("another copy") > 0.95:
            moments.append(self._delay())
        for seconds in moments:
            self.undelivered += 1
            self.scheduler.after(seconds, lambda: self._deliver(event, key, shown))

    def _delay(self) -> float:
        """Seconds until a message about a change is in the queue. EventBridge, between, mixes up their order."""
        slowest = 20.0 if self.history.eventbridge else 2.0
        return 0.2 + slowest * self.scheduler.chance("notification") ** 4

    def _deliver(self, event: str, key: str, version_id: str | None) -> None:
        self.undelivered -= 1
        if self.history.eventbridge:
            self._send_by_eventbridge(event, key, version_id)
        else:
            self.send(event, key, version_id)

    def _publish(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        assert operation == "Publish"
        message = json.loads(json.loads(params["Message"])["default"])
        attempt = (message["job_id"], int(message["round"]), int(message["attempt"]))
        standing = self._standing(message["source"]["key"])
        self.published.append(
            Published(self.scheduler.now, message["source"]["key"], message["status"], attempt, standing)
        )
        self.log(f"SNS: {message['status']} {attempt}")
        return {"MessageId": str(len(self.published))}

    def _standing(self, key: str) -> tuple[str, int, int] | None:
        """The attempt that wrote the manifest which stands for a source key."""
        manifest = self.output.newest(f"{folder(key)}manifest.json")
        try:
            document = json.loads(manifest.body or b"") if manifest else {}
            return document["job_id"], int(document["round"]), int(document["attempt"])
        except (ValueError, KeyError, TypeError):
            return None
