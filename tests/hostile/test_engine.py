"""The measuring itself: it notices each way in which a function can misbehave."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from tests.hostile import engine


def crashes(_event: Any, _context: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def spins(_event: Any, _context: Any) -> None:
    while True:
        pass


def sleeps(_event: Any, _context: Any) -> None:
    time.sleep(600)


def raises(_event: Any, _context: Any) -> None:
    raise KeyError("unheard of")


def works(_event: Any, _context: Any) -> dict[str, Any]:
    end = time.process_time() + 0.3
    held = bytearray(os.urandom(1)) * 200 * 2**20
    while time.process_time() < end:
        pass
    os.write(2, b"libfoo: oh dear\n")
    return {"valid": False, "rejection": {"code": "CORRUPT", "reason": f"{len(held)} bytes"}}


HOW = {each.__name__: each for each in (crashes, spins, sleeps, raises, works)}


def misbehave() -> dict[str, engine.Ended]:
    """In a process of its own, as `Functions` changes the functions' modules."""
    engine.LONGEST_CPU, engine.LONGEST = 1, 3
    functions, found = engine.Functions(), {}
    for name, handler in HOW.items():
        functions.handlers["validate"] = handler
        found[name] = functions.process("x.jpg", b"")
    return found


@pytest.fixture(scope="module")
def ended() -> Any:
    kept = dict(os.environ)
    os.environ |= engine._environment()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool.submit(misbehave).result()
    os.environ.clear()
    os.environ.update(kept)


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("crashes", "CRASHED", "ended with -11"),
        ("spins", "HUNG", "after 1 s of CPU"),
        ("sleeps", "HUNG", "after 0 s of CPU"),
        ("raises", "RAISED", "KeyError('unheard of')"),
        ("works", "REJECTED", "libfoo: oh dear"),
    ],
)
def test_each_misbehaviour_is_named(ended: dict[str, engine.Ended], how: str, status: str, words: str) -> None:
    assert ended[how].status == status
    assert words in engine.problem(ended[how])
    assert engine.problem(ended[how]).startswith("x.jpg")


def test_cpu_and_memory_are_those_of_the_call(ended: dict[str, engine.Ended]) -> None:
    assert 0.3 <= ended["works"].cpu["validate"] < 2
    assert 200 < ended["works"].mb["validate"] < 500
    assert ended["raises"].mb["validate"] < 150


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"cpu": {"validate": 1, "resize": 5.1}}, "resize: 5.1 s of CPU, the limit is 5"),
        ({"mb": {"validate": 1062.0}}, "validate: 1062.0 MB, the limit is 1061"),
        ({"code": "NEVER_HEARD_OF"}, "NEVER_HEARD_OF"),
        ({"noise": "oh"}, "in the log: oh"),
    ],
)
def test_the_bar(changes: dict[str, Any], words: str) -> None:
    sound = {"status": "REJECTED", "code": "CORRUPT", "cpu": {"validate": 5}, "mb": {"validate": 1061}}
    found = engine.problem(engine.Ended("x.jpg", **sound | changes))
    assert words in found
    assert bool(words) == bool(found)
