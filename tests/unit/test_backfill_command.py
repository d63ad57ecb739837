"""`bin/darkroom backfill`: what it refuses, what it expects, and when it gives up watching."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from darkroom import backfills, cli, intake, records
from darkroom.backfills import Backfill, Progress
from darkroom.commands import backfill
from darkroom.project import CommandError
from darkroom.stack import Stack

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:darkroom-backfill-x"
OUTPUTS = {
    "SourceBucketName": "photos",
    "SourcePrefix": "raw/",
    "JobsTableName": "jobs",
    "BackfillStateMachineArn": MACHINE,
    "BackfillQueueUrl": "https://sqs/1/backfill",
}
FOUND = {"batches": 10, "listed": 1000, "sent": 800, "outputs": 800 * 13, "intermediates": 1600, "standing": 200}


class S3:
    """A bucket with these keys."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def list_objects_v2(self, Prefix: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Contents": [{"Key": key} for key in self.keys if key.startswith(Prefix)]}


def stack_with(region: str = "us-east-1", **clients: Any) -> Stack:
    stack = Stack("darkroom", OUTPUTS, region, parameters={"BatchSize": "2", "MaximumConcurrency": "2"})
    object.__setattr__(stack, "client", clients.__getitem__)
    return stack


def counted(**figures: int) -> Backfill:
    return Backfill("a run", "raw/", False, 0, "2026-01-31T12:00:00.000Z", figures=FOUND | figures)


def command(stack: Stack, *arguments: str) -> backfill._Command:
    return backfill._Command(stack, cli._parser(["backfill"]).parse_args(["backfill", *arguments]), "bin/darkroom")


@pytest.mark.parametrize(
    ("typed", "prefix"),
    [(None, "raw/"), ("", "raw/"), ("raw/", "raw/"), ("cats/", "raw/cats/"), ("raw/cats/t", "raw/cats/t")],
)
def test_a_prefix_may_be_typed_with_or_without_the_stacks(typed: str | None, prefix: str) -> None:
    assert backfill.prefix_of(stack_with(s3=S3("raw/cats/tom.jpg")), typed) == prefix


def test_a_folder_of_sources_that_is_called_processed_is_named_in_full() -> None:
    stack = stack_with(s3=S3("raw/processed/a.jpg"))
    with pytest.raises(CommandError, match=r"holds what Darkroom makes.* as in raw/processed/"):
        backfill.prefix_of(stack, "processed/")
    assert backfill.prefix_of(stack, "raw/processed/") == "raw/processed/"


@pytest.mark.parametrize(
    "typed", ["processed", "processed/", "processed/cats/", "dogs/", "/raw/", "s3://photos/raw/", "x" * 2000]
)
def test_a_prefix_that_makes_no_sense_is_refused(typed: str) -> None:
    with pytest.raises(CommandError):
        backfill.prefix_of(stack_with(s3=S3("raw/cats/tom.jpg")), typed)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--max", "0"],
        ["--max", "-5"],
        ["--max", "many"],
        ["--max-usd", "0"],
        ["--max-usd", "-1"],
        ["--max-usd", "nan"],
        ["--max-usd", "inf"],
        ["--concurrency", "1"],
        ["--concurrency", "1001"],
        ["--tolerate", "-1"],
        ["--max", "5", "--max-usd", "1"],
        ["--dry-run", "--stop"],
    ],
    ids=" ".join,
)
def test_numbers_that_make_no_sense_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        cli._parser(["backfill"]).parse_args(["backfill", *arguments])
    assert refused.value.code == 2
    said = capsys.readouterr().err
    assert "write a" in said or "not allowed with" in said


def test_the_look_is_a_part_of_what_is_expected() -> None:
    nothing, all_ = (backfills.expect(stack_with(), counted(), images, 2) for images in (0, 800))
    assert nothing.requests["s3.GetObject"] == 1000
    assert nothing.requests["lambda.Invoke"] == nothing.requests["dynamodb.UpdateItem"] == 10
    assert 0 < nothing.dollars < 0.01 < all_.dollars
    assert all_.requests["sqs.SendMessage"] >= 800
    assert all_.requests["s3.PutObject"] >= 800 * 13


def test_the_time_follows_the_triggers() -> None:
    two, eight = (backfills.expect(stack_with(), counted(), 800, triggers).seconds for triggers in (2, 8))
    assert two == pytest.approx(4 * eight)


@pytest.mark.parametrize("dollars", [0.01, 0.05, 1000.0])
def test_what_is_affordable_costs_no_more_and_one_more_would(dollars: float) -> None:
    stack, found = stack_with(), counted()
    number = backfills.affordable(stack, found, dollars)
    if number:
        assert backfills.expect(stack, found, number, 1).dollars <= dollars
    if number < found["sent"]:
        assert backfills.expect(stack, found, number + 1, 1).dollars > dollars


def test_dollars_that_pay_for_no_photo_are_refused_with_an_amount_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = command(stack_with(), "--max-usd", "0.000001", "--concurrency", "2")
    with pytest.raises(CommandError, match=r"write --max-usd (0\.\d+) or more") as refused:
        asked.expect(counted())
    enough = str(refused.value).split("--max-usd ")[1].split(" ")[0]
    assert command(stack_with(), "--max-usd", enough, "--concurrency", "2").expect(counted()).images >= 1


def test_a_region_without_prices_is_refused_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "start", lambda *_, **__: pytest.fail("started"))
    monkeypatch.setattr(backfills, "under_way", lambda _: None)
    monkeypatch.setattr(intake, "is_paused", lambda _: False)
    for arguments in (["--dry-run"], ["--max-usd", "5", "--yes"], []):
        with pytest.raises(CommandError, match="mars-north-1"):
            command(stack_with("mars-north-1", s3=S3("raw/a.jpg")), *arguments).run()


def test_what_would_outlast_the_queue_is_refused_with_what_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    many = counted(sent=50_000_000, outputs=650_000_000, intermediates=100_000_000)
    asked = command(stack_with(), "--concurrency", "2")
    with pytest.raises(CommandError, match=r"--concurrency \d+, or --max \d+") as refused:
        asked.check_time(asked.expect(many))
    said = str(refused.value)
    within = said.partition("--max ")[2]
    bounded = command(stack_with(), "--concurrency", "2", "--max", within)
    bounded.check_time(bounded.expect(many))


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Backfill:
    run = Backfill("a run", "raw/", True, 0, "2026-01-31T12:00:00.000Z")
    monkeypatch.setattr(backfills, "under_way", lambda _: run)
    monkeypatch.setattr(intake, "is_paused", lambda *_: False)
    monkeypatch.setattr(intake, "switch", lambda *_, **__: (False, {}))
    monkeypatch.setattr(backfills, "not_compared", lambda *_: 0)
    return run


@pytest.mark.parametrize("arguments", [["cats/"], ["--max", "5"], ["--max-usd", "5"]])
def test_a_second_backfill_is_refused(running: Backfill, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"a backfill of raw/ is under way: .* watches it, and .* --stop"):
        command(stack_with(), *arguments).run()


def test_the_one_that_is_under_way_is_watched_to_its_end(
    running: Backfill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = [Progress(running, "RUNNING", 5, 2, 0), *[Progress(running, "SUCCEEDED", 0, 0, 0)] * 3]
    monkeypatch.setattr(backfills, "progress", lambda *_: looks.pop(0))
    monkeypatch.setattr(backfill, "LOOKS_SECONDS", {False: 0.0, True: 0.0})
    assert command(stack_with()).run() == 0
    assert not looks, "SQS counts about: three looks must agree"
    assert "0 FAILED" in capsys.readouterr().out


def test_too_many_failures_stop_it(
    running: Backfill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped: list[str] = []
    monkeypatch.setattr(backfills, "progress", lambda *_: Progress(running, "RUNNING", 5, 2, 4))
    monkeypatch.setattr(backfills, "stop", lambda _, run: stopped.append(run.name))
    monkeypatch.setattr(intake, "queue", lambda *_: {"MessageRetentionPeriod": "1209600", **NUMBERS})
    assert command(stack_with(), "--tolerate", "3").run() == 1
    assert stopped == ["a run"]
    assert "More than 3 jobs have FAILED" in capsys.readouterr().out


NUMBERS = {"ApproximateNumberOfMessages": "5", "ApproximateNumberOfMessagesNotVisible": "2"}


def test_ctrl_c_ends_the_watching_only(
    running: Backfill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any) -> Progress:
        raise KeyboardInterrupt

    monkeypatch.setattr(backfills, "progress", interrupted)
    monkeypatch.setattr(backfills, "stop", lambda *_: pytest.fail("stopped"))
    assert command(stack_with()).run() == 130
    assert "The backfill goes on" in capsys.readouterr().out


def test_while_the_intake_is_paused_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "under_way", lambda _: None)
    monkeypatch.setattr(intake, "is_paused", lambda *_: True)
    with pytest.raises(CommandError, match=r"the intake is paused.*first `bin/darkroom resume`"):
        command(stack_with(s3=S3("raw/a.jpg")), "--yes").run()


def test_a_stack_from_before_there_was_a_backfill_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Stack("darkroom", {"SourceBucketName": "photos"}, "us-east-1")
    monkeypatch.setattr(Stack, "open", lambda *_, **__: old)
    with pytest.raises(CommandError, match="deploy the template again"):
        backfill.run(argparse.Namespace(stack="darkroom", aws=True, json=False))


def test_the_names_agree_with_the_functions() -> None:
    import contracts
    from backfill import figures

    assert figures.OWNER == records.BACKFILL
    assert set(backfills.FIGURES) == contracts.Found.__annotations__.keys()
