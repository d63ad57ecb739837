"""The sandbox: decoders that take too long or too much memory, crash or sleep."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine import decoding, sandbox
from engine.rejection import FORMATS, Rejection
from pipeline import recipes
from tests.hostile.files import in_jpeg, tower
from tests.unit.pictures import copyright_exif, data, quarters

LIMITS: dict[str, Any] = {**recipes.route(recipes.load(), "raw/x")["limits"], "formats": list(FORMATS)}
RECIPE = {"sizes": {"small": {"width": 100, "height": 100}}, "keep": ["rights"], "animation": "first"}
PLENTY = 4000  # megabytes


def inspect(content: bytes, megabytes: int = PLENTY, **limits: Any) -> dict[str, Any]:
    return sandbox.inspect(content, RECIPE, LIMITS | limits, megabytes)


def held() -> int:
    """Megabytes that this process holds, as RLIMIT_DATA counts them."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmData"].split()[0]) // 1024


def test_a_sound_file_passes_the_sandbox() -> None:
    content = in_jpeg(copyright_exif("Ann"))
    assert inspect(content) == decoding.inspect(content, LIMITS) | {"rights": {"copyright": "Ann"}}
    with pytest.raises(Rejection) as caught:
        inspect(content[:-300])
    assert (caught.value.code, caught.value.reason[:14]) == ("CORRUPT", "The JPEG file ")


def test_decoding_that_takes_too_long_is_ended() -> None:
    assert inspect(tower(b"hvc1", b"iovl", 6), seconds=1)["format"] == "heic"
    began = sum(os.times()[:4])
    with pytest.raises(Rejection) as caught:
        inspect(tower(b"hvc1", b"iovl", 40), seconds=1)  # 2^40 pictures, in five kilobytes
    assert caught.value.code == "TOO_COMPLEX"
    assert "takes more than 1 s to decode" in caught.value.reason
    assert sum(os.times()[:4]) - began < 4


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux limits what a process may hold")
def test_decoding_that_takes_too_much_memory_is_ended() -> None:
    content = data(Image.new("RGB", (5000, 4000)), "PNG")  # 80 MB when it is decoded
    assert inspect(content, held() + 130)["width"] == 5000
    with pytest.raises(Rejection) as caught:
        inspect(content, held() + 50)
    assert caught.value.code == "TOO_COMPLEX"
    assert "MB to decode" in caught.value.reason


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux limits what a process may hold")
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_progressive_jpeg_that_is_short_of_memory_is_not_called_damaged(mode: str) -> None:
    content = data(Image.new(mode, (5000, 4000)), "JPEG", progressive=True, subsampling="4:4:4")
    assert inspect(content)["mode"] == mode
    with pytest.raises(Rejection) as caught:
        inspect(content, held() + 20)  # each of its components takes 40 MB
    assert caught.value.code == "TOO_COMPLEX"
    assert "MB to decode" in caught.value.reason


def test_a_decoder_that_crashes_refuses_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "inspect", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(Rejection) as caught:
        inspect(data(quarters(), "PNG"))
    assert caught.value.code == "CORRUPT"


def test_a_decoder_that_sleeps_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "inspect", lambda *_: time.sleep(600))
    monkeypatch.setattr(sandbox, "_PATIENCE", 1)
    with pytest.raises(Rejection) as caught:
        inspect(data(quarters(), "PNG"), seconds=1)
    assert caught.value.code == "TOO_COMPLEX"


def test_an_error_of_our_own_is_no_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "inspect", lambda *_: {}["nothing"])
    with pytest.raises(RuntimeError, match="KeyError"):
        inspect(data(quarters(), "PNG"))


def test_a_child_without_an_answer_is_no_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "inspect", lambda *_: os._exit(3))
    with pytest.raises(RuntimeError, match="exited with 3 and no answer"):
        inspect(data(quarters(), "PNG"))


def test_the_sandbox_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before, fork, children = sorted(Path("/dev/fd").iterdir()), os.fork, list[int]()

    def counted() -> int:
        children.append(fork())
        return children[-1]

    monkeypatch.setattr(os, "fork", counted)
    for content in (data(quarters(), "PNG"), data(quarters(), "PNG")[:-40], b"nonsense"):
        with contextlib.suppress(Rejection):
            inspect(content)
    assert sorted(Path("/dev/fd").iterdir()) == before
    assert len(children) == 2  # nonsense is refused without a child
    for child in children:
        with pytest.raises(ChildProcessError):
            os.waitpid(child, os.WNOHANG)
