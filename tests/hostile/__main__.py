"""`make fuzz`: mutants of valid files through the functions, and giants that are only just accepted.

Ends with one line per figure:

    BAR <name> <value> <limit> ok|short

Seeded: the same seed makes the same mutants. What breaks a bar is kept in .darkroom/fuzz/, with the command that runs
it alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.bars import Bar, at_least, at_most, report
from tests.hostile import engine, given, mutants, quality
from tests.hostile.files import files, giants

KEPT = engine.ROOT / ".darkroom/fuzz"
PROCESSES = 2


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--file", type=Path, help="run this file alone, and print how it ended")
    args = parser.parse_args()
    if args.file:
        return alone(args.file)
    bars = [*fuzz(args.seed, args.mutants), *given.bars(args.seed), *quality.bars(args.seed), *made(), *largest()]
    return report(bars)


def alone(file: Path) -> int:
    (ended,) = engine.run(file.parent, [file.name])
    print(ended)
    print(engine.problem(ended) or "nothing is wrong with that")
    return 1 if engine.problem(ended) else 0


def fuzz(seed: int, count: int) -> list[Bar]:
    print(f"{count} mutants of {len(mutants.sources())} files, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        names = [put(folder, *mutants.mutant(seed, number)) for number in range(count)]
        found = list(run(Path(folder), names))
    accepted = sum(ended.status == "SUCCEEDED" for ended in found)
    # A mutant that is refused at its first byte proves little: some must reach the encoders.
    return [
        Bar("fuzz.mutants", len(found), count, at_least),
        Bar("fuzz.accepted", accepted, count // 10, at_least),
        *bars("fuzz", found),
    ]


def made() -> list[Bar]:
    """All made files, of which the tests run a part."""
    wanted = files()
    with tempfile.TemporaryDirectory() as folder:
        names = [put(folder, name, make()) for name, (make, _) in wanted.items()]
        print(f"{len(names)} made files", flush=True)
        found = list(run(Path(folder), names))
    unexpected = [each for each in found if wanted[each.name][1] not in ("", each.code or each.status)]
    return [Bar("made.unexpected", len(unexpected), 0, at_most), *bars("made", found)]


def largest() -> list[Bar]:
    """Files that take nearly as much as the limits allow."""
    with tempfile.TemporaryDirectory() as folder:
        names = [put(folder, name, make()) for name, make in giants().items()]
        print(f"{len(names)} giants", flush=True)
        found = list(run(Path(folder), names, processes=1))
    accepted = sum(ended.status == "SUCCEEDED" for ended in found)
    return [Bar("giants.accepted", accepted, len(names) - 1, at_least), *bars("giants", found)]


def bars(name: str, found: list[engine.Ended]) -> list[Bar]:
    ways = Counter(ended.status for ended in found)
    print("  " + ", ".join(f"{count} {way}" for way, count in Counter(e.code or e.status for e in found).most_common()))
    return [
        Bar(f"{name}.unclassified", ways["RAISED"], 0, at_most),
        Bar(f"{name}.crashed", ways["CRASHED"], 0, at_most),
        Bar(f"{name}.hung", ways["HUNG"], 0, at_most),
        Bar(f"{name}.noisy", sum(bool(ended.noise) for ended in found), 0, at_most),
        Bar(f"{name}.cpu_s", max(max(ended.cpu.values()) for ended in found), engine.CPU, at_most),
        Bar(f"{name}.mb", max(max(ended.mb.values()) for ended in found), int(engine.memory()), at_most),
    ]


def put(folder: str, name: str, content: bytes) -> str:
    path = Path(folder, name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return name


def run(folder: Path, names: list[str], processes: int = PROCESSES) -> Iterator[engine.Ended]:
    """The files through the functions; prints and keeps those that break a bar."""
    began, done = time.monotonic(), 0
    with ThreadPoolExecutor(processes) as pool:
        shares = [names[start::processes] for start in range(processes)]
        for part in pool.map(lambda share: list(engine.run(folder, share)), shares):
            for ended in part:
                done += 1
                if problem := engine.problem(ended):
                    print(f"  {problem}\n  make fuzz ARGS='--file {keep(folder, ended.name)}'", flush=True)
                yield ended
    print(f"  {done} of {len(names)} ended, in {time.monotonic() - began:.0f} s", flush=True)


def keep(folder: Path, name: str) -> Path:
    path = KEPT / name.replace("/", "-")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((folder / name).read_bytes())
    return path.relative_to(engine.ROOT)


if __name__ == "__main__":
    sys.exit(main())
