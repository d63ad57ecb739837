"""Damaged and dangerous regions through the sandbox, and texts of a focus: read or passed over, in place if read."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from engine import decoding, regions, sandbox, xmp
from engine import gravity as crops
from pipeline import recipes
from tests.hostile import gravity

CASES = {name: make for name, make, _ in gravity.cases()}
RECIPE: Any = recipes.route(recipes.load(), "raw/x")


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 300
    assert len(set(gravity.focuses())) >= 1000


@pytest.mark.filterwarnings("ignore")  # Pillow's, which the tests make errors of
@pytest.mark.parametrize("name", CASES)
def test_no_picture_is_lost_and_no_region_lies_outside(name: str) -> None:
    """In this process, and a part of them in the sandbox, as it takes a process each."""
    content = CASES[name]()
    began = time.process_time()
    facts: Any = decoding.inspect(content, RECIPE["limits"])
    image = decoding.open_image(content, "jpeg")
    packet = xmp.packet(image, content, "jpeg")
    facts |= regions.read(facts, image, xmp.parse(packet) if packet else None)
    assert time.process_time() - began < 1
    if list(CASES).index(name) % 8 == 0:
        answer = sandbox.inspect(content, RECIPE, RECIPE["limits"], 1000)
        assert answer == json.loads(json.dumps(facts, allow_nan=False))
    found = facts.get("regions", [])
    assert len(found) <= regions.MOST
    assert bool(found) == ("focus" in facts)
    for left, top, right, bottom in found:
        assert 0 <= left <= right <= 1
        assert 0 <= top <= bottom <= 1
    if found:
        assert 0 <= min(facts["focus"].values()) <= max(facts["focus"].values()) <= 1
        for length in (0.1, 0.5, 0.99):
            assert 0 <= crops.around_regions([(box[0], box[2]) for box in found], length) <= 1 - length


def test_a_sound_region_counts_beside_damaged_ones() -> None:
    for name in ("damaged-then-sound", "one-of-each", "wrong-unit", "wrong-type", "turned-6"):
        assert "regions" in sandbox.inspect(CASES[f"gravity/{name}.jpg"](), RECIPE, RECIPE["limits"], 1000), name


def test_a_focus_is_in_the_picture_or_none() -> None:
    found = [focus for text in gravity.focuses() if (focus := crops.focus_of(text))]
    assert 10 < len(found) < 500
    for focus in found:
        assert 0 <= min(focus.values()) <= max(focus.values()) <= 1
