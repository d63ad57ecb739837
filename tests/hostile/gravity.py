"""Marked regions that are built to hurt, or damaged, in XMP and EXIF; and texts that are given as a focus.

The pictures around them are sound, and must come through: no picture is lost for the sake of its metadata.
"""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO

from bench.pictures import marks
from tests.unit.pictures import quarters

Cases = Iterator[tuple[str, Callable[[], bytes], str]]
SIZE = (160, 120)
FACE = (0.1, 0.2, 0.3, 0.6)
NUMBERS = [
    *("nan", "-nan", "inf", "-inf", "1e400", "-1e400", "1e-400", "0", "-0", "-1", "-0.3", "1.0000001", "99999999999"),
    *("", " ", "x", "0x10", "1_0", "\u0663", "1,5", "0.5px", "1/0", "0/0", "1/3/4", "//", "5e-1"),
    *("9" * 400, "0." + "3" * 99),
]


def files() -> Cases:
    """Some of the cases, for all of the functions: test_gravity.py runs each through the first one's child."""
    return itertools.islice(cases(), 0, None, 16)


def cases() -> Cases:
    """Name, maker, and how the file must end."""
    for name, inner in {**_numbers(), **_structures()}.items():
        yield f"gravity/{name}.jpg", partial(marked, inner), "SUCCEEDED"
    for name, values in _areas().items():
        yield f"gravity/subject-{name}.jpg", partial(with_area, values), "SUCCEEDED"
    for orientation in range(2, 9):
        place = marks.mwg([FACE], SIZE[:: -1 if orientation > 4 else 1])
        yield f"gravity/turned-{orientation}.jpg", partial(marked, place, orientation), "SUCCEEDED"


def marked(inner: str, orientation: int = 1) -> bytes:
    return marks.jpeg(quarters(*SIZE), marks.packet(inner), orientation)


def laden() -> bytes:
    """A picture with regions in every schema, for mutants."""
    return marked(marks.mwg([FACE], SIZE) + marks.microsoft([FACE]) + marks.iptc([FACE]))


def _numbers() -> dict[str, str]:
    """Each number in each place of each schema."""
    found = {}
    for number, text in enumerate(NUMBERS):
        for side in "xywh":
            area = dict.fromkeys("xywh", "0.4") | {side: text}
            found[f"mwg-{side}-{number}"] = mwg_item(area)
        found[f"mwg-d-{number}"] = mwg_item({"x": "0.4", "y": "0.4", "d": text})
        found[f"mwg-pixel-{number}"] = mwg_item({"x": text, "y": "40", "w": "40", "h": "40", "unit": "pixel"})
        found[f"mwg-applied-{number}"] = mwg_item(
            {"x": "0.4", "y": "0.4", "w": "0.1", "h": "0.1"}, applied=(text, "120")
        )
        found[f"microsoft-{number}"] = _microsoft(f"0.1, {text}, 0.2, 0.2")
        found[f"iptc-{number}"] = _iptc("rectangle", rbX=text, rbY="0.2", rbW="0.3", rbH="0.4")
        found[f"iptc-circle-{number}"] = _iptc("circle", rbX="0.5", rbY="0.5", rbRx=text)
    return found


def mwg_item(area: dict[str, str], applied: tuple[str, str] | None = None) -> str:
    sides = "".join(f' stArea:{name}="{text}"' for name, text in area.items())
    size = applied and f'<mwg-rs:AppliedToDimensions stDim:w="{applied[0]}" stDim:h="{applied[1]}"/>'
    item = f'<rdf:li><rdf:Description mwg-rs:Type="Face"><mwg-rs:Area{sides}/></rdf:Description></rdf:li>'
    return _mwg(f"{size or ''}<mwg-rs:RegionList><rdf:Bag>{item}</rdf:Bag></mwg-rs:RegionList>")


def _mwg(inner: str) -> str:
    return f'<mwg-rs:Regions rdf:parseType="Resource">{inner}</mwg-rs:Regions>'


def _microsoft(rectangle: str) -> str:
    item = f'<rdf:li><rdf:Description MPReg:Rectangle="{rectangle}"/></rdf:li>'
    return f"<MP:RegionInfo><MPRI:Regions><rdf:Bag>{item}</rdf:Bag></MPRI:Regions></MP:RegionInfo>"


def _iptc(shape: str, **fields: str) -> str:
    fields = {"rbShape": shape, "rbUnit": "relative"} | fields
    inner = "".join(f"<Iptc4xmpExt:{name}>{text}</Iptc4xmpExt:{name}>" for name, text in fields.items())
    place = f'<Iptc4xmpExt:RegionBoundary rdf:parseType="Resource">{inner}</Iptc4xmpExt:RegionBoundary>'
    item = f'<rdf:li rdf:parseType="Resource">{place}</rdf:li>'
    return f"<Iptc4xmpExt:ImageRegion><rdf:Bag>{item}</rdf:Bag></Iptc4xmpExt:ImageRegion>"


def _structures() -> dict[str, str]:
    """What is wrong with the way that regions are written; JPEG holds 64 KB of them."""
    point = '<mwg-rs:Area stArea:x="0.4" stArea:y="0.4"/>'
    item = f'<rdf:li><rdf:Description mwg-rs:Type="Face">{point}</rdf:Description></rdf:li>'
    listed = "<mwg-rs:RegionList><rdf:Bag>{}</rdf:Bag></mwg-rs:RegionList>"
    area = '<mwg-rs:Area stArea:x=".4" stArea:y=".4" stArea:w=".1" stArea:h=".1"/>'
    polygon = "".join(
        f'<rdf:li rdf:parseType="Resource"><Iptc4xmpExt:rbX>0.{n % 10}</Iptc4xmpExt:rbX></rdf:li>' for n in range(500)
    )
    many = [(0.001 * n, 0.2, 0.001 * n + 0.01, 0.3) for n in range(300)]
    sound = marks.mwg([FACE], SIZE)
    return {
        "empty": _mwg(""),
        "text": _mwg("0.1, 0.2, 0.3, 0.4"),
        "no-list": _mwg("<mwg-rs:RegionList/>"),
        "list-of-text": _mwg("<mwg-rs:RegionList>1,2,3,4</mwg-rs:RegionList>"),
        "list-as-attribute": '<rdf:Description mwg-rs:Regions="0.1,0.2"/>',
        "no-bag": _mwg(f"<mwg-rs:RegionList>{item}</mwg-rs:RegionList>"),
        "empty-bag": _mwg(listed.format("")),
        "empty-items": _mwg(listed.format("<rdf:li/>" * 3000)),
        "points": _mwg(listed.format(item * 300)),
        "many": marks.mwg(many, SIZE),
        "many-microsoft": marks.microsoft(many),
        "many-iptc": marks.iptc(many[:60]),
        "many-lists": _mwg(listed.format(item)) * 150,
        "bag-in-bag": _mwg(listed.format(f"<rdf:li><rdf:Bag>{item}</rdf:Bag></rdf:li>")),
        "nested": _mwg("<mwg-rs:RegionList>" * 40 + item + "</mwg-rs:RegionList>" * 40),
        "nested-regions": "<mwg-rs:Regions>" * 40 + item + "</mwg-rs:Regions>" * 40,
        "nested-descriptions": _mwg("<rdf:Description>" * 45 + listed.format(item) + "</rdf:Description>" * 45),
        "list-in-area": _mwg(listed.format(f"<rdf:li><mwg-rs:Area>{listed.format(item)}</mwg-rs:Area></rdf:li>")),
        "area-as-text": _mwg(listed.format("<rdf:li><mwg-rs:Area>0.1</mwg-rs:Area></rdf:li>")),
        "area-as-attribute": _mwg(listed.format('<rdf:li mwg-rs:Area="0.1"/>')),
        "two-areas": _mwg(listed.format(f"<rdf:li>{area}{area}</rdf:li>")),
        "dimensions-as-text": _mwg(
            "<mwg-rs:AppliedToDimensions>4000</mwg-rs:AppliedToDimensions>" + listed.format(item)
        ),
        "no-dimensions": _mwg("<mwg-rs:AppliedToDimensions/>" + listed.format(item)),
        "wrong-unit": sound.replace("normalized", "furlong"),
        "wrong-type": sound.replace('"Face"', f'"{"F" * 5000}"'),
        "wrong-namespace": sound.replace("mwg-rs:", "MP:"),
        "no-namespace": sound.replace("mwg-rs:Area", "Area"),
        "wrong-case": sound.replace("stArea:x", "stArea:X"),
        "other-shape": marks.mwg([FACE], (120, 160)),
        "one-of-each": sound + marks.microsoft([FACE]) + marks.iptc([FACE]),
        "damaged-then-sound": marks.mwg([FACE], (1, 9999)) + marks.iptc([FACE]),
        "microsoft-five": _microsoft("0.1,0.2,0.3,0.4,0.5"),
        "microsoft-three": _microsoft("0.1,0.2,0.3"),
        "microsoft-commas": _microsoft("," * 2000),
        "microsoft-elements": "<MPRI:Regions><rdf:Bag><rdf:li><MPReg:Rectangle><rdf:Bag/></MPReg:Rectangle></rdf:li>"
        "</rdf:Bag></MPRI:Regions>",
        "iptc-no-boundary": "<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li/></rdf:Bag></Iptc4xmpExt:ImageRegion>",
        "iptc-no-shape": _iptc(""),
        "iptc-polygon": _iptc("polygon", rbVertices=f"<rdf:Seq>{polygon}</rdf:Seq>"),
        "iptc-polygon-empty": _iptc("polygon", rbVertices=""),
        "iptc-polygon-of-one": _iptc("polygon", rbVertices=f"<rdf:Seq>{polygon[: len(polygon) // 500]}</rdf:Seq>"),
        "iptc-pixel": _iptc("rectangle", rbUnit="pixel", rbX="1e9", rbY="0", rbW="10", rbH="10"),
        "iptc-deep-role": marks.iptc([FACE]).replace("</rdf:li>", "<x:a>" * 30 + "</x:a>" * 30 + "</rdf:li>", 1),
    }


def _areas() -> dict[str, bytes]:
    """SubjectArea by type, count and values, as an entry of EXIF with what it leads to."""
    found = {}
    for kind, code in zip((1, 2, 3, 4, 5, 7, 9, 11, 12, 13, 99), ("B", "c", "H", "I", "II", *"cifdIH"), strict=True):
        for count in (0, 1, 2, 3, 4, 5, 300, 2**31):
            chance = random.Random(f"{kind} {count}")
            held = chance.randbytes(struct.calcsize(f"<{code}") * min(count, 300))
            found[f"{kind}-{count}"] = _exif(kind, count, held)
    return found


def _exif(kind: int, count: int, held: bytes) -> bytes:
    """EXIF with nothing but a SubjectArea."""
    value = held.ljust(4, b"\0") if len(held) <= 4 else struct.pack("<I", 44)
    first = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x8769, 4, 1, 26) + bytes(4)
    return first + b"\x01\0" + struct.pack("<HHI", 0x9214, kind, count) + value[:4] + bytes(4) + held


def with_area(block: bytes) -> bytes:
    buffer = BytesIO()
    quarters(*SIZE).save(buffer, "JPEG", exif=b"Exif\0\0" + block)
    return buffer.getvalue()


def focuses() -> list[str]:
    """Texts that no focus is in, and some that one may be in."""
    chance = random.Random(4)
    made = [f"{number},0.5" for number in NUMBERS] + [f"0.5,{number}" for number in NUMBERS]
    made += ["0.5", "0.5,", ",", ",,", "," * 2048, "0,0" * 700, "0.5,0.5,0.5", "0.5;0.5", "0.5 0.5", "[0.5,0.5]", "{}"]
    made += ["nan,nan", "1e9,0", "\u0660.\u0663,\u0660.\u0667", "\uff10.3,0.7", "\ud800,0", "0.3,0.7\0"]
    made += ["30%,0.7", "300%,1%", "%,%", "-30%,5%", "+0.3,0.7", "0.3,0.7\n", "\t0.3 ,\t0.7", "0" * 64 + ",1"]
    made += ["\u202e0.3,0.7", "=?UTF-8?B?MC4zLDAuNw==?="]
    made += ["".join(chance.choices(".0159,% \t-+eE\u0663x", k=chance.randint(0, 9))) for _ in range(2000)]
    parts = ["0.3", ".7", "1", "0.", "30%", "101%", "1.01", "-0", "", " "]
    made += [chance.choice(parts) + chance.choice((",", ", ", ";", ",,")) + chance.choice(parts) for _ in range(500)]
    return made
