"""What a version needs, by its record and what is asked for."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from trigger.notices import Notice
from trigger.verdicts import GiveUp, Later, Look, Park, Refused, Start, decide

NOW = 1_800_000_000.0
JUDGE = {"recipe": "0123456789abcdef", "memory": 1769}
SOURCE = {"bucket": "darkroom-source", "key": "raw/a.jpg", "version_id": "v1", "etag": "e", "size": 5, "modified": "m"}


def moment(seconds: float) -> str:
    """A moment in seconds from now, as records write it."""
    return datetime.datetime.fromtimestamp(NOW + seconds, datetime.UTC).isoformat(timespec="milliseconds")


def record(status: str, **changes: Any) -> dict[str, Any]:
    """A record of an attempt that was started a minute ago and ended half a minute ago."""
    facts: dict[str, Any] = {
        "QUEUED": {"last_failure": {"code": "Broken", "reason": "it broke", "state": None, "at": moment(-30)}},
        "REJECTED": {"judge": JUDGE, "finished_at": moment(-30)},
        "FAILED": {"code": "Broken", "reason": "it broke", "finished_at": moment(-30)},
    }.get(status, {"finished_at": moment(-30)})
    return {
        "status": status,
        "job_id": "j",
        "round": 2,
        "attempt": 1,
        "started_at": moment(-60),
        "source": SOURCE,
        "recipe": {"name": "default", "hash": JUDGE["recipe"]},
        **facts,
        **changes,
    }


def decided(
    found: dict[str, Any] | None,
    sent: float = -90,
    asked: str | None = None,
    versions: list[str] | None = None,
    **source: Any,
) -> Any:
    """What is decided now, after a message that was sent `sent` seconds from now."""
    notice = Notice("raw/a.jpg", False, asked, "v1", None, NOW + sent, NOW + sent)
    return decide(found, {**SOURCE, **source}, JUDGE, Look(None, [notice], NOW + 60, versions or ["v1"]), NOW)


@pytest.mark.parametrize(("status", "decision"), [("REJECTED", Refused()), ("QUEUED", Start(2, 2))])
def test_the_same_bytes_put_again_are_the_same_job(status: str, decision: Any) -> None:
    """Without versions, only the time of the change and the bytes differ."""
    assert decided(record(status), modified="later") == decision
    for change in ({"etag": "f"}, {"size": 6}):
        assert decided(record(status), modified="later", **change) == Start(3, 1)


@pytest.mark.parametrize("status", ["QUEUED", "FAILED", "SUCCEEDED"])
@pytest.mark.parametrize(
    ("before", "after"),
    [({}, {"focus": "0.1,0.1"}), ({"focus": "0.1,0.1"}, {}), ({"focus": "0.1,0.1"}, {"focus": "0.1,0.1", "alt": ""})],
)
def test_another_focus_or_alt_opens_a_round(status: str, before: dict[str, str], after: dict[str, str]) -> None:
    """Without versions, the version id and the bytes stay the same."""
    was = {**SOURCE, "given": before} if before else SOURCE
    gave = {"given": after} if after else {}
    assert decided(record(status, source=was), **gave) == Start(3, 1)


def test_another_focus_does_not_have_refused_bytes_judged_again() -> None:
    assert decided(record("REJECTED"), given={"focus": "0.1,0.1"}) == Refused()


def test_a_version_that_was_never_run_is_started() -> None:
    assert decided(None) == Start(1, 1)
    closed = {"status": "SUPERSEDED", "job_id": "j", "source": SOURCE}  # as retire writes it
    assert decided(closed) == Start(1, 1)


@pytest.mark.parametrize("status", ["SUCCEEDED", "SUPERSEDED", "DELETED"])
def test_a_version_that_is_wanted_again_gets_a_new_round(status: str) -> None:
    assert decided(record(status)) == Start(3, 1)


def test_a_queued_version_gets_its_next_attempt_when_it_is_due() -> None:
    assert decided(record("QUEUED")) == Start(2, 2)
    early = decided(record("QUEUED", attempt=2))
    assert isinstance(early, Later)
    assert early.seconds == pytest.approx(90, abs=0.01)
    assert early.reason == "Broken: it broke"


@pytest.mark.parametrize("asked", [None, "redrive"])
@pytest.mark.parametrize("sent", [-90, 0])
def test_no_message_hastens_a_queued_version(sent: float, asked: str | None) -> None:
    assert isinstance(decided(record("QUEUED", attempt=2), sent, asked), Later)


def test_after_the_last_attempt_it_is_given_up() -> None:
    assert decided(record("QUEUED", attempt=3)) == GiveUp()


def test_a_failed_version_stays_parked_until_a_message_is_sent_after_it() -> None:
    failed = record("FAILED", attempt=3)
    assert decided(failed, sent=-31) == Park("job j FAILED: Broken: it broke", failed["finished_at"])
    assert decided(failed, sent=-29) == Start(3, 1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Refused()),
        ({"judge": {**JUDGE, "memory": 512}}, Start(3, 1)),
        ({"judge": {**JUDGE, "recipe": "another"}}, Start(3, 1)),
        ({"judge": None}, Start(3, 1)),
        ({"recipe": {"name": "default", "hash": "started with another"}}, Refused()),
    ],
)
def test_a_refusal_counts_for_its_judge(changes: dict[str, Any], expected: Any) -> None:
    found = record("REJECTED", **changes)
    if found["judge"] is None:
        del found["judge"]  # by an older Darkroom
    assert decided(found, sent=0) == expected


@pytest.mark.parametrize("status", ["QUEUED", "SUCCEEDED", "FAILED"])
def test_another_recipe_opens_a_new_round_at_once(status: str) -> None:
    assert decided(record(status, attempt=3, recipe={"name": "default", "hash": "another"})) == Start(3, 1)


@pytest.mark.parametrize("status", ["QUEUED", "SUCCEEDED", "FAILED", "REJECTED"])
def test_other_bytes_open_a_new_round_at_once(status: str) -> None:
    assert decided(record(status, attempt=3), etag="f") == Start(3, 1)
    assert decided(record(status, attempt=3), size=6) == Start(3, 1)


@pytest.mark.parametrize("status", ["QUEUED", "SUCCEEDED", "FAILED", "REJECTED"])
def test_force_opens_one_new_round_at_once(status: str) -> None:
    assert decided(record(status, attempt=2), sent=-59, asked="force") == Start(3, 1)
    begun_since = record(status, attempt=2, started_at=moment(-58))
    assert decided(begun_since, sent=-59, asked="force") == decided(begun_since, sent=-59)


def test_force_has_the_newest_version_judged_again_and_no_other() -> None:
    assert decided(record("REJECTED"), sent=-59, asked="force", versions=["v2", "v1"]) == Refused()
