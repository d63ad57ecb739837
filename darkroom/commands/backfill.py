"""Make the sets of photos that were there before the stack, or that an older recipe made."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.live import Live
from rich.text import Text

from darkroom import backfills, intake, records
from darkroom.backfills import Backfill, Expected, Progress
from darkroom.costs import prices
from darkroom.project import CommandError, command
from darkroom.stack import Stack
from darkroom.terminal import print_json, printable, size

LOOKS_SECONDS = {True: 0.5, False: 3.0}  # between two looks: at a local stack, at AWS
LINE_SECONDS = 10.0  # between two lines, where there is no terminal
LOOKS = 3  # that must agree that all is over: SQS counts about
TOLERATED = 100  # FAILED jobs
MOST = 1_000_000_000
QUEUE_DAYS = 10.0  # what a backfill may take: the queue keeps a message for 14 days
# Where all that Darkroom makes lies.
OURS = "processed"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "backfill",
        help="make the sets of photos that are there already",
        description="Make the sets of all photos that have none by the current recipe. Watches one that is under way.",
    )
    below = "photos whose keys begin with this, with or without SourcePrefix (default: all)"
    parser.add_argument("prefix", nargs="?", metavar="PREFIX", help=below)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="count, and say what it would cost; start nothing")
    how.add_argument("--yes", action="store_true", help="start at once, and do not ask")
    how.add_argument("--stop", action="store_true", help="stop the one that is under way; what it asked for waits")
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--max", type=_whole(1, MOST), metavar="N", help="make no more than N sets")
    bound.add_argument("--max-usd", type=_dollars, metavar="D", help="make no more than D dollars pay for")
    triggers = "triggers at the same time, besides those for uploads (default: BackfillConcurrency)"
    parser.add_argument("--concurrency", type=_whole(2, 1000), metavar="N", help=triggers)
    tolerate = f"stop when more than N jobs have FAILED (default {TOLERATED})"
    parser.add_argument("--tolerate", type=_whole(0, MOST), default=TOLERATED, metavar="N", help=tolerate)
    parser.add_argument("--json", action="store_true", help="print one JSON document; with --dry-run, --yes or --stop")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Count or make what is to be made; 1 if a job FAILED, or if not all could be looked at."""
    stack = Stack.open(args.stack, aws=args.aws)
    if "BackfillStateMachineArn" not in stack.outputs:
        raise CommandError(
            f"the stack {stack.name!r} was deployed before there was a backfill: deploy the template again"
        )
    if args.json and not (args.dry_run or args.yes or args.stop):
        raise CommandError("--json asks nobody: add --dry-run, --yes or --stop")
    return _Command(stack, args, command(args.stack, aws=args.aws)).run()


def prefix_of(stack: Stack, typed: str | None) -> str:
    """What the keys of the wanted sources begin with. Raises CommandError for a prefix without sources."""
    root = records.source_prefix(stack)
    name = typed or ""
    if name.partition("/")[0] == OURS and not name.startswith(root):
        raise CommandError(
            f"{printable(name)} holds what Darkroom makes, and a backfill makes nothing of that: "
            f"name a prefix of photos, as in {root}{printable(name)}"
        )
    if "://" in name or name.startswith("/"):
        raise CommandError(f"{printable(name)} is no prefix of keys: write {root}cats/ or cats/, without a bucket")
    prefix = records.source_key(stack, name)
    bucket = stack.outputs["SourceBucketName"]
    if len(prefix.encode()) > records.LONGEST_KEY or not stack.client("s3").list_objects_v2(
        Bucket=bucket, Prefix=prefix, MaxKeys=1
    ).get("Contents"):
        raise CommandError(f"nothing in the bucket {bucket} begins with {printable(prefix)}: check the prefix")
    return prefix


class _Command:
    """One call of the command."""

    def __init__(self, stack: Stack, args: argparse.Namespace, program: str) -> None:
        self.stack, self.args, self.program = stack, args, f"{program} backfill"
        self.look_seconds = LOOKS_SECONDS[bool(stack.endpoint)]

    def run(self) -> int:
        if self.args.stop:
            return self.stop()
        if not self.args.dry_run and (running := backfills.under_way(self.stack)):
            return self.go_on(running)
        prefix = prefix_of(self.stack, self.args.prefix)
        if self.args.dry_run:
            return self.dry_run(prefix)
        self.check_intake()
        most = self.agree(prefix)
        if most is None:
            return 0
        run = self.start(prefix, most)
        self.say(f"The backfill {run.name} has begun. To stop it: {self.program} --stop")
        return self.follow(run)

    def dry_run(self, prefix: str) -> int:
        prices.load(backfills.pricing_region(self.stack))  # before anything is started
        found = self.count(prefix)
        expected = self.expect(found)
        if self.args.json:
            print_json(self.document(found, expected))
        else:
            self.show(found, expected)
        return 0

    def agree(self, prefix: str) -> int | None:
        """The bound of the backfill that is wanted, 0 for none; None if there is nothing to do. Raises CommandError."""
        if self.args.yes and not self.args.max_usd:
            return int(self.args.max or 0)
        prices.load(backfills.pricing_region(self.stack))
        found = self.count(prefix)
        expected = self.expect(found)
        if not self.args.json:
            self.show(found, expected)
        if not expected.images:
            if self.args.json:
                print_json(self.document(found, expected))
            return None
        self.check_time(expected)
        self.warn_of_concurrency()
        if not self.args.yes:
            if not sys.stdin.isatty():
                raise CommandError("nobody is there to ask, so nothing was started: add --yes if this is right")
            if input("Start? [y/N] ").strip().lower() not in ("y", "yes"):
                raise CommandError("nothing was started")
        return expected.images if self.args.max or self.args.max_usd else 0

    def start(self, prefix: str, most: int) -> Backfill:
        run = backfills.start(self.stack, prefix, sends=True, most=most)
        intake.switch(self.stack, on=True, which=intake.BACKFILLS, concurrency=self.args.concurrency)
        return run

    def go_on(self, running: Backfill) -> int:
        """Watch the backfill that is under way. Raises CommandError if another one is wanted."""
        prefix = records.source_key(self.stack, self.args.prefix) if self.args.prefix else running.prefix
        if prefix != running.prefix or self.args.max or self.args.max_usd:
            raise CommandError(
                f"a backfill of {printable(running.prefix)} is under way: `{self.program}` watches it, "
                f"and `{self.program} --stop` stops it"
            )
        self.check_intake()
        intake.switch(self.stack, on=True, which=intake.BACKFILLS, concurrency=self.args.concurrency)
        self.say(f"The backfill {running.name} of {printable(running.prefix)} is under way.")
        return self.follow(running)

    def stop(self) -> int:
        """Stop what is under way, or what a stopped command has left in the queue."""
        run = backfills.latest(self.stack)
        if run is None or (backfills.under_way(self.stack) is None and intake.is_idle(self.stack, intake.BACKFILLS)):
            self.say("No backfill is under way.")
            if self.args.json:
                print_json({"run": None, "waiting": 0})
            return 0
        waiting = self.end(run)
        if self.args.json:
            print_json({**backfills.summary(backfills.read(self.stack, run.name)), "waiting": waiting})
        return 0

    def end(self, run: Backfill) -> int:
        """Stop a backfill; returns how many photos wait."""
        backfills.stop(self.stack, run)
        intake.switch(self.stack, on=False, which=intake.BACKFILLS)
        waiting, in_flight = intake.waiting(intake.queue(self.stack, intake.BACKFILLS))
        days = int(intake.queue(self.stack, intake.BACKFILLS)["MessageRetentionPeriod"]) // 86400
        asked = number_of(waiting, "photo that it asked for waits", "photos that it asked for wait")
        self.say(f"The backfill is stopped. {asked} for {days} days, {in_flight} in flight or between two attempts.")
        self.say(f"The same command goes on where this one was: {self.program} {printable(run.prefix)}")
        return waiting

    def count(self, prefix: str) -> Backfill:
        """Count what a backfill would do, by the same listing. Interrupted, it ends the listing."""
        run = backfills.start(self.stack, prefix, sends=False)
        try:
            with self.showing() as show:
                while (state := backfills.listing(self.stack, run)) == "RUNNING":
                    show(f"{printable(prefix)}: {backfills.read(self.stack, run.name)['listed']:,} looked at")
                    time.sleep(self.look_seconds)
        except BaseException:
            backfills.stop(self.stack, run)
            raise
        failed = backfills.not_compared(self.stack, run)
        if state != "SUCCEEDED" or failed:
            raise CommandError(
                f"{number_of(failed, 'object')} could not be compared (the count is {state}), so nothing was "
                f"started: `{self.program.removesuffix('backfill')}logs BackfillFunction` says why"
            )
        return backfills.read(self.stack, run.name)

    def expect(self, found: Backfill) -> Expected:
        """What is to be made, within the bounds. Raises CommandError if these do not allow a single photo."""
        images = min(found["sent"], self.args.max or found["sent"])
        if self.args.max_usd and images:
            images = backfills.affordable(self.stack, found, self.args.max_usd)
            if not images:
                one = backfills.expect(self.stack, found, 1, 1).dollars
                raise CommandError(
                    f"${self.args.max_usd:g} is less than a look and one photo cost: write --max-usd {_up(one)} or more"
                )
        return backfills.expect(self.stack, found, images, self.triggers())

    def triggers(self) -> int:
        found = self.args.concurrency or intake.concurrency_of(intake.mapping_of(self.stack, intake.BACKFILLS))
        return int(found or self.stack.parameters.get("BackfillConcurrency", "2"))

    def check_intake(self) -> None:
        if intake.is_paused(self.stack):
            resume = f"{self.program.removesuffix('backfill')}resume"
            raise CommandError(f"the intake is paused, for a reason that holds for a backfill too: first `{resume}`")

    def check_time(self, expected: Expected) -> None:
        days = expected.seconds / 86400
        if days <= QUEUE_DAYS:
            return
        triggers = self.triggers()
        raise CommandError(
            f"with {triggers} triggers this would take {days:,.0f} days, and the queue keeps a message for 14: add "
            f"--concurrency {min(1000, math.ceil(triggers * days / QUEUE_DAYS))}, "
            f"or --max {math.floor(expected.images * QUEUE_DAYS / days)}"
        )

    def warn_of_concurrency(self) -> None:
        needed = backfills.functions_at_once(self.stack, self.triggers())
        limit = self.stack.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        if needed > limit:
            self.say(
                f"Note: uploads and this backfill take up to {needed} functions at once, and {limit} may run. What is "
                "throttled is tried again, uploads too: ask AWS for more, or backfill while few photos are uploaded."
            )

    def follow(self, run: Backfill) -> int:
        """Show a backfill until it is over, or too many jobs have FAILED. Ctrl-C ends the watching only."""
        try:
            last = self.watch(run)
        except KeyboardInterrupt:
            self.say(f"The backfill goes on. To watch it again: {self.program}")
            self.say(f"To stop it: {self.program} --stop")
            return 130
        if last.failed > self.args.tolerate:
            self.say(f"More than {self.args.tolerate} jobs have FAILED: the backfill is stopped.")
            self.end(last.run)
        return self.result(last)

    def watch(self, run: Backfill) -> Progress:
        """Look until it is over. Returns what was seen last."""
        began, first, agreed = time.monotonic(), None, 0
        with self.showing() as show:
            while True:
                now = backfills.progress(self.stack, run, self.args.tolerate)
                first = now.done if first is None else first
                show(_line(now, (now.done - first) / max(time.monotonic() - began, 0.001)))
                agreed = agreed + 1 if now.is_over else 0
                if agreed == LOOKS or now.run.stopped or now.failed > self.args.tolerate:
                    return now
                time.sleep(self.look_seconds)

    def result(self, last: Progress) -> int:
        """Say how it ended; 1 if a job FAILED, or if not all could be looked at."""
        run, missed = last.run, backfills.not_compared(self.stack, last.run)
        if self.args.json:
            facts = {"listing": last.listing, "stopped": run.stopped, "waiting": last.waiting, "failed": last.failed}
            print_json({**backfills.summary(run), **facts, "not_compared": missed})
        elif not run.stopped:
            print(
                f"Looked at {number_of(run['listed'], 'object')}: {run['standing']:,} stood already, "
                f"{number_of(run['sent'], 'photo was', 'photos were')} asked for, {last.failed:,} FAILED."
            )
        if run["archived"]:
            self.say(_archived(run))
        if run["over"]:
            self.say(f"{run['over']:,} more are left for another backfill, beyond the bound of {run.most:,}.")
        program = self.program.removesuffix("backfill")
        if last.failed:
            self.say(f"`{program}jobs --status FAILED` says why, and `{program}redrive` brings them back.")
        if missed or last.listing not in ("SUCCEEDED", "ABORTED"):
            self.say(
                f"{missed:,} objects could not be compared (the listing {last.listing}): run `{self.program}` again."
            )
        return 1 if last.failed or missed or last.listing not in ("SUCCEEDED", "ABORTED") else 0

    def show(self, found: Backfill, expected: Expected) -> None:
        """Print what was found and what it takes."""
        print(f"Below {printable(found.prefix)}: {number_of(found['listed'], 'object')}, {size(found['bytes'])}.")
        print(f"  {found['standing']:>13,}  stand by the current recipe, and are left alone")
        if found["no_source"]:
            print(f"  {found['no_source']:>13,}  are no photos: folder markers, or files such as .DS_Store")
        if found["archived"]:
            print(f"  {found['archived']:>13,}  are archived, and left alone")
        print(f"  {found['sent']:>13,}  are to be made: {size(found['sent_bytes'])}, to {found['outputs']:,} files")
        if found["archived"]:
            print(_archived(found))
        if not expected.images:
            print("There is nothing to make.")
            return
        if expected.images < found["sent"]:
            print(f"The bound allows {expected.images:,} of them.")
        triggers = self.triggers()
        print(
            f"To make {expected.images:,}: about {_money(expected.dollars)} at the list prices of "
            f"{backfills.pricing_region(self.stack)}, and {_time(expected.seconds)} with {triggers} triggers."
        )
        print("Requests, about:")
        for name, number in sorted(expected.requests.items(), key=lambda pair: -pair[1]):
            print(f"  {math.ceil(number):>13,}  {name}")

    def document(self, found: Backfill, expected: Expected) -> dict[str, Any]:
        """The same for a script."""
        return {
            **backfills.summary(found),
            "images": expected.images,
            "dollars": round(expected.dollars, 6),
            "seconds": round(expected.seconds, 1),
            "concurrency": self.triggers(),
            "requests": {name: math.ceil(number) for name, number in sorted(expected.requests.items())},
        }

    def say(self, text: str) -> None:
        """Tell the operator, apart from what a script reads."""
        print(text, file=sys.stderr if self.args.json else sys.stdout, flush=True)

    @contextlib.contextmanager
    def showing(self) -> Iterator[Callable[[str], None]]:
        """Shows a changing line: in place on a terminal, else now and then a new one."""
        if sys.stdout.isatty() and not self.args.json:
            with Live(Text(""), refresh_per_second=4, transient=True) as live:
                yield lambda text: live.update(Text(text))
            return
        last, when = "", time.monotonic()

        def line(text: str) -> None:
            nonlocal last, when
            if time.monotonic() - when >= LINE_SECONDS and text != last:
                last, when = text, time.monotonic()
                self.say(text)

        yield line


def _line(now: Progress, rate: float) -> str:
    run, left = now.run, now.waiting + now.in_flight
    inherited = f" and {run.inherited:,} before" if run.inherited else ""
    text = (
        f"{printable(run.prefix)}: {run['listed']:,} looked at{'' if now.listing == 'RUNNING' else ' (all)'}, "
        f"{run['sent']:,} asked for{inherited}: {now.done:,} done, {now.waiting:,} waiting, "
        f"{now.in_flight:,} in flight, {now.failed:,} failed"
    )
    if not left or rate <= 0:
        return text
    seconds = left / rate
    text += f"; {rate:.1f} a second, {_time(seconds)} left"
    return text + (": more than the queue keeps, raise --concurrency" if seconds > QUEUE_DAYS * 86400 else "")


def _archived(run: Backfill) -> str:
    photos = number_of(
        run["archived"], "archived photo (GLACIER, DEEP_ARCHIVE)", "archived photos (GLACIER, DEEP_ARCHIVE)"
    )
    return f"{photos} cannot be read: copy to another storage class, or restore and `redrive KEY` each."


def number_of(number: int, one: str, many: str = "") -> str:
    """A number with its noun, and with commas."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _whole(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number of an option."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"write a whole number from {least} to {most:,}, not {text!r}")
        return number

    return parse


def _dollars(text: str) -> float:
    try:
        dollars = float(text.removeprefix("$"))
    except ValueError:
        dollars = math.nan
    if not 0 < dollars < math.inf:
        raise argparse.ArgumentTypeError(f"write an amount of dollars above 0, such as 25 or 0.50, not {text!r}")
    return dollars


def _money(dollars: float) -> str:
    return f"${dollars:,.2f}" if dollars >= 0.995 else f"${dollars:.2g}"


def _up(dollars: float) -> str:
    """An amount that is enough, with two digits."""
    digits = 1 - math.floor(math.log10(dollars))
    return f"{math.ceil(dollars * 10**digits) / 10**digits:.{max(digits, 0)}f}"


def _time(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{math.ceil(seconds)} s"
