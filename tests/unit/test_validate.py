"""ValidateImage's handler: how much it reads of a source, and what it logs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from pipeline import recipes, storage
from tests.hostile.files import in_jpeg
from tests.unit.invoking import CONTEXT
from tests.unit.pictures import copyright_exif, data, quarters
from validate import app


def validate(source: dict[str, Any]) -> dict[str, Any]:
    """The answer about the sample event's source, with these changes to it."""
    event = json.loads((Path(__file__).parents[2] / "events/validate.json").read_text(encoding="utf-8"))
    job = event["job"] | {"source": event["job"]["source"] | source}
    answer: dict[str, Any] = app.lambda_handler({"job": job}, CONTEXT)
    return answer


class Body(io.BytesIO):
    """The body of an object, which keeps how many bytes it was `asked` for."""

    asked: int | None = -1

    def read(self, size: int | None = -1) -> bytes:
        self.asked = size
        return super().read(size)


@pytest.fixture
def body(monkeypatch: pytest.MonkeyPatch) -> Body:
    """What S3 answers to every GetObject."""
    given = Body(data(quarters(), "JPEG"))
    monkeypatch.setattr(storage, "s3", SimpleNamespace(get_object=lambda **_: {"Body": given}))
    return given


def test_a_source_over_the_limit_is_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "s3", SimpleNamespace(get_object=lambda **_: pytest.fail("it was fetched")))
    limit = recipes.route(recipes.load(), "raw/x")["limits"]["bytes"]
    answer = validate({"size": 5 * 2**30})
    assert answer["rejection"]["code"] == "TOO_MANY_BYTES"
    assert "5,368,709,120" in answer["rejection"]["reason"]
    assert validate({"size": limit + 1})["rejection"]["code"] == "TOO_MANY_BYTES"


def test_a_source_longer_than_its_event_says_is_not_read_to_the_end(
    body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(body.getvalue())
    for limit, valid in ((size, True), (size - 1, False)):
        body.seek(0)
        document = recipes.load()
        document["recipes"]["default"]["limits"]["bytes"] = limit
        monkeypatch.setattr(app, "RECIPES", document)
        assert validate({"size": 10})["valid"] is valid
        assert body.asked == limit + 1


def test_a_source_whose_rendition_no_webp_can_hold_is_refused(body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    document = recipes.load()
    document["recipes"]["default"]["sizes"]["large"] = {"width": 1600, "fit": "inside"}
    monkeypatch.setattr(app, "RECIPES", document)
    for height, valid in ((16_383, True), (16_384, False)):
        Body.__init__(body, data(Image.new("RGB", (16, height)), "PNG"))
        answer = validate({"size": len(body.getvalue())})
        assert answer["valid"] is valid
    assert answer["rejection"]["code"] == "TOO_MANY_PIXELS"
    assert "the limit is 16,383 per side, since WebP holds no more: scale it down." in answer["rejection"]["reason"]


FORGED = '\n{"level":"ERROR","message":"forged"}\r\n\x1b[31mred\u2028\x85\0\u202e'


@pytest.mark.parametrize("forgery", [FORGED, FORGED * 40])
def test_uploaders_cannot_forge_lines_of_the_log(
    forgery: str, body: Body, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = io.StringIO()
    document = recipes.load()
    document["recipes"]["default"]["keep"] = ["rights"]
    monkeypatch.setattr(app, "RECIPES", document)
    monkeypatch.setattr(app.logger.registered_handler, "stream", log)
    for content in (in_jpeg(copyright_exif(forgery)), forgery.encode(), b"%PDF" + forgery.encode()):
        Body.__init__(body, content)
        validate({"key": f"raw/{forgery[:200]}", "size": len(content)})
    entries = log.getvalue().split("\n")[:-1]
    assert [json.loads(entry)["message"] for entry in entries] == ["refused", "refused"]
    stages = capsys.readouterr().out.split("\n")[:-1]
    assert [json.loads(stage)["stage"] for stage in stages] == 3 * ["ValidateImage"]
    for lines in (log.getvalue(), "\n".join(stages)):
        assert lines.replace("\n", "").isprintable()
        assert len(lines) < 10_000
