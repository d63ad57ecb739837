"""What must hold when a history is quiet."""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

from tests.simulation import oracle, sets
from tests.simulation.history import KEY, NEIGHBOUR, folder
from tests.simulation.reader import prolonged
from tests.simulation.scheduler import EPOCH
from tests.simulation.settings import SETTINGS
from tests.simulation.world import World

# Seconds between an attempt and the next one, and how much less the clocks' difference may make of it.
PACES, TOLERANCE = [float(pace) for pace in SETTINGS.environment["BACKOFF_SECONDS"].split(",")], 4.0
SKEW = 5.0  # seconds by which two clocks may differ, at the most
# Seconds in which an upload of the neighbour's ends; and for each fault, such as a trigger that dies at its first call,
# the queue's own visibility longer.
SERVED, SERVED_DISTURBED = 120.0, SETTINGS.visibility
LARGEST_ITEM, LONGEST_LIST = 4096, 20
# A day has so many seconds. What is started in the first of them may have been counted on the day before; and in the
# last of them on the day after, by a clock that goes ahead.
DAY, LATE = 86400.0, 300.0
BY_HAND = {"deface", "edit", "force"}


class Problem(NamedTuple):
    """Something that is wrong.

    `kind`: outputs, orphan, reader, record, told, paced, served, lease, item, letter, limit, crash or endless.
    """

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def outputs(world: World) -> Iterator[Problem]:
    """Whether each key's outputs are what its source demands."""
    recipe = world.demanded()
    for key in (KEY, NEIGHBOUR):
        failed, harmed = _was_given_up(world, key), key in world.reader.harmed
        for problem in oracle.problems(world.source, world.output, key, recipe, failed=failed, harmed=harmed):
            yield Problem("orphan" if problem.startswith("orphan") else "outputs", f"{key}: {problem}")
        manifest = world.output.newest(f"{folder(key)}manifest.json")
        if key in world.kept and not manifest:
            yield Problem("outputs", f"{key}: the set of a source that has expired was removed")


def mixes(world: World) -> Iterator[Problem]:
    """Whether readers met files of different sets for too long."""
    for problem in world.reader.problems(world.history, faults=bool(world.faults.met)):
        yield Problem("reader", problem)


def _served(world: World) -> Iterator[Problem]:
    """Whether the neighbour's uploads ended in time, whatever happened to the other key."""
    kinds = {fault.kind for fault in world.faults.met}
    if kinds & {"outage", "lost"} or world.history.limit:
        return
    longest = SERVED + SERVED_DISTURBED * sum(fault.tries for fault in world.faults.met)
    for begin, version_id in world.uploaded:
        end = world.table.closed.get((NEIGHBOUR, f"job#{version_id}"))
        if end is None or end > prolonged(begin + longest, longest, world.history.pauses()):
            yield Problem("served", f"{NEIGHBOUR} {version_id} waited {(end or inf) - begin:.0f} s for its end")


def _forced(world: World) -> Iterator[Problem]:
    """Whether sets are younger than the wish to have them made again. Such a wish ends with the message FAILED."""
    for key, moment in world.forced.items():
        if any(each.status == "FAILED" and each.key == key and each.moment > moment for each in world.published):
            continue
        manifest = world.output.newest(f"{folder(key)}manifest.json")
        wanted = oracle.wanted(world.source.objects.get(key, []), world.demanded())
        if manifest and wanted and not _was_given_up(world, key) and manifest.moment < moment - SKEW:
            yield Problem("outputs", f"{key}: the set was not made again")


def _addresses(world: World) -> Iterator[Problem]:
    """Whether manifests name the current PublicBaseUrl."""
    start = f'src=\\"{world.address}/processed/' if world.address else 'src=\\"processed/'
    for key in (KEY, NEIGHBOUR):
        manifest = world.output.newest(f"{folder(key)}manifest.json")
        wanted = oracle.wanted(world.source.objects.get(key, []), world.demanded())
        if manifest and wanted and not _was_given_up(world, key) and start not in (manifest.body or b"").decode():
            yield Problem("outputs", f"{key}: the manifest has another address than {world.address!r}")


def all_of(world: World) -> Iterator[Problem]:
    for error in world.crashes:
        yield Problem("crash", f"a function raised {error!r}")
    yield from outputs(world)
    yield from mixes(world)
    yield from _served(world)
    yield from _addresses(world)
    yield from _forced(world)
    yield from _records(world)
    yield from _told(world)
    yield from _paced(world)
    yield from _limited(world)
    yield from _leases(world)
    yield from _items(world)
    for letter in world.letters.messages:
        if "reason" not in letter.attributes:
            yield Problem("letter", f"a message was received too often: {letter.body}")


def _was_given_up(world: World, key: str) -> bool:
    """Whether the job of the version that is wanted, or of one above it, has FAILED."""
    versions = world.source.objects.get(key, [])
    wanted = oracle.wanted(versions, world.demanded())
    for version in versions:
        record = world.table.items.get((key, f"job#{version.id}"), {})
        if record.get("status", {}).get("S") == "FAILED":
            return True
        if version is wanted or version.body is None:
            return False
    return False


def _all_records(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key and version, {field: plain text}) of each record."""
    for (key, item), fields in world.table.items.items():
        if item.startswith("job#"):
            yield f"{key} {item[4:]}", {name: next(iter(value.values())) for name, value in fields.items()}


def _records(world: World) -> Iterator[Problem]:
    for name, record in _all_records(world):
        if record.get("status") in ("QUEUED", "PROCESSING"):
            yield Problem("record", f"{name} is still {record['status']}")
        if record.get("status") == "SUCCEEDED" and _is_over(world, name.rpartition(" ")[0]):
            yield Problem("record", f"{name} is SUCCEEDED, although source and set are gone")
        if record.get("status") == "FAILED" and not world.faults.met:
            yield Problem("record", f"{name} FAILED without any fault: {record.get('reason')}")


def _is_over(world: World, key: str) -> bool:
    """Whether a key without versions, which has one record, has neither a source nor a set."""
    return not (world.source.versioning or world.source.newest(key) or sets.outputs(world.output, key))


def given_up(world: World) -> Iterator[Problem]:
    """Jobs that FAILED, where none may."""
    for name, record in _all_records(world):
        if record.get("status") == "FAILED":
            yield Problem("record", f"{name} FAILED: {record.get('code')}: {record.get('reason')}")


def _told(world: World) -> Iterator[Problem]:
    told: dict[Any, set[str]] = defaultdict(set)
    for message in world.published:
        told[message.attempt].add(message.status)
        told[_span(world, message.moment), message.attempt].add(message.status)
        if message.status == "FAILED" and message.standing == message.attempt:
            yield Problem("told", f"{message.attempt} was told FAILED, although its manifest stood")
    for attempt, statuses in told.items():
        if len(statuses) > 1 and len(attempt) == 2:
            yield Problem("told", f"{attempt} was told {' and '.join(sorted(statuses))}")
    for name, record in _all_records(world):
        attempt = (record.get("job_id"), int(record.get("round", 0)), int(record.get("attempt", 0)))
        status = record.get("status")
        if status in ("SUCCEEDED", "REJECTED", "FAILED") and attempt[2] and status not in told.get(attempt, ()):
            yield Problem("told", f"{name} is {status}, but nobody was told about attempt {attempt[1:]}")


def _paced(world: World) -> Iterator[Problem]:
    rounds: dict[Any, list[float]] = defaultdict(list)
    for execution, moment in world.starts:
        rounds[_span(world, moment), execution.rpartition("-")[0]].append(moment)
    for (_, name), moments in rounds.items():
        if len(moments) > SETTINGS.max_attempts:
            yield Problem("paced", f"round {name} had {len(moments)} attempts")
        for (before, after), pace in zip(pairwise(moments), PACES, strict=False):
            if after - before < pace - TOLERANCE:
                yield Problem("paced", f"round {name}: {after - before:.1f} s between two attempts, not {pace:.0f}")
    if not any(act.kind in BY_HAND for act in world.history.acts):
        for execution in world.repeated:
            yield Problem("paced", f"{execution} made a set again that stood")


def _span(world: World, moment: float) -> int:
    """Since how many times that records expired: after each, the rounds of a job may begin anew."""
    return bisect(world.forgotten, moment)


def _limited(world: World) -> Iterator[Problem]:
    """Whether no day had more attempts than its limit, and each was counted before it was started."""
    history, counted = world.history, 0
    if not history.limit:
        return
    for (key, day), item in world.table.items.items():
        if key == "#limit":
            counted += int(item["images"]["N"])
            if int(item["images"]["N"]) > history.limit:
                yield Problem("limit", f"{item['images']['N']} attempts on {day}, not {history.limit}")
    moments = [moment for _, moment in world.starts if moment < EPOCH + history.end()]
    for day, starts in Counter(moment // DAY for moment in moments if LATE < moment % DAY < DAY - SKEW).items():
        if starts > history.limit:
            yield Problem("limit", f"{starts} executions on day {day:.0f}, not {history.limit}")
    if len(moments) > counted:
        yield Problem("limit", f"{len(moments)} executions, of which {counted} were counted")


def _leases(world: World) -> Iterator[Problem]:
    for (key, item), fields in world.table.items.items():
        if item == "lease" and not _was_given_up(world, key):
            yield Problem("lease", f"{key} has a lease left: {fields}")


def _items(world: World) -> Iterator[Problem]:
    size, item = world.table.largest
    if size > LARGEST_ITEM:
        yield Problem("item", f"an item of {size} bytes: {item['item']}")
    if world.table.longest > LONGEST_LIST:
        yield Problem("item", f"an item with a list of {world.table.longest}")
