"""The distribution's two functions, run in a JavaScript engine: what they make of a request and of an answer."""

from __future__ import annotations

import json
import random
import re
import subprocess
from typing import Any

import pytest

from darkroom.local.emulator import NODE
from darkroom.local.template import load_template
from pipeline import keys

pytestmark = pytest.mark.skipif(not NODE, reason="Node.js is not installed: make test installs it")

VERSION = "0123456789abcdef"
AVIF, WEBP, JPEG = "image/avif,image/webp,*/*;q=0.8", "image/webp,*/*", "image/jpeg,*/*"
SECONDS = 20


def run(function: str, *events: dict[str, Any]) -> list[Any]:
    """What a function of template.yaml makes of events, as CloudFront calls it."""
    code = load_template()["Resources"][function]["Properties"]["FunctionCode"]
    script = f"{code}\nconsole.log(JSON.stringify({json.dumps(events)}.map(handler)))"
    ran = subprocess.run(
        [NODE[0] / "node", "--input-type=commonjs", "-"],
        input=script,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    found: list[Any] = json.loads(ran.stdout)
    return found


def asked(uri: str, accept: str | list[str] | None = None, **query: Any) -> dict[str, Any]:
    """A viewer's request. Several Accept headers come as CloudFront tells them."""
    several = accept if isinstance(accept, list) else []
    header: dict[str, Any] = {"value": several[0] if several else accept}
    if several:
        header["multiValue"] = [{"value": value} for value in several]
    headers = {} if accept is None else {"accept": header}
    return {"request": {"method": "GET", "uri": uri, "querystring": query, "headers": headers, "cookies": {}}}


def answered(uri: str, headers: dict[str, str], **query: Any) -> dict[str, Any]:
    response = {"statusCode": 200, "headers": {name: {"value": value} for name, value in headers.items()}}
    return {**asked(uri, **query), "response": response}


def value(text: str) -> dict[str, str]:
    return {"value": text}


@pytest.mark.parametrize(
    ("accept", "extension"),
    [
        (AVIF, "avif"),
        (WEBP, "webp"),
        (JPEG, "jpg"),
        ("*/*", "jpg"),
        ("", "jpg"),
        (None, "jpg"),
        ("IMAGE/AVIF", "avif"),
        ("text/html, image/avif;q=0.5, image/webp", "avif"),
        ("image/avif;q=0,image/webp", "webp"),
        ("image/avif; q=0.000, image/webp;q=0", "jpg"),
        ("image/avif;q=0.001", "avif"),
        ("image/avif-sequence,image/webp", "webp"),
        ("text/plain;x=image/avif", "jpg"),
        (["text/html", "image/webp"], "webp"),
    ],
)
def test_a_size_without_extension_gets_the_best_format_that_is_accepted(
    accept: str | list[str] | None, extension: str
) -> None:
    (request,) = run("ViewerRequest", asked("/processed/cats/tom.jpg/large", accept))
    assert request["uri"] == f"/processed/cats/tom.jpg/large.{extension}"
    assert request["querystring"] == {}


@pytest.mark.parametrize("name", ["large.avif", "large.jpg", "manifest.json", "", "LARGE", "%6Carge", "x" * 41])
def test_what_is_no_size_keeps_its_path(name: str) -> None:
    (request,) = run("ViewerRequest", asked(f"/processed/cats/tom.jpg/{name}", AVIF))
    assert request["uri"] == f"/processed/cats/tom.jpg/{name}"


def test_every_size_that_a_recipe_can_name_is_known() -> None:
    names = ["large", "x", "9", "a-b_c", "z" * 40]
    assert all(keys.is_rendition(f"{name}.avif") for name in names)
    requests = run("ViewerRequest", *(asked(f"/processed/a.jpg/{name}", AVIF) for name in names))
    assert [request["uri"] for request in requests] == [f"/processed/a.jpg/{name}.avif" for name in names]


def test_a_version_reaches_the_cache_and_s3_is_asked_to_let_it_be_kept() -> None:
    (request,) = run("ViewerRequest", asked("/processed/a.jpg/large.avif", v=value(VERSION)))
    assert request["querystring"] == {
        "v": value(VERSION),
        "response-cache-control": value("max-age%3D86400"),
    }


@pytest.mark.parametrize(
    "query",
    [
        {"v": value("1")},
        {"v": value(VERSION.upper())},
        {"v": value(f"{VERSION}0")},
        {"v": value("")},
        {"w": value(VERSION)},
        {"response-cache-control": value("public, max-age=31536000")},
        {"versionId": value("null"), "response-content-type": value("text/html")},
    ],
)
def test_nothing_else_of_a_query_reaches_the_cache_or_s3(query: dict[str, Any]) -> None:
    (request,) = run("ViewerRequest", asked("/processed/a.jpg/large.avif", AVIF, **query))
    assert request["querystring"] == {}


def test_no_stranger_can_vary_more_than_path_and_version() -> None:
    """5,000 random requests: what the cache gets is a path of ours and a version, or nothing."""
    chance = random.Random(10)
    words = [
        "v",
        "w",
        VERSION,
        "large",
        "large.avif",
        "image/avif",
        "image/webp;q=0",
        ",",
        ";",
        "/",
        "%2F",
        "é",
        "..",
        "",
    ]

    def text() -> str:
        return "".join(chance.choices(words, k=chance.randrange(6)))

    events = [
        asked(
            "/" + text(),
            chance.choice([None, text(), [text(), text()]]),
            **{chance.choice(words): value(text()) for _ in range(chance.randrange(3))},
        )
        for _ in range(5000)
    ]
    for event, request in zip(events, run("ViewerRequest", *events), strict=True):
        path = event["request"]["uri"]
        assert request["uri"] in {path, *(f"{path}.{extension}" for extension in ("avif", "webp", "jpg"))}
        versions = request["querystring"]
        assert versions.keys() in ({"v", "response-cache-control"}, set())
        assert not versions or re.fullmatch("[0-9a-f]{16}", versions["v"]["value"])
        # CloudFront answers with an error if a function puts a space, a # or a control character into a query.
        assert all(re.fullmatch("[A-Za-z0-9._~%-]+", each["value"]) for each in versions.values())


def test_the_version_that_was_asked_for_is_kept_for_a_year() -> None:
    answer = answered("/processed/a.jpg/large.avif", {"x-amz-meta-v": VERSION}, v=value(VERSION))
    (response,) = run("ViewerResponse", answer)
    assert response["headers"]["cache-control"] == value("public, max-age=31536000, immutable")
    assert "vary" not in response["headers"]


@pytest.mark.parametrize(
    "answer",
    [
        answered("/processed/a.jpg/large.avif", {"x-amz-meta-v": VERSION}),
        answered("/processed/a.jpg/large.avif", {"x-amz-meta-v": "f" * 16}, v=value(VERSION)),  # an overwrite
        answered("/processed/a.jpg/large.avif", {"cache-control": "public, max-age=86400"}, v=value(VERSION)),
        answered("/processed/a.jpg/large", {"x-amz-meta-v": VERSION}, v=value(VERSION)),
        answered("/processed/a.jpg/manifest.json", {"etag": '"1"'}),
    ],
)
def test_anything_else_is_asked_for_again(answer: dict[str, Any]) -> None:
    (response,) = run("ViewerResponse", answer)
    assert response["headers"]["cache-control"] == value("no-cache")
    assert response["headers"]["vary"] == value("Accept")


def test_what_has_not_changed_is_kept_as_long_as_before() -> None:
    answer = answered("/processed/a.jpg/large.avif", {"cache-control": "max-age=86400"}, v=value(VERSION))
    answer["response"]["statusCode"] = 304
    (response,) = run("ViewerResponse", answer)
    assert response["headers"] == {}


def test_other_headers_stay() -> None:
    (response,) = run("ViewerResponse", answered("/processed/a.jpg/large", {"vary": "Origin", "etag": '"1"'}))
    assert response["headers"]["vary"] == value("Origin, Accept")
    assert response["headers"]["etag"] == value('"1"')


def test_both_are_small_enough() -> None:
    resources = load_template()["Resources"]
    for name in ("ViewerRequest", "ViewerResponse"):
        assert len(resources[name]["Properties"]["FunctionCode"].encode()) < 10_240  # CloudFront's limit
