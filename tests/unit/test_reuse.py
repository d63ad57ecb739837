"""A rendition with the source's own pixels is never larger than the source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageCms

from bench.pictures import sorts
from engine import encoding, reuse
from pipeline import outputs, recipes, storage
from tests.unit.invoking import call
from tests.unit.pictures import opened
from tests.unit.test_handlers import FOLDER, KEY, begun, job, parts

SIDE = 256
FACTS: Any = {"format": "jpeg", "width": SIDE, "height": SIDE, "orientation": 1, "frames": 1, "mode": "RGB"}


def written(format_: str, mode: str = "RGB", **options: Any) -> bytes:
    """A small file of a low quality: an encode of its pixels has more bytes."""
    image, output = sorts.picture("scene", (SIDE, SIDE), 3).convert(mode), BytesIO()
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(output, format_, **{"quality": 25, **options})
    return output.getvalue()


def laden() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    exif.get_ifd(0x8825)[29] = "SECRETDATE"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {"exif": exif.tobytes(), "xmp": b"<x>SECRETXMP</x>", "icc_profile": profile}


def original(data: bytes, **facts: Any) -> reuse.Original:
    recipe = recipes.route(recipes.load(), "raw/x")
    return reuse.Original({**FACTS, **facts}, recipe, ["large"], len(data), lambda: data)


FILES: dict[str, Callable[[], bytes]] = {
    "baseline.jpeg": lambda: written("JPEG", **laden()) + b"SECRETTRAILER",
    "progressive.jpeg": lambda: written("JPEG", progressive=True, comment="SECRETCOMMENT", **laden()),
    "gray.jpeg": lambda: written("JPEG", "L", comment="SECRETCOMMENT"),
    "restarts.jpeg": lambda: written("JPEG", restart_marker_rows=1, comment="SECRETCOMMENT"),
    "rgb.jpeg": lambda: written("JPEG", keep_rgb=True, comment="SECRETCOMMENT"),
    "lossy.webp": lambda: written("WEBP", **laden()),
    "plain.webp": lambda: written("WEBP"),
    "alpha.webp": lambda: written("WEBP", "RGBA", **laden()),
    "lossless.webp": lambda: written("WEBP", "RGBA", lossless=True, **laden()),
}


@pytest.mark.parametrize("xmp", [None, b"<x>kept</x>"])
@pytest.mark.parametrize("name", FILES)
def test_the_pixels_stay_and_the_metadata_goes(name: str, xmp: bytes | None) -> None:
    data, format_ = FILES[name](), name.partition(".")[2]
    own = original(data, format=format_).own(format_, xmp)  # type: ignore[arg-type]
    assert own
    assert (opened(own).mode, opened(own).tobytes()) == (opened(data).mode, opened(data).tobytes())
    for trace in (b"SECRET", b"Exif", b"ICC", b"acsp", b"JFXX"):
        assert trace not in own, trace
    assert (b"<x>kept</x>" in own) == bool(xmp)
    assert opened(own).info.get("xmp") == xmp
    assert len(own) <= len(data) + (100 if xmp else 0)


def p3() -> bytes:
    from engine import cicp

    return cicp.display_p3()


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (lambda: written("JPEG", icc_profile=p3()), {}),
        (lambda: written("JPEG", "L", icc_profile=laden()["icc_profile"]), {}),
        (lambda: written("JPEG", "CMYK"), {"mode": "CMYK"}),
        (lambda: written("JPEG"), {"orientation": 6}),
        (lambda: written("JPEG")[:-2], {}),
        (lambda: written("JPEG")[:400], {}),
        (lambda: written("JPEG")[:-100] + b"\xff\x01" + written("JPEG")[-100:], {}),
        (lambda: written("WEBP"), {}),
        (lambda: written("WEBP", save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE))]), {"format": "webp"}),
        (lambda: written("WEBP"), {"format": "webp", "frames": 2}),
        (lambda: b"", {}),
    ],
)
def test_what_looks_otherwise_without_its_metadata_is_not_used(
    data: Callable[[], bytes], facts: dict[str, Any]
) -> None:
    source = original(data(), **facts)
    assert source.own(source._format or "jpeg", None) is None  # type: ignore[arg-type]


def test_a_profile_that_is_srgb_is_of_no_use_and_no_hindrance() -> None:
    own = original(written("JPEG", icc_profile=laden()["icc_profile"])).own("jpeg", None)
    assert own
    assert b"ICC_PROFILE" not in own


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["large"]),
        ({"sizes": {"large": {"width": 300, "fit": "cover", "height": 300}}}, []),
        ({"watermark": {"min_width": SIDE}}, []),
        ({"watermark": {"min_width": SIDE + 1}}, ["large"]),
    ],
)
def test_only_whole_and_unmarked_renditions_are_the_source(change: dict[str, Any], expected: list[str]) -> None:
    size = {"width": 300, "fit": "inside"}
    recipe: Any = {"sizes": {"small": {"width": 100, "fit": "inside"}, "large": size}, "watermark": None, **change}
    sizes = {"small": (100, 100), "large": (SIDE, SIDE), "gray": (SIDE, SIDE)}
    assert reuse.whole(FACTS, recipe, sizes) == expected


# --------------------------------------------------------------------------- in OptimizeImage


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that OptimizeImage reads as sources."""
    found: list[str] = []
    read = storage.read_source

    def noted(source: Any, limit: int) -> bytes:
        found.append(source["key"])
        return read(source, limit)

    monkeypatch.setattr(storage, "read_source", noted)
    return found


def finished(cloud: Any, data: bytes, reads: list[str], **fields: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """The entries of the set that is made of a source, with other fields in its recipe."""
    event = parts(begun(job(cloud, data)))
    event["recipe"] |= fields
    reads.clear()
    call("optimize", event)
    document = outputs.standing(KEY).manifest
    assert document
    made: dict[tuple[str, str], Any] = {(each["name"], each["format"]): each for each in document["renditions"]}
    for each in made.values():
        content = cloud.output(each["key"])
        assert (each["bytes"], each["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert opened(content).size == (each["width"], each["height"])
    return made


def test_the_sources_own_bytes_are_used_in_its_format(cloud: Any, reads: list[str]) -> None:
    data = written("JPEG", quality=15, comment="SECRETCOMMENT")
    made = finished(cloud, data, reads)
    whole = cloud.output(made["large", "jpeg"]["key"])
    assert opened(whole).tobytes() == opened(data).tobytes()
    assert b"SECRET" not in whole
    assert made["large", "jpeg"]["sha256"] == made["small", "jpeg"]["sha256"]
    assert reads == [KEY]
    for format_ in ("avif", "webp"):
        assert made["large", format_]["bytes"] <= len(data)
    assert cloud.output(f"{FOLDER}/manifest.json")


def test_it_is_made_smaller_where_it_must(cloud: Any, reads: list[str]) -> None:
    data = written("JPEG")
    made = finished(cloud, data, reads, never_larger="smaller")
    assert made["large", "jpeg"]["bytes"] <= len(data)
    assert opened(cloud.output(made["large", "jpeg"]["key"])).tobytes() != opened(data).tobytes()
    assert reads == []


def test_it_may_be_larger_if_the_recipe_says_so(cloud: Any, reads: list[str]) -> None:
    data = written("JPEG")
    made = finished(cloud, data, reads, never_larger="no")
    assert made["large", "jpeg"]["bytes"] > len(data)
    assert reads == []


def test_a_source_that_is_larger_than_its_renditions_is_not_read_again(cloud: Any, reads: list[str]) -> None:
    made = finished(cloud, written("JPEG", quality=97, subsampling=0), reads)
    assert reads == []
    assert made["large", "jpeg"]["bytes"] > 0


def test_a_bound_in_bytes_counts_more(cloud: Any, reads: list[str]) -> None:
    data = written("JPEG")
    bound = len(data) // 2
    made = finished(cloud, data, reads, max_bytes={"avif": None, "webp": None, "jpeg": bound})
    assert made["large", "jpeg"]["bytes"] <= bound


def test_a_picture_is_not_spoiled_for_its_source_is_small(cloud: Any, reads: list[str]) -> None:
    """A flat PNG has fewer bytes than any decent JPEG of it."""
    output = BytesIO()
    sorts.picture("lettering", (SIDE, SIDE), 3).quantize(4).save(output, "PNG", optimize=True)
    made = finished(cloud, output.getvalue(), reads)
    jpeg = cloud.output(made["large", "jpeg"]["key"])
    expected = encoding._quantization(reuse._DECENT)[0]
    assert list(opened(jpeg).quantization[0]) == expected  # type: ignore[attr-defined]
    assert json.loads(cloud.output(f"{FOLDER}/manifest.json"))["schema_version"]
