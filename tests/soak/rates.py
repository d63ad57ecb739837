"""What arrives per second, and what that asks of a stack: the trigger's own rules, played as events on a virtual clock.

    .venv/bin/python -m tests.soak.rates     prints the table of docs/SCALE.md

Rules and figures are those of the code and of template.yaml: messages a batch, batches at once, looks at a run's
record, attempts and back-off. Lambda's own rule is documented
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html): five batches at once as soon as messages
wait, and 300 more a minute while they do. `make soak` compares one point with a local stack.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.bars import Bar, at_least
from tests.simulation import loading
from tests.simulation.settings import SETTINGS, UPLOADS
from tests.workflow.pipeline import Pipeline, picture

FIRST_BATCHES, BATCHES_PER_SECOND, MOST_BATCHES = 5, 300 / 60, 1000
TRIGGER_GB = SETTINGS.functions["TriggerFunction"].memory / 1024
GB_SECOND = 0.0000133334  # dollars, arm64, us-east-1
BACKOFF = [float(seconds) for seconds in SETTINGS.environment["BACKOFF_SECONDS"].split(",")]
# Assumed of AWS, where nobody has measured: docs/DEPLOY.md counts on 5 s for a photo, and half of it may do. One run in
# a hundred takes thrice as long; one attempt in a thousand fails.
RUN_SECONDS, SPREAD, FAILS = (5.0, 2.5), 0.45, 0.001
CALLS_SECONDS = 0.2  # of the trigger, before a run and after it
# Parts of a run: ValidateImage, the two branches at once, OptimizeImage and NotifySuccess.
FUNCTIONS_AT_ONCE = ((0.15, 1), (0.25, 2), (0.60, 1))
SECONDS = 900.0  # in which images arrive
HEADINGS = (
    "Images a second",
    "A run",
    "`BatchSize`",
    "`MaximumConcurrency`",
    "Age: median, p95, longest",
    "The queue grows",
    "Functions at once",
    "Trigger-seconds an image",
    "Trigger, per million",
)


@dataclass(frozen=True)
class Figures:
    """How images fared that arrived for a while. Ages: seconds from an image's arrival until a trigger took it."""

    ages: list[float]
    done: int
    seconds: float  # until the last one was done
    trigger_seconds: float  # per image
    triggers: int  # at once, at most
    functions: int  # at once, at most: triggers and the workflow's
    left: int  # that waited when the last one arrived

    def age(self, part: float) -> float:
        ordered = sorted(self.ages)
        return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


class Rules(NamedTuple):
    """`run`: the seconds of the next run; `calls`: those of the trigger around it; `paced`: whether Lambda adds batches
    at its documented pace, which the emulator does not."""

    batch_size: int
    concurrency: int
    run: Callable[[], float]
    fails: Callable[[], bool] = lambda: False
    calls: float = CALLS_SECONDS
    express: bool = False
    paced: bool = True


def noticed(seconds: float) -> float:
    """When the trigger of a STANDARD run learns that it ended after so many seconds: at its next look."""
    pace: float = loading.load(False)["trigger.executions"].POLL_SECONDS
    return math.ceil(seconds / pace) * pace


def play(arrivals: Iterable[float], rules: Rules) -> Figures:
    """Let images arrive at these moments, in order."""
    coming: Iterator[float] = iter(arrivals)
    following = next(coming, None)
    waiting: deque[tuple[float, float, int]] = deque()  # visible since, arrived, attempts so far
    later: list[tuple[float, float, int]] = []  # between two attempts
    ends: list[float] = []  # of batches
    changes: list[tuple[float, int]] = []  # of the number of functions at once
    ages: list[float] = []
    now = busy_since = last = spent = 0.0
    done = most = left = 0
    while following is not None or waiting or later or ends:
        while following is not None and following <= now:
            waiting.append((following, following, 0))
            last, following = following, next(coming, None)
            if following is None:
                left = len(waiting)
        while later and later[0][0] <= now:
            waiting.append(heapq.heappop(later))
        while ends and ends[0] <= now:
            heapq.heappop(ends)
        if not waiting and not ends:
            busy_since = now
        allowed = _allowed(rules, now - busy_since)
        while waiting and len(ends) < allowed:
            batch = [waiting.popleft() for _ in range(min(rules.batch_size, len(waiting)))]
            longest = 0.0
            for _, arrived, attempts in batch:
                run = rules.run()
                _note(changes, now + rules.calls / 2, run)
                took = run if rules.express else noticed(run)
                longest = max(longest, took)
                if not attempts:
                    ages.append(now - arrived)
                if rules.fails() and attempts + 1 < SETTINGS.max_attempts:
                    back = now + took + BACKOFF[min(attempts, len(BACKOFF) - 1)]
                    heapq.heappush(later, (back, arrived, attempts + 1))
                else:
                    done += 1
            end = now + longest + rules.calls
            heapq.heappush(ends, end)
            changes += [(now, 1), (end, -1)]
            spent += longest + rules.calls
            most = max(most, len(ends))
            last = max(last, end)
        moments = [*ends[:1], *(moment for moment, _, _ in later[:1]), *([] if following is None else [following])]
        if waiting and len(ends) < rules.concurrency and rules.paced:
            moments.append(now + 1 / BATCHES_PER_SECOND)
        if moments:
            now = max(now, min(moments))
    return Figures(ages, done, last, spent / max(done, 1), most, _peak(changes), left)


def _allowed(rules: Rules, busy: float) -> int:
    """Batches at once, after messages have waited for so many seconds."""
    if not rules.paced:
        return rules.concurrency
    return min(rules.concurrency, int(FIRST_BATCHES + BATCHES_PER_SECOND * busy), MOST_BATCHES)


def _note(changes: list[tuple[float, int]], moment: float, run: float) -> None:
    for part, functions in FUNCTIONS_AT_ONCE:
        changes += [(moment, functions), (moment := moment + part * run, -functions)]


def _peak(changes: list[tuple[float, int]]) -> int:
    peak = at_once = 0
    for _, change in sorted(changes):
        at_once += change
        peak = max(peak, at_once)
    return peak


def assumed(rate: float, seconds: float, run_seconds: float, batch_size: int, concurrency: int) -> Figures:
    """Images arrive by chance, `rate` a second for so many seconds; runs take what is assumed of AWS."""
    chance = random.Random(1)

    def arrivals() -> Iterator[float]:
        moment = 0.0
        while (moment := moment + chance.expovariate(rate)) < seconds:
            yield moment

    usual = math.log(run_seconds) - SPREAD**2 / 2
    rules = Rules(
        batch_size, concurrency, lambda: chance.lognormvariate(usual, SPREAD), lambda: chance.random() < FAILS
    )
    return play(arrivals(), rules)


def needed(rate: float, run_seconds: float, batch_size: int) -> int:
    """The MaximumConcurrency with which the queue does not grow: by what full batches take, and a fifth more."""
    full = assumed(100 * batch_size / run_seconds, 60, run_seconds, batch_size, 2)
    return max(2, math.ceil(1.2 * rate * full.trigger_seconds))


def table() -> str:
    """The lines of docs/SCALE.md."""
    lines = [f"| {' | '.join(HEADINGS)} |", "| --- " * len(HEADINGS) + "|"]
    default = (SETTINGS.batch_size, SETTINGS.concurrency[UPLOADS])
    for rate in (0.5, 10, 100, 1000):
        for run_seconds in RUN_SECONDS:
            lines.append(_line(rate, run_seconds, *default))
            for batch_size in (2, 10) if rate > 1 else ():
                lines.append(_line(rate, run_seconds, batch_size, needed(rate, run_seconds, batch_size)))
    return "\n".join(lines)


def _line(rate: float, run_seconds: float, batch_size: int, concurrency: int) -> str:
    cells = [f"{rate:,g}", f"{run_seconds:g} s", f"{batch_size}", f"{concurrency:,}"]
    if concurrency > MOST_BATCHES:
        return f"| {' | '.join([*cells, 'more than Lambda allows', *[''] * (len(HEADINGS) - 5)])} |"
    found = assumed(rate, SECONDS, run_seconds, batch_size, concurrency)
    ages = ", ".join(_duration(found.age(part)) for part in (0.5, 0.95, 1))
    grows = found.left / (SECONDS / 60) if found.left > rate * 60 else 0
    dollars = 1e6 * found.trigger_seconds * TRIGGER_GB * GB_SECOND
    cells += [ages, f"{grows:,.0f} a minute" if grows else "no", f"{found.functions:,}"]
    return f"| {' | '.join([*cells, f'{found.trigger_seconds:.1f}', f'${dollars:.0f}'])} |"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


# ------------------------------------------------------------------ one measured point, on a local stack

BATCH_SIZE, CONCURRENCY, MORE = 2, 2, 6
SLEEP, EVERY, IMAGES = 2.0, 0.5, 80  # seconds that a run is lengthened by, and between two uploads


def measure(pipeline: Pipeline) -> list[Bar]:
    """Let uploads come faster than they are done, beside their simulation; then all at once, with more concurrency."""
    _uploads(pipeline, "warm", 8, 0)
    pipeline.faults.add("validate", "sleep", SLEEP, stays=True)
    arrivals, runs, ages, seconds = _uploads(pipeline, "paced", IMAGES, EVERY)
    chance = random.Random(1)
    played = play(arrivals, Rules(BATCH_SIZE, CONCURRENCY, lambda: chance.choice(runs), paced=False))
    print("                         measured   played")
    pairs = {
        "images a second": (IMAGES / seconds, played.done / played.seconds),
        "age, median": (statistics.median(ages), statistics.median(played.ages)),
        "age, longest": (max(ages), max(played.ages)),
    }
    for name, (measured, simulated) in pairs.items():
        print(f"  {name:20} {measured:10.2f} {simulated:8.2f}", flush=True)
    *_, few = _uploads(pipeline, "few", IMAGES // 2, 0)
    pipeline.update(MaximumConcurrency=str(MORE))
    _uploads(pipeline, "warm-too", 3 * MORE * BATCH_SIZE, 0)
    *_, many = _uploads(pipeline, "many", IMAGES // 2, 0)
    print(f"  {IMAGES // 2} images take {few:.1f} s with {CONCURRENCY} triggers, {many:.1f} s with {MORE}", flush=True)
    return [
        *(
            # The greater one over the smaller one.
            Bar(f"rates.{name.replace(', ', '_').replace(' ', '_')}_off", max(pair) / min(pair), 1.25)
            for name, pair in pairs.items()
        ),
        Bar("rates.throughput_by_concurrency", few / many, 0.7 * MORE / CONCURRENCY, at_least),
        Bar("rates.dead_letters", len(pipeline.dead_letters()), 0),
    ]


def _uploads(
    pipeline: Pipeline, name: str, count: int, every: float
) -> tuple[list[float], list[float], list[float], float]:
    """Upload pictures, one `every` so many seconds. Returns when each arrived (from the first one), the seconds of
    their runs, their ages, and the seconds until all were done."""
    body, begun = picture(size=(64, 48)), time.time()
    versions, moments = {}, {}
    for number in range(count):
        time.sleep(max(0.0, begun + number * every - time.time()))
        key = f"raw/{name}-{number}.jpg"
        moments[key] = time.time()
        versions[key] = pipeline.upload(key, body)
    for key, version in versions.items():
        pipeline.finished(key, version, seconds=300)
    pipeline.drained()
    records = pipeline.records(versions)
    began = {key: _moment(record["started_at"]) for key, record in records.items()}
    ended = {key: _moment(record["finished_at"]) for key, record in records.items()}
    ages = [max(0.0, began[key] - moments[key]) for key in versions]
    runs = [ended[key] - began[key] for key in versions]
    return [moment - begun for moment in moments.values()], runs, ages, max(ended.values()) - begun


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def main(stack: Callable[..., Any], recipes: Path) -> list[Bar]:
    """On a stack of its own, which `stack` makes."""
    print(f"An upload every {EVERY:g} s, whose runs are lengthened by {SLEEP:g} s, beside its simulation", flush=True)
    parameters = {"BatchSize": str(BATCH_SIZE), "MaximumConcurrency": str(CONCURRENCY)}
    with stack({}, recipes, **parameters) as pipeline:
        return measure(pipeline)


if __name__ == "__main__":
    print(table())
