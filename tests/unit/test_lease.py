"""The lease: one trigger at a time works on a key, and a dead one is taken over."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.unit.triggering import KEY, Workflow, deliver, lease_of, message, record
from trigger import lease


def test_a_fault_while_waiting_for_a_run_keeps_the_lease(cloud: Any, workflow: Workflow) -> None:
    def throttled(job: dict[str, Any]) -> None:
        raise RuntimeError("DynamoDB is throttling")

    workflow.script = [throttled]
    version = cloud.upload(KEY)
    assert len(deliver(message(record(KEY, version)))) == 1
    held = lease_of(cloud)
    assert held
    assert held["execution_name"] == workflow.started[0]["execution_name"]
    assert held["held_until"] > time.time() + 20


def test_the_lease_of_a_dead_trigger_whose_run_has_ended_is_taken_at_once(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "GRACE_SECONDS", 0.2)
    version = cloud.upload(KEY)

    def die(job: dict[str, Any]) -> None:
        workflow.succeed(job)
        raise KeyboardInterrupt  # the invocation ends here: nothing after it runs

    workflow.script = [die]
    monkeypatch.setattr(lease.Lease, "release", lambda self: None)
    with pytest.raises(KeyboardInterrupt):
        deliver(message(record(KEY, version)))
    began = time.monotonic()
    assert deliver(message(record(KEY, version))) == []
    assert time.monotonic() - began < 5  # not the lease's 30 s
    assert len(workflow.started) == 1


def test_a_lease_in_use_cannot_be_taken(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    with lease.hold(KEY, time.time()) as held:
        held.renew(version, "somebody-1-1")
        with pytest.raises(lease.BusyError), lease.hold(KEY, time.time() + 1):
            pass
    assert deliver(message(record(KEY, version))) == []


def test_a_holder_that_lost_the_lease_cannot_renew_it(cloud: Any, workflow: Workflow) -> None:
    with lease.hold(KEY, time.time()) as held:
        held.settle(-1)
        with lease.hold(KEY, time.time()), pytest.raises(lease.LostError):
            held.renew("v1", "late-1-1")
