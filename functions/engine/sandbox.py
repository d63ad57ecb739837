"""Decode an upload for the first time where it can do no harm: in a process of its own, with limits that the operating
system enforces. A decoder that crashes, never ends or eats the memory refuses the upload, and not the function.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Mapping
from typing import Any

from engine import containers, decoding, rights
from engine.limits import check_bytes
from engine.rejection import Rejection, reject

_PATIENCE = 8
"""Times the seconds of CPU that decoding may take: after those in all it is ended too."""


def inspect(data: bytes, recipe: Mapping[str, Any], limits: Mapping[str, Any], megabytes: int) -> dict[str, Any]:
    """`decoding.inspect` for a recipe, in a child that has `limits["seconds"]` of CPU and `megabytes` of memory.

    If the recipe keeps copyrights, "rights" are added to what it returns. Raises Rejection.
    """
    # No child for what is no picture at all.
    check_bytes(len(data), limits)
    name = containers.kind(data, limits["formats"])
    read, write = os.pipe()
    child = os.fork()
    if not child:
        _answer(write, data, name, recipe, limits, megabytes)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    ended = os.waitstatus_to_exitcode(status)
    if ended >= 0:
        return _taken(json.loads(told))
    if ended in (-signal.SIGXCPU, -signal.SIGALRM):
        raise reject("TOO_COMPLEX", format=name, parts="seconds of decoding in it", limit=limits["seconds"])
    raise reject("CORRUPT", format=name)


def _answer(
    write: int, data: bytes, name: str, recipe: Mapping[str, Any], limits: Mapping[str, Any], megabytes: int
) -> None:
    """In the child: write down what came out, and end. JSON, for a decoder that was taken over can say anything."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_PATIENCE * limits["seconds"])
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_CPU, limits["seconds"])
        _limit(resource.RLIMIT_DATA, megabytes * 2**20)
        answer: dict[str, Any]
        try:
            facts = decoding.inspect(data, limits, recipe["sizes"])
            if recipe["keep_copyright"]:
                facts["rights"] = rights.read(decoding.open_image(data, facts["format"]))
            answer = {"facts": facts}
        except Rejection as rejection:
            answer = {"rejection": _memory_said(rejection, name, megabytes).args}
        except Exception as error:
            answer = {"error": repr(error)}
        with os.fdopen(write, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
        os._exit(0)
    finally:
        os._exit(1)


def _limit(what: int, amount: int) -> None:
    _, most = resource.getrlimit(what)
    resource.setrlimit(what, (amount if most == resource.RLIM_INFINITY else min(amount, most), most))


def _memory_said(rejection: Rejection, name: str, megabytes: int) -> Rejection:
    """The rejection, of its true cause if that is memory: nothing is wrong with the file then but its size."""
    if not isinstance(rejection.__cause__, MemoryError):
        return rejection
    return reject("TOO_COMPLEX", format=name, parts="megabytes to decode", limit=megabytes)


def _taken(answer: dict[str, Any]) -> dict[str, Any]:
    if "rejection" in answer:
        raise Rejection(*answer["rejection"])
    if "error" in answer:
        raise RuntimeError(f"inspecting broke: {answer['error']}")
    facts: dict[str, Any] = answer["facts"]
    return facts
