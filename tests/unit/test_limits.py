"""The limits of a recipe, from both sides; and what becomes of a decoder that keeps to none."""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import struct
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from engine import decoding, sandbox
from engine.limits import DECODER_BYTES, check_size
from engine.rejection import FORMATS, Rejection
from pipeline import recipes
from tests.hostile.files import gif, gif_frame, in_jpeg, plain_tiff, riff, tower
from tests.unit.pictures import HEIC, chunk, data, png, quarters

LIMITS: dict[str, Any] = {
    **recipes.route(recipes.load(), "raw/x")["limits"],
    "formats": list(FORMATS),
}
SIZES = {"small": {"width": 100, "height": 100}}
RECIPE = {"sizes": SIZES, "keep_copyright": True}
PLENTY = 4000


def inspect(content: bytes, **limits: Any) -> str:
    """The code of the rejection, or nothing."""
    try:
        decoding.inspect(content, LIMITS | limits)
    except Rejection as rejection:
        return rejection.code
    return ""


def guarded(content: bytes, megabytes: int = PLENTY, **limits: Any) -> dict[str, Any]:
    return sandbox.inspect(content, RECIPE, LIMITS | limits, megabytes)


def test_the_defaults() -> None:
    assert {name: limit for name, limit in LIMITS.items() if name != "formats"} == {
        "bytes": 100 * 2**20,
        "pixels": 200_000_000,
        "side": 16_384,
        "memory": None,
        "seconds": 4,
        "frames": 1000,
        "scans": 100,
        "chunks": 100_000,
    }


# --------------------------------------------------------------------------- size


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF"])
def test_pixels_and_sides(format_: str) -> None:
    content = data(quarters(), format_)
    assert not inspect(content, pixels=4800, side=80)
    assert inspect(content, pixels=4799) == inspect(content, side=79) == "TOO_MANY_PIXELS"


def test_pixels_and_sides_of_a_heic() -> None:
    assert not inspect(HEIC, pixels=48 * 64, side=64)
    assert inspect(HEIC, pixels=48 * 64 - 1) == inspect(HEIC, side=63) == "TOO_MANY_PIXELS"


@pytest.mark.parametrize(("width", "code"), [(16_384, ""), (16_385, "TOO_MANY_PIXELS")])
def test_the_longest_side(width: int, code: str) -> None:
    assert inspect(data(Image.new("L", (width, 1)), "JPEG")) == code
    assert inspect(data(Image.new("L", (1, width)), "PNG")) == code


@pytest.mark.parametrize("name", DECODER_BYTES)
def test_memory_bounds_the_pixels_of_every_format(name: str) -> None:
    most = int(100 * 2**20 / DECODER_BYTES[name])
    limits = LIMITS | {"memory": 100, "side": most + 1, "pixels": most + 1}
    check_size(name, (most, 1), limits)
    with pytest.raises(Rejection, match="for the memory that decoding takes"):
        check_size(name, (most + 1, 1), limits)


# --------------------------------------------------------------------------- structure


def _with_segments(count: int) -> bytes:
    content = data(quarters(), "JPEG")
    return content[:2] + b"\xff\xe0\0\2" * count + content[2:]


def _with_blocks(count: int) -> bytes:
    content, blocks = data(quarters(), "JPEG"), b"8BIM\x04\x04\0\0\0\0\0\0" * count
    return content[:2] + b"\xff\xed" + struct.pack(">H", len(blocks) + 16) + b"Photoshop 3.0\0" + blocks + content[2:]


def _with_strips(count: int) -> bytes:
    places = struct.pack("<I", 8) * count
    return plain_tiff(4, 4, bytes(16), t278=(4, 1, 1), t273=(4, count, places), t279=(4, count, places))


PARTS = {
    "segments.jpg": (_with_segments, 1),
    "blocks.jpg": (_with_blocks, 1),
    "chunks.png": (lambda count: png(1, 1, 8, 0, b"\0\0", *[chunk(b"tEXt", b"a\0b")] * count), 1),
    "chunks.webp": (lambda count: _riff_with(count), 1),
    "blocks.gif": (lambda count: gif(1, 1, b"!\xfe" + b"\1a" * count + b"\0", gif_frame(0, 0, 1, 1)), 1),
    "numbers.tif": (_with_strips, 2),
}


def _riff_with(count: int) -> bytes:
    content = data(quarters(), "WEBP")
    size = int.from_bytes(content[16:20], "little")
    return riff((content[12:16], content[20 : 20 + size]), *[(b"junk", b"")] * count)


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_every_structure_are_counted(name: str) -> None:
    make, worth = PARTS[name]
    few, more = make(4), make(50)
    least = next(limit for limit in range(1, 200) if not inspect(few, chunks=limit))
    assert inspect(few, chunks=least - 1) == "TOO_COMPLEX"
    assert not inspect(more, chunks=least + 46 * worth)
    assert inspect(more, chunks=least + 46 * worth - 1) == "TOO_COMPLEX"


def test_what_a_tiff_has_in_bytes_is_no_number() -> None:
    assert not inspect(plain_tiff(4, 4, bytes(16), t34675=(7, 5000, bytes(5000))), chunks=100)


# --------------------------------------------------------------------------- bytes


def validate(source: dict[str, Any], context: Any = None) -> dict[str, Any]:
    event = json.loads((Path(__file__).parents[2] / "events/validate.json").read_text(encoding="utf-8"))
    job = event["job"] | {"source": event["job"]["source"] | source}
    context = context or SimpleNamespace(
        function_name="", memory_limit_in_mb=1769, invoked_function_arn="", aws_request_id=""
    )
    answer: dict[str, Any] = importlib.import_module("validate.app").lambda_handler({"job": job}, context)
    return answer


class Body(io.BytesIO):
    asked: int | None = -1

    def read(self, size: int | None = -1) -> bytes:
        self.asked = size
        return super().read(size)


@pytest.fixture
def body(monkeypatch: pytest.MonkeyPatch) -> Body:
    """What S3 hands out, whatever is asked for; `asked`: how much of it was read."""
    from pipeline import storage

    given = Body(data(quarters(), "JPEG"))
    monkeypatch.setattr(storage, "s3", SimpleNamespace(get_object=lambda **_: {"Body": given}))
    return given


def test_five_gigabytes_cost_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import storage

    monkeypatch.setattr(storage, "s3", SimpleNamespace(get_object=lambda **_: pytest.fail("it was fetched")))
    answer = validate({"size": 5 * 2**30})
    assert answer["rejection"]["code"] == "TOO_MANY_BYTES"
    assert "5,368,709,120" in answer["rejection"]["reason"]
    assert validate({"size": LIMITS["bytes"] + 1})["rejection"]["code"] == "TOO_MANY_BYTES"


def test_what_is_longer_than_it_was_said_to_be_is_not_read_to_its_end(
    body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = importlib.import_module("validate.app")
    size = len(body.getvalue())
    for limit, valid in ((size, True), (size - 1, False)):
        body.seek(0)
        document = recipes.load()
        document["recipes"]["default"]["limits"]["bytes"] = limit
        monkeypatch.setattr(app, "RECIPES", document)
        assert validate({"size": 10})["valid"] is valid
        assert body.asked == limit + 1


# --------------------------------------------------------------------------- time, memory, crashes


def test_what_is_sound_comes_through_the_guard() -> None:
    content = in_jpeg(data_exif("Ann"))
    assert guarded(content) == decoding.inspect(content, LIMITS) | {"rights": {"copyright": "Ann"}}
    with pytest.raises(Rejection) as caught:
        guarded(content[:-300])
    assert (caught.value.code, caught.value.reason[:14]) == ("CORRUPT", "The JPEG file ")


def data_exif(copyright_: str) -> bytes:
    exif = Image.Exif()
    exif[0x8298] = copyright_.encode()
    return exif.tobytes().removeprefix(b"Exif\0\0")


def test_decoding_that_takes_too_long_is_ended() -> None:
    assert guarded(tower(b"hvc1", b"iovl", 6), seconds=1)["format"] == "heic"
    began = sum(os.times()[:4])
    with pytest.raises(Rejection) as caught:
        guarded(tower(b"hvc1", b"iovl", 40), seconds=1)  # 2^40 pictures, in five kilobytes
    assert caught.value.code == "TOO_COMPLEX"
    assert "takes more than 1 s to decode" in caught.value.reason
    assert sum(os.times()[:4]) - began < 4


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux limits what a process may hold")
def test_decoding_that_takes_too_much_memory_is_ended() -> None:
    content = data(Image.new("RGB", (5000, 4000)), "PNG")  # 80 MB when it is decoded
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    held = int(status["VmData"].split()[0]) // 1024
    assert guarded(content, held + 130)["width"] == 5000
    with pytest.raises(Rejection) as caught:
        guarded(content, held + 50)
    assert caught.value.code == "TOO_COMPLEX"
    assert "MB to decode" in caught.value.reason


def test_a_decoder_that_crashes_refuses_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "inspect", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(Rejection) as caught:
        guarded(data(quarters(), "PNG"))
    assert caught.value.code == "CORRUPT"


def test_a_decoder_that_sleeps_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "inspect", lambda *_: time.sleep(600))
    monkeypatch.setattr(sandbox, "_PATIENCE", 1)
    with pytest.raises(Rejection) as caught:
        guarded(data(quarters(), "PNG"), seconds=1)
    assert caught.value.code == "TOO_COMPLEX"


def test_a_fault_of_our_own_is_no_verdict_about_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "inspect", lambda *_: {}["nothing"])
    with pytest.raises(RuntimeError, match="KeyError"):
        guarded(data(quarters(), "PNG"))


def test_the_guard_leaves_nothing_behind() -> None:
    before = sorted(Path("/dev/fd").iterdir())
    for content in (data(quarters(), "PNG"), b"nonsense"):
        try:
            guarded(content)
        except Rejection:
            continue
    assert sorted(Path("/dev/fd").iterdir()) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


# --------------------------------------------------------------------------- the log


def test_what_decoders_say_is_not_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    content = plain_tiff(64, 64, bytes(10), t259=(3, 1, 5), t279=(4, 1, 5000))
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except OSError:
        pass
    assert "Read error" in capfd.readouterr().err, "decoders have something to say"
    assert inspect(content) == "CORRUPT"
    with pytest.raises(Rejection):
        decoding.decode(content, SIZES)
    assert capfd.readouterr() == ("", "")
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


FORGED = '\n{"level":"ERROR","message":"forged"}\r\n\x1b[31mred\u2028\x85\0\u202e'


@pytest.mark.parametrize("forgery", [FORGED, FORGED * 40])
def test_uploaders_cannot_forge_lines_of_the_log(forgery: str, body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    app, log = importlib.import_module("validate.app"), io.StringIO()
    document = recipes.load()
    document["recipes"]["default"]["keep_copyright"] = True
    monkeypatch.setattr(app, "RECIPES", document)
    monkeypatch.setattr(app.logger.registered_handler, "stream", log)
    for content in (in_jpeg(data_exif(forgery)), forgery.encode(), b"%PDF" + forgery.encode()):
        Body.__init__(body, content)
        validate({"key": f"raw/{forgery[:200]}", "size": len(content)})
    entries = log.getvalue().split("\n")[:-1]
    assert [json.loads(entry)["message"] for entry in entries] == ["accepted", "refused", "refused"]
    assert log.getvalue().replace("\n", "").isprintable()
    assert len(log.getvalue()) < 10_000
