"""Regions that files mark: every way to write them, in every orientation and format."""

from __future__ import annotations

import json
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from PIL import Image, ImageDraw

from bench.pictures import marks
from engine import decoding, regions, sandbox
from engine.rejection import FORMATS
from pipeline import recipes
from tests.unit.pictures import HEIC, data

RECIPE = recipes.route(recipes.load(), "raw/x")
LIMITS: Any = {**RECIPE["limits"], "formats": list(FORMATS)}
FACE = (0.125, 0.25, 0.375, 0.75)  # of the upright picture: left of the middle, and taller than wide
SIZE = (160, 120)
RED = (230, 20, 20)


def picture() -> Image.Image:
    """Gray, with a red face."""
    image = Image.new("RGB", SIZE, (120, 120, 120))
    left, top, right, bottom = (edge * side for edge, side in zip(FACE, SIZE * 2, strict=True))
    ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=RED)
    return image


def root(inner: str) -> Element:
    return fromstring(marks.packet(inner).decode())


def read(inner: str, size: tuple[int, int] = SIZE, orientation: int = 1) -> list[Any]:
    return regions.regions(root(inner), size, orientation)


def accepted(content: bytes) -> dict[str, Any]:
    return dict(sandbox.inspect(content, RECIPE, LIMITS, 2000))


def near(found: Any, expected: Any) -> bool:
    return all(abs(a - b) < 2e-4 for a, b in zip(found, expected, strict=True))


def is_red(content: bytes, box: Any) -> bool:
    """Whether the decoded picture is red in this place, and nowhere around it."""
    image = decoding.decode(content, {"all": {"width": 4000, "height": 4000, "fit": "inside", "gravity": "auto"}})
    left, top, right, bottom = (edge * side for edge, side in zip(box, image.size * 2, strict=True))
    inside = [image.getpixel((round(x), round(y))) for x in (left + 5, right - 6) for y in (top + 5, bottom - 6)]
    around = [(left - 6, top), (right + 5, top), (left, top - 6), (left, bottom + 5)]
    outside = [image.getpixel((round(x), round(y))) for x, y in around]
    return all(pixel[0] - pixel[1] > 100 for pixel in inside) and all(pixel[0] - pixel[1] < 60 for pixel in outside)


WRITTEN = {
    "mwg": lambda box, size: marks.mwg([box], size),
    "mwg in pixels": lambda box, size: marks.mwg([box], size, unit="pixel"),
    "mwg without dimensions": lambda box, size: marks.mwg([box], None),
    "microsoft": lambda box, size: marks.microsoft([box]),
    "iptc": lambda box, size: marks.iptc([box]),
    "iptc in pixels": lambda box, size: marks.iptc([box], size=size),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("way", WRITTEN)
def test_a_marked_face_is_found_in_the_upright_picture(way: str, orientation: int) -> None:
    stored = SIZE if orientation < 5 else SIZE[::-1]
    xmp = marks.packet(WRITTEN[way](marks.stored(FACE, orientation), stored))
    content = marks.jpeg(picture(), xmp, orientation)
    facts = accepted(content)
    assert near(facts["regions"][0], FACE)
    assert is_red(content, facts["regions"][0])
    assert near(facts["focus"].values(), (0.25, 0.5))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 6, 8, 4])
def test_a_marked_face_is_found_in_every_format(kind: str, orientation: int) -> None:
    turned = picture().transpose(marks.STORED[orientation]) if orientation > 1 else picture()
    xmp = marks.packet(marks.mwg([marks.stored(FACE, orientation)], turned.size))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"exif": exif, "xmp": xmp}
    if kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
        options = {"exif": exif, "pnginfo": info}
    if kind == "TIFF":
        options = {"tiffinfo": {0x0112: orientation, 700: xmp}}
    content = data(turned, kind, **options)
    facts = accepted(content)
    assert near(facts["regions"][0], FACE)
    assert is_red(content, facts["regions"][0])


def test_the_regions_of_a_heic_are_those_of_the_picture_as_stored() -> None:
    facts: Any = decoding.inspect(HEIC, LIMITS)
    image = decoding.open_image(HEIC, "heic")
    assert (facts["width"], facts["height"], facts["orientation"]) == (48, 64, 1)
    marked = regions.read(facts, image, root(marks.mwg([(0, 0, 0.5, 0.5)], (64, 48))))
    assert marked["regions"] == [(0.5, 0.0, 1.0, 0.5)]
    pixel: Any = image.convert("RGB").getpixel((36, 16))
    assert pixel[0] > 150 > 100 > pixel[1]  # the red quarter


def test_a_picture_that_was_marked_as_displayed_is_understood_too() -> None:
    assert read(marks.mwg([FACE], SIZE), SIZE, 6) == [FACE]
    assert read(marks.mwg([FACE], (1600, 1200)), SIZE, 8) == [FACE]


def test_regions_of_a_picture_that_was_cropped_since_are_ignored() -> None:
    assert read(marks.mwg([FACE], (160, 160)), SIZE) == []
    assert read(marks.mwg([FACE], (120, 160)), SIZE) == []
    assert read(marks.mwg([FACE], (4000, 3000)), SIZE) == [FACE]  # only made smaller


def test_faces_count_before_what_the_camera_focused_on() -> None:
    other = (0.6, 0.1, 0.7, 0.2)
    assert read(marks.mwg([other], SIZE, "Focus") + marks.mwg([FACE], SIZE, "Pet")) == [FACE]
    assert read(marks.mwg([other], SIZE, "Focus")) == [other]
    assert read(marks.iptc([other]) + marks.iptc([FACE], "recomCropping")) == [other]
    assert read(marks.mwg([other], SIZE, "BarCode") + marks.iptc([FACE], "squareCropping")) == [FACE]
    # The same faces in two schemas are one set of faces.
    assert read(marks.microsoft([other]) + marks.mwg([FACE], SIZE)) == [FACE]


def test_the_largest_come_first_and_no_more_than_the_most() -> None:
    many = [(0.001 * n, 0.1, 0.001 * n + 0.05 + 0.0005 * n, 0.2) for n in range(200)]
    found = read(marks.mwg(many, SIZE))
    assert len(found) == regions.MOST
    assert found[0] == pytest.approx(many[-1], abs=1e-4)
    assert found == sorted(found, key=lambda box: -(box[2] - box[0]) * (box[3] - box[1]))


LIST = (
    "<mwg-rs:Regions><rdf:Description><mwg-rs:RegionList><rdf:Seq><rdf:li{}</rdf:li></rdf:Seq></mwg-rs:RegionList>"
    "</rdf:Description></mwg-rs:Regions>"
)
FORMS = {
    "attributes": '><rdf:Description mwg-rs:Type="Face"><mwg-rs:Area stArea:x="0.25" stArea:y="0.5" stArea:w="0.25"'
    ' stArea:h="0.5"/></rdf:Description>',
    "elements": ' rdf:parseType="Resource"><mwg-rs:Type>Face</mwg-rs:Type><mwg-rs:Area rdf:parseType="Resource">'
    "<stArea:x>0.25</stArea:x><stArea:y>0.5</stArea:y><stArea:w>0.25</stArea:w><stArea:h>0.5</stArea:h></mwg-rs:Area>",
    "descriptions": '><rdf:Description><mwg-rs:Area><rdf:Description stArea:x="1/4" stArea:y="1/2" stArea:w="1/4"'
    ' stArea:h="2/4" stArea:unit="normalized"/></mwg-rs:Area></rdf:Description>',
    "circle": '><rdf:Description mwg-rs:Type="Focus"><mwg-rs:Area stArea:x="0.25" stArea:y="0.5" stArea:d="0.5"'
    ' stArea:unit="normalized"/></rdf:Description>',
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_rdf(form: str) -> None:
    found = read(LIST.format(FORMS[form]), (120, 120) if form == "circle" else SIZE)
    assert found == [(0.0, 0.25, 0.5, 0.75) if form == "circle" else FACE]


def test_a_point_of_focus_is_a_region_without_extent() -> None:
    point = '><rdf:Description mwg-rs:Type="Focus"><mwg-rs:Area stArea:x="0.3" stArea:y="0.6"/></rdf:Description>'
    assert read(LIST.format(point)) == [(0.3, 0.6, 0.3, 0.6)]


def fields(**values: Any) -> str:
    return "".join(f"<Iptc4xmpExt:{name}>{value}</Iptc4xmpExt:{name}>" for name, value in values.items())


CORNERS = "".join(
    f'<rdf:li rdf:parseType="Resource">{fields(rbX=x, rbY=y)}</rdf:li>' for x, y in ((16, 60), (80, 12), (48, 108))
)


@pytest.mark.parametrize(
    ("boundary", "expected"),
    [
        (fields(rbShape="circle", rbUnit="relative", rbX=0.5, rbY=0.5, rbRx=0.15), (0.35, 0.3, 0.65, 0.7)),
        (
            fields(rbShape="polygon", rbUnit="pixel", rbVertices=f"<rdf:Seq>{CORNERS}</rdf:Seq>"),
            (0.1, 0.1, 0.5, 0.9),
        ),
        (fields(rbShape="triangle"), None),
    ],
)
def test_the_shapes_of_iptc(boundary: str, expected: Any) -> None:
    place = f'<Iptc4xmpExt:RegionBoundary rdf:parseType="Resource">{boundary}</Iptc4xmpExt:RegionBoundary>'
    item = f'<rdf:li rdf:parseType="Resource">{place}</rdf:li>'
    found = read(f"<Iptc4xmpExt:ImageRegion><rdf:Bag>{item}</rdf:Bag></Iptc4xmpExt:ImageRegion>")
    assert found == ([expected] if expected else [])


def subject(values: Any, orientation: int = 1, across: int = 0, down: int = 0) -> dict[str, Any]:
    """The facts about a picture with a SubjectArea."""
    exif, size = Image.Exif(), SIZE if orientation < 5 else SIZE[::-1]
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0x9214] = values
    if across:
        exif.get_ifd(0x8769).update({0xA002: across, 0xA003: down or across * size[1] // size[0]})
    return accepted(data(Image.new("RGB", size), "JPEG", exif=exif))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((40, 60, 40, 60), FACE),
        ((40, 60, 40), (0.125, 0.33333, 0.375, 0.66667)),
        ((40, 60), (0.25, 0.5, 0.25, 0.5)),
        ((80, 60, 88, 53), None),  # the middle, as phones write it unasked
        ((400, 60, 4, 4), None),
        ((40,), None),
        ((40, 60, 1, 2, 3), None),
    ],
)
def test_the_subject_area_of_exif(values: Any, expected: Any) -> None:
    found = subject(values).get("regions")
    assert near(found[0], expected) if expected else found is None


def test_a_subject_area_counts_in_stored_pixels_of_the_picture_as_taken() -> None:
    assert near(subject((600, 400, 600, 400), 6, across=1200)["regions"][0], (0.625, 0.25, 0.875, 0.75))


def test_a_subject_area_of_another_shape_is_ignored() -> None:
    assert "regions" in subject((40, 60, 40, 60), across=160, down=120)
    assert "regions" not in subject((40, 60, 40, 60), across=160, down=160)


def test_regions_in_xmp_count_before_the_subject_area() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9214] = (120, 90, 16, 12)
    content = data(picture(), "JPEG", exif=exif, xmp=marks.packet(marks.mwg([FACE], SIZE)))
    assert accepted(content)["regions"] == [list(FACE)]


@pytest.mark.parametrize(
    "box",
    [
        (0.0, 0.0, 1.0, 1.0),
        (0.01, 0.01, 0.99, 0.99),
        (1.1, 0.2, 1.3, 0.4),
        (-0.5, 0.1, -0.2, 0.3),
        (0.4, 0.4, 0.4, 0.6),
    ],
)
def test_regions_that_say_nothing_are_ignored(box: marks.Region) -> None:
    assert read(marks.mwg([box], SIZE)) == []
    assert read(marks.mwg([box, FACE], SIZE)) == [FACE]


def test_a_region_over_the_edge_is_cut() -> None:
    assert read(marks.mwg([(-0.1, 0.2, 0.2, 0.5)], SIZE)) == [(0.0, 0.2, 0.2, 0.5)]


def test_nothing_marked_adds_nothing() -> None:
    facts = accepted(data(picture(), "JPEG"))
    assert "regions" not in facts
    assert "focus" not in facts
    assert json.loads(json.dumps(facts)) == decoding.inspect(data(picture(), "JPEG"), LIMITS)
