"""The first decode of an upload, in a child process with limits that the operating system enforces.

If a decoder crashes, hangs or runs out of memory, the upload is refused and the function goes on.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from typing import TYPE_CHECKING, Any, cast

from engine import containers, decoding, metadata, regions, xmp
from engine.limits import check_bytes
from engine.rejection import Rejection, reject

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts import ImageFacts, Limits, Recipe, SourceFormat

# The limit of wall-clock time: a multiple of that of CPU time, but within the 60 s of the function.
_PATIENCE, _LONGEST_SECONDS = 8, 45
# An animation that is kept gets this many times the CPU time of a still image.
FILM = 3


def inspect(data: bytes, recipe: Recipe, limits: Limits, megabytes: int) -> ImageFacts:
    """`decoding.inspect` for a recipe, in a child that gets `limits["seconds"]` of CPU and `megabytes` of memory.

    Adds what the recipe keeps of the metadata to the facts. Raises Rejection.
    """
    # Refuse what is no image at all without a child.
    check_bytes(len(data), limits)
    name = containers.format_of(data, limits["formats"])
    read, write = os.pipe()
    child = os.fork()
    if not child:
        _answer(write, data, name, recipe, limits, megabytes)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        written = pipe.read()
    _, status = os.waitpid(child, 0)
    exit_code = os.waitstatus_to_exitcode(status)
    if exit_code > 0:
        raise RuntimeError(f"the child that decodes exited with {exit_code} and no answer")
    if exit_code == 0:
        answer = json.loads(written)
        if "rejection" in answer:
            raise Rejection(*answer["rejection"])
        if "error" in answer:
            raise RuntimeError(f"the inspection broke: {answer['error']}")
        return cast("ImageFacts", answer["facts"])
    if exit_code in (-signal.SIGXCPU, -signal.SIGALRM):
        raise reject("TOO_COMPLEX", format=name, problem=f"takes more than {limits['seconds']} s to decode")
    raise reject("CORRUPT", format=name)


def _answer(write: int, data: bytes, name: SourceFormat, recipe: Recipe, limits: Limits, megabytes: int) -> None:
    """In the child: write the answer and exit. JSON, not pickle: a captured decoder must run no code in the parent."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(min(_PATIENCE * limits["seconds"], _LONGEST_SECONDS))
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_CPU, limits["seconds"])
        _limit(resource.RLIMIT_DATA, megabytes * 2**20)
        answer: dict[str, Any]
        try:
            film = _film(data, name, recipe, limits)
            facts = decoding.inspect(data, limits, recipe["sizes"])
            if film:
                film()
            image = decoding.open_image(data, name)
            root = xmp.read(image, data, name)
            kept = metadata.read(image, data, name, recipe["keep"], root)
            answer = {"facts": {**facts, **kept, **regions.read(facts, image, root)}}
        except Rejection as rejection:
            # Memory ran out: the file is too large, not damaged.
            if isinstance(rejection.__cause__, MemoryError):
                rejection = reject("TOO_COMPLEX", format=name, problem=f"takes more than {megabytes:,} MB to decode")
            answer = {"rejection": rejection.args}
        except Exception as error:
            answer = {"error": repr(error)}
        with os.fdopen(write, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
        os._exit(0)
    finally:
        os._exit(1)


def _film(data: bytes, name: SourceFormat, recipe: Recipe, limits: Limits) -> Callable[[], None] | None:
    """If the file is an animation that the recipe keeps, within `limits`: what decodes all of its frames."""
    if recipe["animation"] == "first":
        return None
    from engine import frames  # lazily: recipes that keep no animations do not pay for it

    film = frames.kept(name, data, recipe, limits)
    if film is None:
        return None

    def inspect() -> None:
        _limit(resource.RLIMIT_CPU, FILM * limits["seconds"])
        frames.inspect(name, data, film, limits)

    return inspect


def _limit(what: int, amount: int) -> None:
    _, most = resource.getrlimit(what)
    resource.setrlimit(what, (amount if most == resource.RLIM_INFINITY else min(amount, most), most))
