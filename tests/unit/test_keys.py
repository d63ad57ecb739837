"""200 hostile keys, from the event to the message: each comes through exactly, and none meets another."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from pipeline import messages, storage
from tests.unit import hostile_keys
from tests.unit.invoking import call
from tests.unit.triggering import Workflow, deliver, message, record

KEYS = hostile_keys.keys()
BASE = "https://images.example.com/a&b"
RECIPE = {"sizes": {"small": {"width": 4}, "large": {"width": 8}}, "formats": ["webp", "jpeg"]}
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT = re.compile(r"[A-Za-z0-9][\x20-\x7e]{0,99}")
MESSAGE_BYTES = 262_144
# What every protocol of SNS accepts; SQS, for example, refuses U+FFFF.
PORTABLE = re.compile(r"[\x20-\x7e]*")
# Control characters, line and paragraph separators, and marks that reverse the direction of text.
FORGING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Pictures(HTMLParser):
    """The URLs, tags, attributes and text of a <picture>."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.urls: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            self.names.add(name)
            if name == "src":
                self.urls.add(str(value))
            if name == "srcset":
                self.urls |= {candidate.split(" ")[0] for candidate in str(value).split(", ")}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def played(cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Workflow]:
    """The state machine's states, as they are, with a recipe of four small outputs."""
    from optimize import app as optimize
    from pipeline import recipes
    from trigger import reconcile
    from validate import app as validate

    path = tmp_path / "recipes.json"
    path.write_text(json.dumps({"recipes": {"default": RECIPE}, "routes": {}}), encoding="utf-8")
    for module in (validate, reconcile):
        monkeypatch.setattr(module, "RECIPES", recipes.load(path))
    monkeypatch.setattr(optimize, "PUBLIC_BASE_URL", BASE)

    def run(job: dict[str, Any]) -> None:
        outcome = call("validate", {"job": job})
        if outcome["valid"]:
            facts = {"job": job, "image": outcome["image"], "recipe": outcome["recipe"]}
            parts = [call("resize", facts), call("filters", facts)]
            outcome = {"status": "SUCCEEDED", "result": call("optimize", facts | {"intermediates": parts})}
        call("notify", {"job": job, "outcome": outcome})

    workflow.script = [run] * 1000
    return workflow


def picture(number: int) -> bytes:
    """A picture that differs from all others by its width."""
    body = io.BytesIO()
    Image.new("L", (10 + number, 8)).save(body, "PNG")
    return body.getvalue()


def upload(cloud: Any, keys: list[str]) -> dict[str, str]:
    """The versions of the keys, put and delivered in batches of ten."""
    versions = {key: cloud.upload(key, picture(number)) for number, key in enumerate(keys)}
    deliver_all([record(key, version) for key, version in versions.items()])
    return versions


def remove(cloud: Any, keys: list[str]) -> None:
    markers = {key: cloud.delete(key) for key in keys}
    deliver_all([record(key, marker, "ObjectRemoved:DeleteMarkerCreated") for key, marker in markers.items()])


def deliver_all(events: list[dict[str, Any]]) -> None:
    for start in range(0, len(events), 10):
        assert deliver(*map(message, events[start : start + 10])) == []


def is_gone(cloud: Any, key: str) -> bool:
    return storage.head("darkroom-output", key) is None


def record_of(cloud: Any, key: str) -> dict[str, Any]:
    (found,) = cloud.records(key)
    return dict(found)


def test_there_are_200_different_keys() -> None:
    assert len(KEYS) == len(set(KEYS)) == 200
    assert hostile_keys.keys() == KEYS


def test_each_key_is_carried_through_exactly_and_meets_no_other(
    cloud: Any, played: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails: dict[str, str] = {}
    publish = messages.sns.publish

    def overhear(**request: Any) -> Any:
        assert len(request["Message"].encode()) < MESSAGE_BYTES
        said = json.loads(request["Message"])
        mails[json.loads(said["default"])["source"]["key"]] = said["email"]
        return publish(**request)

    monkeypatch.setattr(messages.sns, "publish", overhear)
    versions = upload(cloud, KEYS)
    published = {each["body"]["source"]["key"]: each for each in cloud.published()}
    assert published.keys() == mails.keys() == versions.keys()
    job_ids, sets = set(), {}
    for number, (key, version) in enumerate(versions.items()):
        found = record_of(cloud, key)
        assert (found["source_key"], found["source"]["version_id"], found["status"]) == (key, version, "SUCCEEDED")
        job_ids.add(found["job_id"])
        path = "processed/" + key[len("raw/") :]
        assert found["result"]["manifest_key"] == f"{path}/manifest.json"
        manifest = json.loads(cloud.output(f"{path}/manifest.json"))
        assert manifest["source"]["key"] == key
        assert manifest["source"]["width"] == 10 + number  # its own picture
        names = [f"{path}/{name}" for name in ("small.webp", "small.jpg", "large.webp", "large.jpg")]
        assert [entry["key"] for entry in manifest["renditions"]] == names
        for entry in manifest["renditions"]:
            assert len(cloud.output(entry["key"])) == entry["bytes"]
        sets[key] = [f"{path}/manifest.json", *names]
        check_picture(manifest["picture"], set(names))
        check_message(published[key], key, manifest)
        check_mail(mails[key])
    assert len(job_ids) == 200
    assert len({name for names in sets.values() for name in names}) == 200 * 5
    remove(cloud, KEYS[::2])
    for key in KEYS[::2]:
        assert record_of(cloud, key)["status"] == "DELETED"
        assert all(is_gone(cloud, name) for name in sets[key]), key
    for key in KEYS[1::2]:
        assert not any(is_gone(cloud, name) for name in sets[key]), key


def check_picture(text: str, keys: set[str]) -> None:
    found = Pictures(text)
    assert found.tags == ["picture", "source", "img"]
    assert found.names == {"type", "srcset", "sizes", "src", "width", "height", "alt", "loading", "decoding"}
    assert found.text == ""
    assert re.fullmatch(r"[\x20-\x7e]*", text)
    for url in found.urls:
        assert re.fullmatch(r"[A-Za-z0-9%/._~:&-]+\?v=[0-9a-f]{16}", url)
        parts = urlsplit(url)
        assert (parts.netloc, parts.fragment) == ("images.example.com", "")
    assert {unquote(url.removeprefix(f"{BASE}/").partition("?")[0], errors="strict") for url in found.urls} == keys


def check_message(message: dict[str, Any], key: str, manifest: dict[str, Any]) -> None:
    assert SUBJECT.fullmatch(message["Subject"])
    assert (message["body"]["source"]["key"], message["body"]["manifest"]) == (key, manifest)
    assert PORTABLE.fullmatch(message["Message"])


def check_mail(text: str) -> None:
    assert len(text.splitlines()) == 2, text
    assert not FORGING.search(text.replace("\n", "")), text


def test_a_key_that_is_too_long_is_refused_and_can_be_deleted(cloud: Any, played: Workflow) -> None:
    keys = [f"raw/{path}" for path in hostile_keys.TOO_LONG]
    for key in keys:
        assert len(key.encode()) <= 1024, "S3 takes it as a source"
    upload(cloud, keys)
    published = {each["body"]["source"]["key"]: each for each in cloud.published()}
    for key in keys:
        found = record_of(cloud, key)
        assert (found["status"], found["code"]) == ("REJECTED", "UNSUPPORTED_KEY")
        assert SUBJECT.fullmatch(published[key]["Subject"])
        assert "too long" in published[key]["body"]["reason"]
    remove(cloud, keys)
    assert {record_of(cloud, key)["status"] for key in keys} == {"REJECTED"}
    assert cloud.dead_letters() == []


def test_an_object_that_is_no_source_leaves_no_trace(cloud: Any, played: Workflow) -> None:
    keys = [f"raw/{path}" for path in hostile_keys.NO_SOURCES]
    upload(cloud, keys)
    assert [cloud.records(key) for key in keys] == [[]] * len(keys)
    assert (played.started, cloud.published(), cloud.dead_letters()) == ([], [], [])
