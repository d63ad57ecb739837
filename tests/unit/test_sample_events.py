"""Sample events on a stack with another prefix than raw/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from darkroom.commands import invoke
from darkroom.project import ROOT
from darkroom.stack import Stack

STACK = Stack(
    "darkroom", {"SourceBucketName": "theirs", "OutputBucketName": "ours", "SourcePrefix": "photos/2026/"}, "us-east-1"
)


@pytest.fixture(autouse=True)
def _sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invoke, "_source", lambda _, key: (f"version of {key}", "etag", 1))


EVENTS = [path for path in sorted((ROOT / "events").glob("*.json")) if path.stem != "env"]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_sample_event_follows_the_stacks_prefix(path: Path) -> None:
    sample, event = (json.dumps(each) for each in (json.loads(path.read_text()), invoke.read_event(path, STACK)))
    if "darkroom-source" in sample:
        assert "photos/2026/samples/photo.jpg" in event
        assert "version of photos/2026/samples/photo.jpg" in event
    assert "raw/" not in event


def test_a_removal_follows_too(tmp_path: Path) -> None:
    about: dict[str, Any] = {"bucket": {"name": "darkroom-source"}, "object": {"key": "raw/a+b.jpg"}}
    (tmp_path / "event.json").write_text(json.dumps({"eventName": "ObjectRemoved:Delete", "s3": about}))
    found = invoke.read_event(tmp_path / "event.json", STACK)["s3"]
    assert (found["bucket"]["name"], found["object"]) == ("theirs", {"key": "photos/2026/a+b.jpg"})
