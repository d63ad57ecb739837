"""Pausing and resuming, with a Lambda that takes its time."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

import pytest

from darkroom import intake
from darkroom.commands import intake as command
from darkroom.project import CommandError
from darkroom.stack import Stack

OUTPUTS = {
    "TriggerFunctionName": "trigger",
    "UploadQueueUrl": "https://sqs/1/uploads",
    "UploadDeadLetterQueueUrl": "https://sqs/1/dead-letters",
}


class Lambda:
    """A mapping whose state is the next of `states` at each look, and the last one from then on."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.updates: list[bool] = []

    def list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
        other = {"UUID": "other", "State": "Enabled", "EventSourceArn": "arn:aws:sqs:eu-west-1:1:another"}
        uploads = {"UUID": "ours", "State": state, "EventSourceArn": "arn:aws:sqs:eu-west-1:1:uploads"}
        return {"EventSourceMappings": [other, uploads | {"LastModified": moment}]}

    def update_event_source_mapping(self, UUID: str, Enabled: bool) -> None:  # noqa: N803
        assert UUID == "ours"
        self.updates.append(Enabled)


class Queue:
    def __init__(self, visible: int = 5, hidden: int = 2) -> None:
        self.numbers = str(visible), str(hidden)

    def get_queue_attributes(self, **_request: Any) -> dict[str, Any]:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        numbers = dict(zip(names, self.numbers, strict=True))
        return {"Attributes": {"MessageRetentionPeriod": "604800"} | numbers}


def stack_with(monkeypatch: pytest.MonkeyPatch, *states: str) -> tuple[Stack, Lambda]:
    stack, function = Stack("darkroom", OUTPUTS, "eu-west-1"), Lambda(*states)
    object.__setattr__(stack, "client", {"lambda": function, "sqs": Queue()}.__getitem__)
    monkeypatch.setattr(Stack, "open", lambda *_args, **_options: stack)
    monkeypatch.setattr(intake, "POLL_SECONDS", 0)
    return stack, function


ARGS = argparse.Namespace(stack="darkroom", aws=True, json=False)


@pytest.mark.parametrize(("state", "word"), [("Enabled", "running"), ("Disabling", "paused"), ("Disabled", "paused")])
def test_status_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str, word: str
) -> None:
    _, function = stack_with(monkeypatch, state)
    assert command._status(ARGS) == 0
    assert function.updates == []
    text = capsys.readouterr().out
    assert f"Intake is {word}: 5 wait in the queue, 2 in flight" in text
    assert "Dead letters: 5." in text


def test_pausing_waits_until_it_has_taken_effect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, function = stack_with(monkeypatch, "Enabled", "Disabling", "Disabling", "Disabled")
    assert command._pause(ARGS) == 0
    assert (function.updates, function.states) == ([False], ["Disabled"])
    text = capsys.readouterr().out
    assert "Intake is paused: 5 wait in the queue, 2 in flight" in text
    assert "07 February 2026" in text, "the day on which the queue deletes the first event after the pause"
    assert "darkroom --aws resume" in text


def test_pausing_twice_changes_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, function = stack_with(monkeypatch, "Disabled")
    assert command._pause(ARGS) == 0
    assert function.updates == []
    assert "was already paused" in capsys.readouterr().out


def test_resuming_waits_for_a_pause_that_is_under_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, function = stack_with(monkeypatch, "Disabling", "Disabled", "Enabling", "Enabled")
    assert command._resume(ARGS) == 0
    assert function.updates == [True]
    assert "running again" in capsys.readouterr().out


@pytest.mark.parametrize("stale", [("Enabled",), ("Enabled", "Enabled", "Disabling")])
def test_what_aws_shows_just_after_a_change_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, stale: tuple[str, ...]
) -> None:
    stack, function = stack_with(monkeypatch, "Enabled", *stale, "Disabled")
    changed, mapping = intake.switch(stack, on=False)
    assert (changed, mapping["State"], function.updates) == (True, "Disabled", [False])


@pytest.mark.parametrize("state", ["Enabled", "Updating"])
def test_a_mapping_that_does_not_change_is_reported(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setattr(intake, "PATIENCE_SECONDS", 0)
    stack, _ = stack_with(monkeypatch, state)
    with pytest.raises(CommandError, match=f"mapping ours stays {state}: try again later"):
        intake.switch(stack, on=False)


def test_a_trigger_without_its_queue_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    stack, _ = stack_with(monkeypatch, "Enabled")
    elsewhere = Stack("x", OUTPUTS | {"UploadQueueUrl": "https://sqs/1/nowhere"}, "eu-west-1")
    object.__setattr__(elsewhere, "client", stack.client)
    with pytest.raises(CommandError, match="deploy the template again"):
        intake.is_paused(elsewhere)


@pytest.mark.parametrize(("queue", "idle"), [(Queue(0, 0), True), (Queue(1, 0), False), (Queue(0, 1), False)])
def test_an_empty_queue_is_idle(queue: Queue, idle: bool) -> None:
    stack = Stack("darkroom", OUTPUTS, "eu-west-1")
    object.__setattr__(stack, "client", {"sqs": queue}.__getitem__)
    assert intake.is_idle(stack) is idle
