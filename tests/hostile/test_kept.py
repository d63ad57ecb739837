"""Damaged and dangerous metadata through the sandbox: it is read or passed over, and the picture comes through."""

from __future__ import annotations

import re
import time
from typing import Any
from xml.dom import minidom

import pytest

from engine import metadata, sandbox
from engine.rejection import Rejection
from pipeline import recipes
from tests.hostile import kept

CASES = {name: (make, end) for name, make, end in kept.cases()}
ALL = ["rights", "ai", "alt"]
RECIPE: Any = recipes.route(recipes.load(), "raw/x") | {"keep": ALL}
LIMITS: Any = RECIPE["limits"] | {"formats": ["jpeg", "png", "webp", "gif", "avif", "heic", "tiff"]}
UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
READ = {"rights", "digital_source_type", "alt", "c2pa"}


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 200


@pytest.mark.filterwarnings("ignore")  # Pillow's, which the tests make errors of
@pytest.mark.parametrize("name", CASES)
def test_no_picture_is_lost(name: str) -> None:
    make, end = CASES[name]
    content = make()
    began = time.process_time()
    try:
        facts = sandbox.inspect(content, RECIPE, LIMITS, 1000)
    except Rejection:
        assert not end
        return
    assert time.process_time() - began < 1
    found: Any = {field: value for field, value in facts.items() if field in READ}
    assert all(len(text) <= 2000 and not UNWANTED.search(text) for text in _texts(found))
    if packet := metadata.packet(facts, ALL):
        assert len(packet) <= 60_000
        minidom.parseString(packet)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in _texts(each)]
    return [value] if isinstance(value, str) else []


READ_ALL_THE_SAME = {
    "xmp-utf16-no-mark.jpg": "A cat on a mat",
    "xmp-utf16-called-8.jpg": "A cat on a mat",
    "xmp-utf32.jpg": "A cat on a mat",
    "xmp-latin1.jpg": "A cat on a mat",
    "xmp-declared.jpg": "A cat on a mat",
    "xmp-junk.jpg": "A cat on a mat",
    "xmp-laughs-within.jpg": None,
    "xmp-unknown-entity.jpg": None,
    "text-checksum.png": "A cat on a mat",
    "flag.webp": "A cat on a mat",
    "twice.jpg": "A cat on a mat",
    "xmp-script.jpg": '"><script>alert(1)</script>',
}


@pytest.mark.parametrize("name", READ_ALL_THE_SAME)
def test_what_can_be_read_is_read(name: str) -> None:
    make, _ = CASES[f"kept/{name}"]
    assert sandbox.inspect(make(), RECIPE, LIMITS, 1000).get("alt") == READ_ALL_THE_SAME[name]
