"""The handlers of the workflow's states in this process, on the sample events, as Step Functions calls them."""

from __future__ import annotations

import html
import importlib
import io
import json
from hashlib import md5
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from tests.unit import described
from tests.unit.colour_patches import coded_png
from tests.unit.invoking import CONTEXT, call
from tests.unit.stated import stated

ROOT = Path(__file__).parents[2]
KEY = "raw/samples/photo.jpg"
FOLDER = "processed/samples/photo.jpg"
JUDGE = {"recipe": "0123456789abcdef", "memory": 1769}


def photo(size: tuple[int, int] = (400, 300), color: str = "#806040", kind: str = "JPEG") -> bytes:
    body = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").point([min(255, i + 10) for i in range(256)] * 3).save(
        body, kind
    )
    return body.getvalue() + color.encode()


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / f"events/{name}.json").read_text(encoding="utf-8"))
    return event


def job(cloud: Any, body: bytes, key: str = KEY, **changes: Any) -> dict[str, Any]:
    """The sample events' job, for a source that is uploaded now."""
    made = sample("validate")["job"]
    source = {"key": key, "version_id": cloud.upload(key, body), "size": len(body), "etag": md5(body).hexdigest()}
    return made | {"source": made["source"] | source} | changes


def begun(the_job: dict[str, Any]) -> dict[str, Any]:
    """The job, as the trigger has recorded it before it starts the run."""
    from pipeline import jobs

    jobs.begin(the_job, None)
    return the_job


def parts(the_job: dict[str, Any]) -> dict[str, Any]:
    """The states up to OptimizeImage: its event."""
    valid = call("validate", {"job": the_job})
    assert valid["valid"], valid
    facts = {"job": the_job, "image": valid["image"], "recipe": valid["recipe"]}
    return facts | {"intermediates": [call("resize", facts), call("filters", facts)]}


def process(the_job: dict[str, Any]) -> dict[str, Any]:
    """The states up to OptimizeImage, whose answer it returns."""
    return call("optimize", parts(the_job))


def test_a_photo_becomes_the_default_set(cloud: Any) -> None:
    result = process(begun(job(cloud, photo())))
    manifest = json.loads(cloud.output(result["manifest_key"]))
    assert cloud.outputs(FOLDER) == {rendition["key"] for rendition in manifest["renditions"]} | {
        f"{FOLDER}/manifest.json"
    }
    assert (result["renditions"], len(manifest["renditions"])) == (13, 13)
    for rendition in manifest["renditions"]:
        body = cloud.output(rendition["key"])
        with Image.open(io.BytesIO(body)) as image:
            assert image.size == (rendition["width"], rendition["height"])
            assert str(image.format).lower() == rendition["format"]
        assert len(body) == rendition["bytes"]
        head = cloud.s3.head_object(Bucket="darkroom-output", Key=rendition["key"])
        assert (head["ContentType"], head["CacheControl"]) == (rendition["content_type"], "no-cache")
        assert head["Metadata"] == {"v": rendition["sha256"][:16]}
    head = cloud.s3.head_object(Bucket="darkroom-output", Key=result["manifest_key"])
    assert (head["CacheControl"], head["Metadata"]) == ("no-cache", {})
    assert result["bytes_out"] == sum(rendition["bytes"] for rendition in manifest["renditions"])
    assert cloud.outputs("work/") == set()  # the intermediates are gone


def test_the_sample_events_have_the_shapes_of_the_real_ones(cloud: Any) -> None:
    the_job = begun(job(cloud, photo((1600, 1200))))
    valid = call("validate", {"job": the_job})
    facts = {"job": the_job, "image": valid["image"], "recipe": valid["recipe"]}
    intermediates = [call("resize", facts), call("filters", facts)]
    assert sample("validate")["job"].keys() == the_job.keys()
    assert sample("resize") == sample("filters")
    assert sample("resize").keys() == facts.keys()
    assert sample("resize")["recipe"].keys() == valid["recipe"].keys()
    assert sample("resize")["image"] == sample("optimize")["image"] == valid["image"]
    assert sample("optimize")["intermediates"] == intermediates
    result = call("optimize", facts | {"intermediates": intermediates})
    assert sample("notify")["outcome"]["result"].keys() == result.keys()


def test_a_recipe_may_keep_rights(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x8298], exif[0x010F] = "Zoe + Co", "SECRETMAKER"
    body = io.BytesIO()
    Image.new("RGB", (64, 48)).save(body, "JPEG", exif=exif)
    for keep in (False, True):
        app = importlib.import_module("validate.app")
        monkeypatch.setitem(app.RECIPES["recipes"]["default"], "keep", ["rights"] if keep else [])
        result = process(begun(job(cloud, body.getvalue())))
        manifest = json.loads(cloud.output(result["manifest_key"]))
        assert manifest["source"].get("rights") == ({"copyright": "Zoe + Co"} if keep else None)
        for made in manifest["renditions"]:
            content = cloud.output(made["key"])
            assert (b"Zoe + Co" in content) is keep
            assert b"SECRETMAKER" not in content
        stored_keys = [*(made["key"] for made in manifest["renditions"]), result["manifest_key"]]
        for key in stored_keys:
            cloud.s3.delete_object(Bucket="darkroom-output", Key=key)


@pytest.mark.parametrize("wanted", ["srgb", "p3"])
def test_a_recipe_may_keep_display_p3(cloud: Any, monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    default = importlib.import_module("validate.app").RECIPES["recipes"]["default"]
    monkeypatch.setitem(default, "gamut", wanted)
    vivid = coded_png(Image.new("RGB", (64, 48), (255, 20, 10)), 12, 13)
    manifest = json.loads(cloud.output(process(begun(job(cloud, vivid)))["manifest_key"]))
    gray = {name for name, made in default["filtered"].items() if made["filters"][0]["filter"] == "grayscale"}
    for made in manifest["renditions"]:
        with Image.open(io.BytesIO(cloud.output(made["key"]))) as image:
            wide = wanted == "p3" and made["name"] not in gray
            assert ("icc_profile" in image.info, made.get("gamut", "srgb")) == (wide, "p3" if wide else "srgb")
    assert manifest["placeholder"]["color"] == "#ff0000"


@pytest.mark.parametrize("keep", [["alt"], []])
@pytest.mark.parametrize("given", ['Tom\n"the cat" & me', None])
def test_the_alternative_text(cloud: Any, monkeypatch: pytest.MonkeyPatch, keep: list[str], given: str | None) -> None:
    own = "<Iptc4xmpCore:AltTextAccessibility>In the file</Iptc4xmpCore:AltTextAccessibility>"
    content = described.with_xmp("jpeg", described.xmp(own).encode())
    monkeypatch.setitem(importlib.import_module("validate.app").RECIPES["recipes"]["default"], "keep", keep)
    the_job = job(cloud, content)
    if given:
        the_job["source"]["given"] = {"alt": given}
    manifest = json.loads(cloud.output(process(begun(the_job))["manifest_key"]))
    # The upload's goes before the file's, and into the page whatever the recipe keeps in files.
    shown = 'Tom "the cat" & me' if given else "In the file" if keep else None
    assert manifest["source"].get("alt") == shown
    assert f' alt="{html.escape(shown or "")}" ' in manifest["picture"]
    for made in manifest["renditions"]:
        assert (html.escape(shown or "In the file").encode() in cloud.output(made["key"])) is bool(keep)


def test_an_animation_carries_it_too(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    packet = described.xmp(described.alt_text(x_default="A blinking light") + described.LEAKS, described.LEAK)
    body = io.BytesIO()
    Image.new("L", (40, 30)).save(
        body, "GIF", save_all=True, append_images=[Image.new("L", (40, 30), 255)], duration=100, comment=b"SECRET"
    )
    block = b"!\xff\x0bXMP DataXMP" + packet.encode() + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    at = body.getvalue().index(b"!\xf9")
    content = body.getvalue()[:at] + block + body.getvalue()[at:]
    recipe = importlib.import_module("validate.app").RECIPES["recipes"]["default"]
    monkeypatch.setitem(recipe, "keep", ["alt"])
    monkeypatch.setitem(recipe, "animation", "keep")
    manifest = json.loads(cloud.output(process(begun(job(cloud, content)))["manifest_key"]))
    for made in manifest["renditions"]:
        output = cloud.output(made["key"])
        assert stated(output) == {"alt": "A blinking light"}
        assert b"SECRET" not in output
    moving = Image.open(
        io.BytesIO(cloud.output(next(m["key"] for m in manifest["renditions"] if m["format"] == "avif")))
    )
    assert getattr(moving, "n_frames", 1) == 2


def test_the_memory_of_the_function_bounds_a_source(cloud: Any) -> None:
    from pipeline import recipes

    the_job = job(cloud, photo((1600, 1200), kind="PNG"))
    handler = importlib.import_module("validate.app").lambda_handler
    small = SimpleNamespace(**{**vars(CONTEXT), "memory_limit_in_mb": "290"})
    refused = handler({"job": the_job}, small)
    assert refused["rejection"]["code"] == "TOO_MANY_PIXELS"
    assert refused["judge"] == {"recipe": recipes.route(recipes.load(), KEY)["hash"], "memory": 290}
    assert handler({"job": the_job}, CONTEXT)["valid"]


def test_a_state_that_runs_twice_gives_the_same(cloud: Any) -> None:
    the_job = begun(job(cloud, photo()))
    event = parts(the_job)
    assert event == parts(the_job)
    finished = call("optimize", event)
    before = cloud.output(finished["manifest_key"])
    with pytest.raises(ClientError):  # its intermediates are gone
        call("optimize", event)
    assert cloud.output(finished["manifest_key"]) == before
    assert call("notify", {"job": the_job, "outcome": failure(state="OptimizeImage")}) == {"status": "SUCCEEDED"}


@pytest.mark.parametrize(
    "key", ["raw/summer 100% fun + größe.jpg", "raw/%2B/写真.png", "raw/a//b/../c.jpg", "raw/\"<&>'.jpg"]
)
def test_keys_come_through_exactly(cloud: Any, key: str) -> None:
    result = process(begun(job(cloud, photo((64, 48)), key)))
    assert result["manifest_key"] == f"processed/{key.removeprefix('raw/')}/manifest.json"
    assert cloud.output(result["manifest_key"])


@pytest.mark.parametrize(
    ("body", "key", "code"),
    [
        (b"", KEY, "EMPTY"),
        (b"Dear diary, this is no picture at all. " * 9, KEY, "UNSUPPORTED_FORMAT"),
        (photo()[: len(photo()) // 2], KEY, "CORRUPT"),
        (photo((32, 32)), "raw/" + "x" * 1000 + ".jpg", "UNSUPPORTED_KEY"),
    ],
)
def test_a_refusal_is_data_with_a_code_and_a_sentence(cloud: Any, body: bytes, key: str, code: str) -> None:
    answer = call("validate", {"job": job(cloud, body, key)})
    assert (answer["valid"], answer["rejection"]["code"]) == (False, code)
    assert answer["rejection"]["reason"].endswith(".")


def test_too_many_bytes_are_refused_without_reading_them(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import storage

    monkeypatch.setattr(storage, "read_source", lambda *_: pytest.fail("it was read"))
    answer = call("validate", {"job": job(cloud, b"x") | {"source": {**job(cloud, b"x")["source"], "size": 10**10}}})
    assert answer["rejection"]["code"] == "TOO_MANY_BYTES"


def test_a_version_that_is_gone_raises_source_gone(cloud: Any) -> None:
    from pipeline.storage import SourceGoneError

    the_job = job(cloud, photo())
    cloud.delete(KEY, the_job["source"]["version_id"])
    with pytest.raises(SourceGoneError):
        call("validate", {"job": the_job})


@pytest.mark.parametrize("name", ["resize", "filters", "optimize"])
def test_nothing_is_written_into_the_bucket_of_the_source(
    cloud: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from pipeline import outputs, storage

    the_job = begun(job(cloud, photo((64, 48))))
    event = parts(the_job)
    the_job["source"]["bucket"] = "darkroom-output"
    monkeypatch.setattr(storage, "read_source", lambda *_: photo((64, 48)))
    before = cloud.outputs("")
    with pytest.raises(outputs.SameBucketError, match="deploy the stack with another ExistingSourceBucket"):
        call(name, event | {"job": the_job})
    assert cloud.outputs("") == before


# ------------------------------------------------------------------ notify


def only_record(cloud: Any) -> dict[str, Any]:
    (found,) = cloud.records(KEY)
    return dict(found)


def test_success_is_published_with_the_manifest_and_closes_the_job(cloud: Any) -> None:
    the_job = begun(job(cloud, photo()))
    event = {"job": the_job, "outcome": {"status": "SUCCEEDED", "result": process(the_job)}}
    assert call("notify", event)["status"] == "SUCCEEDED"
    (message,) = cloud.published()
    assert message["Subject"] == f"Darkroom SUCCEEDED: {KEY}"
    assert {name: value["Value"] for name, value in message["MessageAttributes"].items()} == {
        "status": "SUCCEEDED",
        "recipe": "default",
    }
    body = message["body"]
    assert (body["job_id"], body["round"], body["attempt"]) == (the_job["job_id"], 1, 1)
    assert len(body["manifest"]["renditions"]) == 13
    assert {"deadline", "max_attempts"}.isdisjoint(body)  # of no use to readers
    record = only_record(cloud)
    assert (record["status"], record["result"]["renditions"]) == ("SUCCEEDED", 13)
    assert "attention" not in record  # it has left the index of what needs a look
    assert record["finished_at"] >= record["started_at"] >= record["queued_at"]


def test_a_second_call_publishes_nothing(cloud: Any) -> None:
    the_job = begun(job(cloud, photo()))
    event = {"job": the_job, "outcome": {"status": "SUCCEEDED", "result": process(the_job)}}
    assert call("notify", event)["status"] == call("notify", event)["status"] == "SUCCEEDED"
    assert len(cloud.published()) == 1


def test_a_refusal_is_published_with_its_code(cloud: Any) -> None:
    the_job = begun(job(cloud, b"x"))
    rejection = {"code": "CORRUPT", "reason": "The file is cut short. Export it again."}
    answer = call("notify", {"job": the_job, "outcome": refusal(**rejection)})
    assert answer == {"status": "REJECTED", **rejection}
    (message,) = cloud.published()
    assert message["Subject"] == f"Darkroom REJECTED CORRUPT: {KEY}"
    assert message["MessageAttributes"]["code"]["Value"] == "CORRUPT"
    record = only_record(cloud)
    assert (record["status"], record["code"], record["reason"], record["attention"]) == (
        "REJECTED",
        *rejection.values(),
        "REJECTED",
    )
    assert record["judge"] == JUDGE


def refusal(code: str = "CORRUPT", reason: str = "No.") -> dict[str, Any]:
    rejection = {"code": code, "reason": reason}
    return {"valid": False, "status": "REJECTED", "rejection": rejection, "judge": JUDGE}


def failure(
    name: str = "Runtime.ExitError", message: str = "exit status 1", state: str = "ResizeImage"
) -> dict[str, Any]:
    error = {"Error": name, "Cause": json.dumps({"errorType": name, "errorMessage": message})}
    return {"status": "FAILED", "state": state, "error": error}


def test_a_failed_attempt_is_queued_again_without_a_message(cloud: Any) -> None:
    the_job = begun(job(cloud, b"x"))
    assert call("notify", {"job": the_job, "outcome": failure()})["status"] == "QUEUED"
    record = only_record(cloud)
    assert (record["status"], record["last_failure"]["code"], record["last_failure"]["state"]) == (
        "QUEUED",
        "Runtime.ExitError",
        "ResizeImage",
    )
    assert cloud.published() == []


def test_the_last_failed_attempt_is_published_with_its_state(cloud: Any) -> None:
    the_job = begun(job(cloud, b"x", attempt=4))
    assert call("notify", {"job": the_job, "outcome": failure()})["status"] == "FAILED"
    (message,) = cloud.published()
    body = message["body"]
    assert (body["state"], body["code"], body["reason"]) == ("ResizeImage", "Runtime.ExitError", "exit status 1")
    assert only_record(cloud)["status"] == "FAILED"


def test_an_attempt_that_lost_its_job_neither_publishes_nor_closes(cloud: Any) -> None:
    from pipeline import jobs

    the_job = begun(job(cloud, b"x"))
    jobs.begin(the_job | {"attempt": 2, "execution_name": "the next one"}, only_record(cloud))
    with pytest.raises(jobs.NotOwnerError):
        call("notify", {"job": the_job, "outcome": failure()})
    assert (cloud.published(), only_record(cloud)["status"]) == ([], "PROCESSING")


@pytest.mark.parametrize("key", ["raw/" + "ü" * 400 + "/tom.jpg", "raw/line\nbreak\x00.jpg", "raw/" + "y" * 900])
def test_subjects_are_what_sns_accepts(cloud: Any, key: str) -> None:
    call("notify", {"job": begun(job(cloud, b"x", key)), "outcome": refusal()})
    (message,) = cloud.published()
    subject = message["Subject"]
    assert subject.isascii()
    assert subject.isprintable()
    assert len(subject) <= 100
    assert message["body"]["source"]["key"] == key


@pytest.mark.parametrize("code", ["E" * 300, "E" * 79, "caf\u00e9\n"])
def test_a_subject_is_what_sns_accepts_whatever_the_error_is_called(code: str) -> None:
    from pipeline import messages

    subject = messages._subject("FAILED", "raw/" + "x" * 200 + "/end.jpg", code)
    assert subject.isascii()
    assert subject.isprintable()
    assert len(subject) <= 100
    assert subject.endswith("/end.jpg")


def test_a_cause_that_is_not_lambdas_json_is_kept_as_it_is() -> None:
    from pipeline import outcomes

    assert outcomes.describe({"Error": "States.Timeout", "Cause": ""}) == ("States.Timeout", "no reason was given")
    assert outcomes.describe({"Error": "Lambda.Unknown", "Cause": "a\nb"}) == ("Lambda.Unknown", "a b")
    assert outcomes.describe({"Error": "X", "Cause": "[1]"}) == ("X", "[1]")
