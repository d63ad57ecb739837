"""Job records as an operator reads them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from darkroom.commands import jobs, watch
from darkroom.stack import Stack
from darkroom.terminal import printable, printable_lines, size, story
from tests.unit.fake_pipeline import FakePipeline, playing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts import Failure, Record


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePipeline]:
    monkeypatch.setenv("COLUMNS", "200")
    with playing() as play:
        monkeypatch.setattr(Stack, "open", lambda *_args, **_options: play.stack)
        play.record("raw/good.jpg", "v1", "SUCCEEDED", result={"renditions": 13, "bytes_in": 2000, "bytes_out": 900})
        play.record("raw/bad.jpg", "v1", "REJECTED", code="CORRUPT", reason="Export it again.")
        play.record("raw/old.jpg", "v1", "SUPERSEDED")
        play.record("raw/old.jpg", "v2", "DELETED")
        failure = {"state": "OptimizeImage", "code": "Lambda.Unknown", "reason": "It broke."}
        play.record("raw/good.jpg", "v2", "QUEUED", last_failure=failure)
        yield play


def shown(capsys: pytest.CaptureFixture[str], key: str | None = None, status: str | None = None) -> str:
    args = argparse.Namespace(stack="darkroom", aws=False, key=key, status=status, limit=50, json=False)
    assert jobs.run(args) == 0
    return capsys.readouterr().out


def test_without_a_key_it_shows_no_history(play: FakePipeline, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys)
    assert "CORRUPT: Export it again." in text
    assert "last attempt failed in OptimizeImage: Lambda.Unknown: It broke." in text
    for status in ("SUCCEEDED", "SUPERSEDED", "DELETED"):
        assert status not in text
    assert "SUPERSEDED" in shown(capsys, status="SUPERSEDED")


def test_by_status(play: FakePipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert "bad.jpg" in shown(capsys, status="REJECTED")
    assert shown(capsys, status="FAILED") == "No job is FAILED.\n"


@pytest.mark.parametrize("watched", [False, True])
def test_no_more_is_read_than_is_shown(play: FakePipeline, monkeypatch: pytest.MonkeyPatch, watched: bool) -> None:
    """Without a Limit, DynamoDB reads up to 1 MB a page, however few of its rows are asked for."""
    asked = []
    play.table.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: asked.append((params["IndexName"], params["Limit"]))
    )
    if watched:
        next(watch.changes(play.stack, poll=0.01))
        assert {limit for _, limit in asked} == {1, watch.NEWEST}
    else:
        assert (
            jobs.run(argparse.Namespace(stack="darkroom", aws=False, key=None, status="REJECTED", limit=20, json=False))
            == 0
        )
        assert asked == [("by_status", 20)]


def test_by_key_with_or_without_raw_it_shows_every_version(
    play: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, key="good.jpg")
    assert "13 renditions, 2.00 kB in, 900 B out" in text
    assert "QUEUED" in text
    assert text == shown(capsys, key="raw/good.jpg")
    assert "was it uploaded" in shown(capsys, key="absent.jpg")


def test_watching_keys_ends_with_their_newest_jobs(play: FakePipeline) -> None:
    changes = watch.changes_of(play.stack, ["raw/good.jpg", "raw/bad.jpg"], poll=0.01)
    seen = [next(changes)["status"], next(changes)["status"]]
    play.record("raw/good.jpg", "v2", "SUCCEEDED", result={})
    seen += [record["status"] for record in changes]
    assert seen == ["QUEUED", "REJECTED", "SUCCEEDED"]


def test_watching_all_follows_a_job_out_of_the_index(play: FakePipeline) -> None:
    changes = watch.changes(play.stack, poll=0.01)
    assert next(changes)["status"] == "QUEUED", "the open job, not the older rejection"
    play.record("raw/good.jpg", "v2", "SUCCEEDED", result={"renditions": 13, "bytes_in": 2000, "bytes_out": 900})
    assert next(changes)["status"] == "SUCCEEDED"


def test_a_run_that_was_lost_outside_of_any_state_names_none() -> None:
    failure: Failure = {"state": None, "code": "RUN_LOST", "reason": "It ended."}
    record: Record = {"source_key": "raw/a.jpg", "item": "job#v", "status": "QUEUED", "last_failure": failure}
    assert story(record) == "last attempt failed: RUN_LOST: It ended."


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (41_349, "41.3 kB"), (999_600, "1.00 MB"), (123_456_789, "123 MB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_a_name_cannot_control_the_terminal() -> None:
    assert printable("a\x1b[2Jb\u202ec\n.jpg") == "a\ufffd[2Jb\ufffdc\ufffd.jpg"


def test_a_log_keeps_its_line_breaks_and_controls_nothing() -> None:
    assert printable_lines("a\tb\x9b2J\r\n\u202ec\n") == "a       b\ufffd2J\n\ufffdc"
