"""Regions that a file marks: faces, pets, subjects, in XMP (MWG, Microsoft, IPTC) or as EXIF's SubjectArea.

Only the sandbox's child calls this, see engine.sandbox. Nothing here raises: damaged regions are as good as none.

Sources: Metadata Working Group, Guidelines 2.0, 5.9 (Apple's phones write these); Microsoft, People Tagging; IPTC Photo
Metadata 2019.1, Image Region; Exif 2.32, SubjectArea.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from contracts import ImageFacts, Point, Region
    from engine.pillow import Image

MOST = 64
_MOST_READ = 1000
# A region that takes more than this of both sides says nothing about the crop.
_WHOLE = 0.95
# Sides that differ in shape by more than this have been cropped since the regions were marked.
_SAME_SHAPE = 0.03
# iPhones write the middle of the picture as SubjectArea where nobody chose one.
_MIDDLE = 0.02

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_MWG = "{http://www.metadataworkinggroup.com/schemas/regions/}"
_AREA = "{http://ns.adobe.com/xmp/sType/Area#}"
_DIMENSIONS = "{http://ns.adobe.com/xap/1.0/sType/Dimensions#}"
_MP = "{http://ns.microsoft.com/photo/1.2/t/RegionInfo#}"
_MPREG = "{http://ns.microsoft.com/photo/1.2/t/Region#}"
_IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
_EXIF, _SUBJECT_AREA, _PIXELS_ACROSS, _PIXELS_DOWN = 0x8769, 0x9214, 0xA002, 0xA003

# The kinds of regions. Those of the first kind that a file has count, and no others.
_SUBJECT, _CROP, _OTHER = range(3)
_MWG_KINDS = {"face": _SUBJECT, "pet": _SUBJECT}

Size = tuple[float, float]  # width, height
Found = tuple[int, "Region"]  # kind, place


class Marked(TypedDict, total=False):
    """Those fields of ImageFacts that say where a picture's subjects are: neither, if nothing is marked."""

    regions: list[Region]
    focus: Point


def read(facts: ImageFacts, image: Image.Image, root: Element | None) -> Marked:
    """The regions that an opened image marks, at most MOST, and their middle. `root`: of its XMP, if it has any."""
    found: list[Region] = []
    # HEIC is upright when it is opened, but its regions are those of the picture as it is stored.
    orientation = facts["orientation"]
    if facts["format"] == "heic" and image.info.get("original_orientation") in range(1, 9):
        orientation = int(image.info["original_orientation"])
    upright = (facts["width"], facts["height"])
    if root is not None:
        with suppress(Exception):
            found = regions(root, upright, orientation)
    if not found:
        with suppress(Exception):
            found = _of_exif(image, upright, orientation)
    return {"regions": found, "focus": middle(found)} if found else {}


def regions(root: Element, upright: Size, orientation: int) -> list[Region]:
    """The regions in XMP, in fractions of the upright picture, the largest first.

    `upright`: the picture's width and height as displayed; `orientation`: how the stored one is turned, as EXIF has it.
    """
    stored = upright if orientation < 5 else upright[::-1]
    found: dict[str, list[Found]] = {}
    for element in root.iter():
        if reader := _READERS.get(element.tag):
            with suppress(Exception):  # one that is damaged spoils no other
                found.setdefault(element.tag, []).extend(reader(element, stored, orientation))
    # A program may write the same faces in several ways: one of them is enough.
    for kind in (_SUBJECT, _CROP, _OTHER):
        for tag in _READERS:
            chosen = [place for each, place in found.get(tag, ()) if each == kind]
            if chosen:
                return sorted(dict.fromkeys(chosen), key=lambda place: (-_area(place), place))[:MOST]
    return []


def middle(found: list[Region]) -> Point:
    """The middle of regions, the larger ones weighing more."""
    weights = [_area(place) + 1e-6 for place in found]

    def mean(low: int, high: int) -> float:
        centres = ((place[low] + place[high]) / 2 for place in found)
        return round(sum(map(float.__mul__, centres, weights)) / sum(weights), 4)

    return {"x": mean(0, 2), "y": mean(1, 3)}


class _Frame:
    """What the coordinates of a list of regions refer to: `size`, and how it is turned to be upright.

    Raises ValueError if the picture was cropped after the regions were marked.
    """

    def __init__(self, applied: Element | str | None, stored: Size, orientation: int) -> None:
        self.size, self.orientation = stored, orientation
        if applied is not None and not isinstance(applied, str):
            fields = _fields(applied)
            size = _number(fields, _DIMENSIONS + "w"), _number(fields, _DIMENSIONS + "h")
            if not min(size) > 0:
                return
            self.size = size
            if not _same_shape(size, stored):
                # Some programs mark the picture as it is displayed, against the guidelines.
                if orientation < 5 or not _same_shape(size, stored[::-1]):
                    raise ValueError
                self.orientation = 1


def _same_shape(one: Size, other: Size) -> bool:
    return abs(math.log(one[0] * other[1] / (one[1] * other[0]))) < _SAME_SHAPE


def _placed(found: Iterator[Found], frame: _Frame) -> Iterator[Found]:
    """Regions of the upright picture: clipped to it, without those that say nothing."""
    for kind, place in itertools.islice(found, _MOST_READ):
        left, top, right, bottom = place
        if right < left or bottom < top:
            continue
        x, y = (left + right) / 2, (top + bottom) / 2
        clipped = tuple(min(1.0, max(0.0, edge)) for edge in place)
        # Nothing is true of what is not a number.
        if 0 <= x <= 1 and 0 <= y <= 1 and min(clipped[2] - clipped[0], clipped[3] - clipped[1]) < _WHOLE:
            turned = _turned(clipped, frame.orientation)
            yield kind, (round(turned[0], 5), round(turned[1], 5), round(turned[2], 5), round(turned[3], 5))


def _turned(place: tuple[float, ...], orientation: int) -> Region:
    """A place in the stored picture, in the upright one."""
    left, top, right, bottom = place
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
    if orientation in (2, 3, 6, 7):
        left, right = 1 - right, 1 - left
    if orientation in (3, 4, 7, 8):
        top, bottom = 1 - bottom, 1 - top
    return left, top, right, bottom


def _area(place: Region) -> float:
    return (place[2] - place[0]) * (place[3] - place[1])


# --------------------------------------------------------------------------- XMP


def _fields(node: Element) -> dict[str, Element | str]:
    """The fields of a structure by name, in any of the forms that RDF has for it: a text, or the element of a field."""
    fields: dict[str, Element | str] = {}
    for each in (node, *node.findall(_RDF + "Description")):
        fields.update(each.attrib)
        for child in each:
            if not child.tag.startswith(_RDF):
                is_text = len(child) == 0 and not any(not name.startswith(_RDF) for name in child.attrib)
                fields[child.tag] = (child.text or "") if is_text else child
    return fields


def _items(node: Element | str | None) -> Iterator[Element]:
    """The items of a list: of a Bag, a Seq or an Alt."""
    if node is not None and not isinstance(node, str):
        for items in node:
            yield from items.findall(_RDF + "li")


def _number(fields: dict[str, Element | str], name: str) -> float:
    """A number; not a number where there is none. XMP's rationals count too."""
    text = fields.get(name)
    with suppress(ValueError, ArithmeticError):
        if isinstance(text, str) and len(text) <= 64 and text.isascii() and "_" not in text:
            numerator, _, denominator = text.partition("/")
            return float(numerator) / float(denominator or 1)
    return math.nan


def _mwg(node: Element, stored: Size, orientation: int) -> Iterator[Found]:
    fields = _fields(node)
    frame = _Frame(fields.get(_MWG + "AppliedToDimensions"), stored, orientation)
    return _placed(_mwg_list(fields.get(_MWG + "RegionList"), frame), frame)


def _microsoft(node: Element, stored: Size, orientation: int) -> Iterator[Found]:
    return _placed(_microsoft_list(node), _Frame(None, stored, orientation))


def _iptc(node: Element, stored: Size, orientation: int) -> Iterator[Found]:
    return _placed(_iptc_list(node, stored), _Frame(None, stored, orientation))


# The first schema that a file has regions of the same kind in counts.
_READERS = {_MWG + "Regions": _mwg, _MP + "Regions": _microsoft, _IPTC + "ImageRegion": _iptc}


def _mwg_list(node: Element | str | None, frame: _Frame) -> Iterator[Found]:
    for item in _items(node):
        fields = _fields(item)
        area = fields.get(_MWG + "Area")
        if area is None or isinstance(area, str):
            continue
        values = _fields(area)
        x, y, width, height = (_number(values, _AREA + side) for side in "xywh")
        diameter = _number(values, _AREA + "d")
        scale = (1.0, 1.0)
        if str(values.get(_AREA + "unit", "normalized")).strip().lower() == "pixel":
            scale = frame.size
            across, down = diameter, diameter
        else:  # a circle's diameter is a fraction of the shorter side
            across, down = (diameter * min(frame.size) / side for side in frame.size)
        if math.isfinite(diameter) and not math.isfinite(width):
            width, height = across, down
        elif math.isnan(width) and math.isnan(height):
            width = height = 0.0  # a point
        elif not min(width, height) > 0:
            continue
        kind = str(fields.get(_MWG + "Type", "")).strip().lower()
        yield _MWG_KINDS.get(kind, _OTHER), _scaled(x - width / 2, y - height / 2, width, height, scale)


def _microsoft_list(node: Element) -> Iterator[Found]:
    for item in _items(node):
        parts = str(_fields(item).get(_MPREG + "Rectangle", "")).split(",", 4)
        if len(parts) == 4:
            left, top, width, height = (_number({"": part.strip()}, "") for part in parts)
            if min(width, height) > 0:
                yield _SUBJECT, _scaled(left, top, width, height)


def _iptc_list(node: Element, size: Size) -> Iterator[Found]:
    for item in _items(node):
        fields = _fields(item)
        boundary = fields.get(_IPTC + "RegionBoundary")
        if boundary is None or isinstance(boundary, str):
            continue
        if place := _of_boundary(_fields(boundary), size):
            role, kind = (_texts(fields.get(_IPTC + name)) for name in ("rRole", "rCtype"))
            if "cropping" in role:
                yield _CROP, place
            elif "subjectarea" in role or "subject area" in role or "human" in kind or "animal" in kind:
                yield _SUBJECT, place
            else:
                yield _OTHER, place


def _of_boundary(fields: dict[str, Element | str], size: Size) -> Region | None:
    """The place of a rectangle, a circle or a polygon."""
    scale = size if fields.get(_IPTC + "rbUnit") == "pixel" else (1.0, 1.0)
    x, y, width, height, radius = (_number(fields, _IPTC + name) for name in ("rbX", "rbY", "rbW", "rbH", "rbRx"))
    match fields.get(_IPTC + "rbShape"):
        case "rectangle" if min(width, height) > 0:
            return _scaled(x, y, width, height, scale)
        case "circle" if radius > 0:  # a fraction of the width
            tall = radius if scale == size else radius * size[0] / size[1]
            return _scaled(x - radius, y - tall, 2 * radius, 2 * tall, scale)
        case "polygon":
            corners = [_fields(each) for each in itertools.islice(_items(fields.get(_IPTC + "rbVertices")), _MOST_READ)]
            across = [_number(corner, _IPTC + "rbX") for corner in corners]
            down = [_number(corner, _IPTC + "rbY") for corner in corners]
            if len(corners) > 1 and all(map(math.isfinite, across + down)):
                left, top = min(across), min(down)
                return _scaled(left, top, max(across) - left, max(down) - top, scale)
    return None


def _texts(node: Element | str | None) -> str:
    """All that stands in a field, in small letters."""
    text = node if node is None or isinstance(node, str) else "".join(node.itertext())
    return (text or "").lower()


def _scaled(left: float, top: float, width: float, height: float, scale: Size = (1.0, 1.0)) -> Region:
    return left / scale[0], top / scale[1], (left + width) / scale[0], (top + height) / scale[1]


# --------------------------------------------------------------------------- EXIF


def _of_exif(image: Image.Image, upright: Size, orientation: int) -> list[Region]:
    """The main subject: two values are a point, three a circle, four a rectangle, in pixels around its centre."""
    exif = image.getexif().get_ifd(_EXIF)
    values = exif.get(_SUBJECT_AREA)
    if not isinstance(values, tuple) or len(values) not in (2, 3, 4):
        return []
    x, y = float(values[0]), float(values[1])
    width, height = (float(values[2]), float(values[-1])) if len(values) > 2 else (0.0, 0.0)
    stored = upright if orientation < 5 else upright[::-1]
    marked = float(exif.get(_PIXELS_ACROSS) or stored[0]), float(exif.get(_PIXELS_DOWN) or stored[1])
    if not _same_shape(marked, stored):
        return []
    if abs(x / marked[0] - 0.5) < _MIDDLE and abs(y / marked[1] - 0.5) < _MIDDLE:
        return []
    frame = _Frame(None, stored, orientation)
    place = _scaled(x - width / 2, y - height / 2, width, height, marked)
    return [turned for _, turned in _placed(iter([(_OTHER, place)]), frame)]
