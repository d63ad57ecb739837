"""`make simulate`: thousands of histories of uploads, deletions and faults, and mutants that they must find.

Ends with one line per figure:

    BAR <name> <value> <limit> ok|short

Seeded: the same seed plays the same histories. What fails is shrunk and printed with its seed; `--only SEED` tells that
history's story.

The functions' code is the real one, except for pixels. S3, DynamoDB, SQS, SNS, Lambda and Step Functions are simulated
in one process (s3.py, dynamodb.py, sqs.py, world.py, lambda_.py, stepfunctions.py), on one virtual clock
(scheduler.py). Each call of the SDK (sdk.py) takes virtual time and has its effect at some moment of it; meanwhile all
others go on.

    make simulate                                        thousands of random histories, and all mutants
    make simulate ARGS="--histories 2000 --seed 7"       fewer, and others
    make simulate ARGS="--only 1234"                     one random history, and all that happens in it
    .venv/bin/pytest tests/simulation                    the named histories and 500 random ones

**How to read a history.** Its first line says which workflow type runs, whether the bucket keeps versions, and by which
seed calls are slow or quick. Then come the acts by their time, the faults, and what is wrong:

    STANDARD, versions, usual delays
         1.0 s  put raw/a.jpg good 1                     an upload that the recipe accepts; the number is its size
        30.0 s  put raw/a.jpg good 1 at 0.3,0.7          with x-amz-meta-focus
        40.0 s  give raw/a.jpg 0.9,0.9                   copied onto itself with another one
        60.0 s  put raw/a.jpg bad 1                      one that it refuses
        70.0 s  recipe B -5.0 s                          recipe B is deployed, to the trigger 5 s later than elsewhere
         fault  optimize PutObject large.jpg 2: crash before       OptimizeImage dies before its second PUT of large.jpg
        59.0 s  every GetObject of validate fails for 300 s
      -> outputs: raw/a.jpg: small.jpg is missing        the oracle's verdict

`--only` also tells what the services did, line by line with the virtual time. Seeds name histories only while
generating.py stays as it is: what must not be forgotten becomes a named history in findings.py.

**What is checked.** oracle.py says from S3 and the recipe alone which files there should be, sets.py what makes them a
set; checks.py what records, messages, attempts and leases must look like when nothing is pending; reader.py what a
reader gets meanwhile; hot_key.py how long others wait for a key that changes without end.

**To add an act**, write a method of acts.Acts, give it a weight in generating.py, and list it in acts.SILENT if no
message tells the trigger of it. **A fault**: describe it in history.Fault, let sdk.py, lambda_.py or stepfunctions.py
act on it, and draw it in generating.py. **A mutant**: an entry in mutants.MUTANTS with the text that it replaces, which
occurs once in the module's source. Write a named history that finds it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterable

from bench.bars import Bar, at_least, report
from tests.simulation import generating, hot_key, mutants, playing
from tests.simulation.checks import Problem
from tests.simulation.findings import FINDINGS
from tests.simulation.history import History
from tests.simulation.loading import EditError
from tests.simulation.shrinking import shrunk

CHUNK = 50
HOT_SEEDS = range(1, 9)
SHOWN = 5  # failures that are shrunk and printed
UNTOLD = {"told", "record"}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make simulate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1_000_000, help="of the first random history")
    parser.add_argument("--histories", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--mutant-histories", type=int, default=3_000, help="random histories to try on each mutant")
    parser.add_argument("--only", type=int, metavar="SEED", help="play this history alone, and tell what happens")
    args = parser.parse_args()
    if args.only is not None:
        return _tell(generating.history(args.only))
    began = time.monotonic()
    with multiprocessing.get_context("fork").Pool(args.processes) as pool:
        wrong = dict(pool.imap_unordered(_named, FINDINGS))
        for name, found in wrong.items():
            _show(f"named: {name}", FINDINGS[name].history, found)
        failures = _random(pool, range(args.seed, args.seed + args.histories))
        caught = _caught(pool, args.mutant_histories)
        starved = [problem for problems in pool.map(hot_key.starved, HOT_SEEDS) for problem in problems]
    print(*starved, sep="\n")
    kinds = [{problem.kind for problem in found} for found in [*wrong.values(), *failures.values()]]
    return report(
        [
            Bar("simulate.histories", args.histories + len(FINDINGS), 20_000, at_least),
            Bar("simulate.wrong", sum(bool(found) for found in kinds), 0),
            Bar("simulate.orphans", sum("orphan" in found for found in kinds), 0),
            Bar("simulate.untold", sum(bool(found & UNTOLD) for found in kinds), 0),
            Bar("simulate.starved", len(starved), 0),
            Bar("simulate.mutants_caught", caught, len(mutants.MUTANTS), at_least),
            Bar("simulate.seconds", time.monotonic() - began, 600),
        ]
    )


def _random(pool: multiprocessing.pool.Pool, seeds: range) -> dict[int, list[Problem]]:
    """Play random histories; returns those that failed, by seed. Prints the first ones, shrunk."""
    began, failures = time.monotonic(), {}
    longest = {False: 0.0, True: 0.0}
    for number, (seed, found, disturbed, mixed) in enumerate(pool.imap_unordered(_seeded, seeds, chunksize=CHUNK)):
        longest[disturbed] = max(longest[disturbed], mixed)
        if found:
            failures[seed] = found
            if len(failures) <= SHOWN:
                history = shrunk(generating.history(seed), lambda each, kind=found[0].kind: _fails(each, kind))  # type: ignore[misc]
                _show(f"seed {seed}", history, playing.problems(history))
            else:
                print(f"seed {seed}: {found[0]}", flush=True)
        if number % 5000 == 4999:
            print(f"{number + 1} histories in {time.monotonic() - began:.0f} s, {len(failures)} wrong", flush=True)
    print(
        f"readers met files of two sets for {longest[False]:.1f} s at most,"
        f" and for {longest[True]:.0f} s in histories with faults"
    )
    return failures


def _caught(pool: multiprocessing.pool.Pool, histories: int) -> int:
    caught = 0
    for index, finder in pool.imap(_found, [(index, histories) for index in range(len(mutants.MUTANTS))]):
        print(f"mutant: {mutants.MUTANTS[index].fault}: {finder or 'NOT FOUND'}", flush=True)
        caught += bool(finder)
    return caught


def _named(name: str) -> tuple[str, list[Problem]]:
    return name, playing.left(FINDINGS[name])


def _seeded(seed: int) -> tuple[int, list[Problem], bool, float]:
    """What is wrong after a random history, whether it met faults, and for how long readers met files of two sets."""
    played = playing.Play(generating.history(seed))
    return seed, played.problems, bool(played.world.faults.met), played.world.reader.longest()


def _found(task: tuple[int, int]) -> tuple[int, str | None]:
    index, histories = task
    try:
        return index, mutants.find(mutants.MUTANTS[index], histories)
    except EditError as error:
        print(error, file=sys.stderr)
        return index, None


def _fails(history: History, kind: str) -> bool:
    return any(problem.kind == kind for problem in playing.problems(history))


def _show(title: str, history: History, found: Iterable[Problem]) -> None:
    problems = list(map(str, found))
    if problems:
        print("", title, history, *(f"  -> {problem}" for problem in problems), sep="\n", flush=True)


def _tell(history: History) -> int:
    played = playing.Play(history, narrate=True)
    print(history, "", *played.lines, "", sep="\n")
    print(*(played.problems or ["nothing is wrong"]), sep="\n")
    return 1 if played.problems else 0


if __name__ == "__main__":
    sys.exit(main())
