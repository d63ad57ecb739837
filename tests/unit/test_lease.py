"""The lease: one trigger at a time works on a key, and a dead one is taken over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import jobs, storage
from tests.unit.triggering import FOLDER, KEY, Workflow, deliver, lease_of, message, record
from trigger import executions, lease

Later = Callable[[float], None]


def failed(state: str | None) -> dict[str, Any]:
    return {"last_failure": {"code": "Broken", "reason": "it broke", "state": state}}


def seconds_until_free(later: Later) -> int:
    """How long the lease is in use from now on."""
    for seconds in range(100):
        try:
            with lease.hold(KEY):
                return seconds
        except lease.BusyError:
            later(1)
    raise AssertionError("the lease is never free")


def test_a_lease_in_use_cannot_be_taken(cloud: Any, later: Later) -> None:
    with lease.hold(KEY):
        with pytest.raises(lease.BusyError) as busy, lease.hold(KEY):
            pass
        assert busy.value.until == int(time.time() + lease.LOOK_SECONDS)
    with lease.hold(KEY):
        pass
    assert lease_of(cloud) is None


def test_a_look_is_short(cloud: Any, later: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease.Lease, "release", lambda self: None)  # it died
    with lease.hold(KEY):
        pass
    assert seconds_until_free(later) == lease.LOOK_SECONDS


def test_a_run_holds_the_lease_until_it_cannot_write_any_more(cloud: Any, later: Later) -> None:
    with lease.hold(KEY) as held:
        deadline = held.running("v1", "job-1-1")
        held.kept = True
    found = lease_of(cloud)
    assert found
    assert (found["version_id"], found["execution_name"]) == ("v1", "job-1-1")
    assert deadline + lease.SETTLE_SECONDS + lease.SKEW_SECONDS <= found["held_until"]
    assert seconds_until_free(later) == lease.LEASE_SECONDS


def test_a_removal_holds_the_lease_until_it_cannot_remove_any_more(cloud: Any, later: Later) -> None:
    for torn in (False, True):
        with lease.hold(KEY) as held:
            held.removing(torn=torn)
        assert seconds_until_free(later) == lease.LEASE_SECONDS
        with lease.hold(KEY) as held:
            assert held.torn is torn


@pytest.mark.parametrize("state", ["StartExecution", "ValidateImage", "ResizeImage", "ApplyFilters"])
def test_an_attempt_that_wrote_nothing_frees_the_lease_at_once(cloud: Any, later: Later, state: str) -> None:
    with lease.hold(KEY) as held:
        held.running("v1", "job-1-1")
        held.settled(failed(state))
    assert seconds_until_free(later) == 0
    with lease.hold(KEY) as held:
        assert (held.version_id, held.execution_name, held.torn) == ("v1", None, False)


@pytest.mark.parametrize("state", ["OptimizeImage", "NotifySuccess", "NotifyError", "SomethingNew", None])
def test_an_attempt_that_may_write_settles_before_its_successor(cloud: Any, later: Later, state: str | None) -> None:
    with lease.hold(KEY) as held:
        held.running("v1", "job-1-1")
        held.settled(failed(state))
    assert seconds_until_free(later) == lease.SETTLE_SECONDS
    with lease.hold(KEY) as held:
        assert (held.version_id, held.execution_name, held.torn) == ("v1", None, True)


def test_the_lease_remembers_what_the_next_holder_needs(cloud: Any, later: Later) -> None:
    def after(end: Callable[[lease.Lease], None], torn: bool = True) -> dict[str, Any] | None:
        with lease.hold(KEY) as held:
            held.running("v1", "job-1-1")
            held.torn = torn
            end(held)
        item = lease_of(cloud)
        if item is None:
            return None
        assert item["held_until"] == 0
        return {name: item[name] for name in ("version_id", "execution_name", "torn") if name in item}

    assert after(lease.Lease.parked) == {"version_id": "v1", "torn": True}
    assert after(lease.Lease.parked, torn=False) == {"version_id": "v1"}
    assert after(lease.Lease.refused) == {"torn": True}
    assert after(lease.Lease.refused, torn=False) is None
    assert after(lease.Lease.finished) is None


def test_a_holder_that_lost_the_lease_can_change_nothing(cloud: Any, later: Later) -> None:
    with lease.hold(KEY) as late:
        later(lease.LOOK_SECONDS)
        with lease.hold(KEY) as held:
            held.running("v2", "job-1-1")
            before = lease_of(cloud)
            with pytest.raises(lease.LostError):
                late.running("v1", "late-1-1")
            with pytest.raises(lease.LostError):
                late.removing(torn=True)
            with pytest.raises(lease.LostError):
                late.settled(failed("OptimizeImage"))
            for ending in (late.parked, late.finished):
                ending()
                late.release()
            assert lease_of(cloud) == before


def test_of_two_that_take_over_one_gets_the_lease(cloud: Any, later: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    with lease.hold(KEY) as held:
        held.running("v1", "job-1-1")
    later(lease.LEASE_SECONDS)
    take_over = lease._take_over

    def too_late(holder: str, found: lease.LeaseItem) -> lease.Lease:
        take_over("the other", found)
        return take_over(holder, found)

    monkeypatch.setattr(lease, "_take_over", too_late)
    with pytest.raises(lease.BusyError), lease.hold(KEY):
        pass
    assert (lease_of(cloud) or {})["holder"] == "the other"


def test_a_write_whose_answer_was_lost_is_ours(cloud: Any, later: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    put_if = jobs.put_if

    def twice(item: Any, condition: str, values: Any) -> Any:
        put_if(item, condition, values)
        return put_if(item, condition, values)  # as the SDK repeats it

    monkeypatch.setattr(jobs, "put_if", twice)
    with lease.hold(KEY) as held:
        held.running("v1", "job-1-1")
    later(lease.LEASE_SECONDS)
    with lease.hold(KEY) as held:
        assert held.execution_name == "job-1-1"


def test_a_fault_while_waiting_for_a_run_keeps_the_lease(cloud: Any, workflow: Workflow, later: Later) -> None:
    def throttled(job: dict[str, Any]) -> None:
        raise RuntimeError("DynamoDB is throttling")

    workflow.script = [throttled]
    assert len(deliver(message(record(KEY, cloud.upload(KEY))))) == 1
    held = lease_of(cloud)
    assert held
    assert held["execution_name"] == workflow.started[0]["execution_name"]
    assert held["held_until"] == int(time.time() + lease.LEASE_SECONDS)
    ends = workflow.started[0]["deadline"] + lease.SETTLE_SECONDS + lease.SKEW_SECONDS
    assert ends <= held["held_until"]


@pytest.mark.parametrize(
    ("end", "seconds"),
    [
        ("succeed", lease.GRACE_SECONDS),
        ("reject", lease.GRACE_SECONDS),
        ("fail", lease.GRACE_SECONDS),
        ("fail_halfway", lease.SETTLE_SECONDS + lease.GRACE_SECONDS),
        ("go_on", lease.LEASE_SECONDS),
    ],
)
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_dead_trigger_is_silent_once_its_run_has_closed_the_record(
    cloud: Any,
    workflow: Workflow,
    monkeypatch: pytest.MonkeyPatch,
    later: Later,
    end: str,
    seconds: float,
    attempts: int,
) -> None:
    version = cloud.upload(KEY)

    def die(job: dict[str, Any]) -> None:
        if end != "go_on":
            getattr(workflow, end)(job)
        monkeypatch.setattr(lease.Lease, "release", lambda self: None)
        raise KeyboardInterrupt  # the invocation ends here: nothing after it runs

    workflow.script = [*[workflow.fail_halfway] * (attempts - 1), die]
    for _ in range(attempts - 1):
        deliver(message(record(KEY, version)))
        later(480)
    with pytest.raises(KeyboardInterrupt):
        deliver(message(record(KEY, version)))
    assert seconds - 1 <= seconds_until_free(later) - 1 <= seconds


def test_a_slow_clean_up_after_a_run_is_not_taken_for_death(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, later: Later
) -> None:
    """The record is closed long before, and the next holder's run could write what the slow one removes."""
    event = record(KEY, cloud.upload(KEY))
    workflow.script = [workflow.fail_halfway]
    deliver(message(event))
    left_over = f"{FOLDER}/of-an-older-recipe.jpg"
    cloud.s3.put_object(Bucket="darkroom-output", Key=left_over, Body=b"")
    later(30)
    free_after = []
    monkeypatch.setattr(storage, "delete", lambda *_: free_after.append(seconds_until_free(later)))
    deliver(message(event))
    assert free_after == [lease.LEASE_SECONDS]


def test_a_clean_up_that_was_cut_off_does_not_cost_a_run(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, later: Later
) -> None:
    event = record(KEY, cloud.upload(KEY))
    deliver(message(event))
    left_over = f"{FOLDER}/of-an-older-recipe.jpg"
    cloud.s3.put_object(Bucket="darkroom-output", Key=left_over, Body=b"")

    def unavailable(bucket: str, keys: set[str]) -> None:
        raise RuntimeError("503 Slow Down")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", unavailable)
        assert len(deliver(message(event))) == 1
    later(lease.LEASE_SECONDS)
    assert deliver(message(event)) == []
    assert (len(workflow.started), cloud.exists(left_over), lease_of(cloud)) == (1, False, None)


def test_the_next_one_goes_on_where_a_dead_trigger_stopped(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, later: Later
) -> None:
    version = cloud.upload(KEY)

    def die(job: dict[str, Any]) -> None:
        workflow.succeed(job)
        raise KeyboardInterrupt

    workflow.script = [die]
    with monkeypatch.context() as patch:
        patch.setattr(lease.Lease, "release", lambda self: None)
        with pytest.raises(KeyboardInterrupt):
            deliver(message(record(KEY, version)))
    later(lease.GRACE_SECONDS + 1)
    assert deliver(message(record(KEY, version))) == []
    assert (len(workflow.started), lease_of(cloud)) == (1, None)


def test_a_run_of_unknown_end_is_waited_for(cloud: Any, workflow: Workflow, later: Later) -> None:
    def unknown(job: dict[str, Any]) -> None:
        raise executions.UnknownError("no answer")

    workflow.script = [unknown]
    assert len(deliver(message(record(KEY, cloud.upload(KEY))))) == 1
    assert workflow.hidden[-1] == 60  # its end may show before the lease ends
    assert seconds_until_free(later) == lease.LEASE_SECONDS
