"""24 colours in each of the encodings that sources come in, and what they are by the written reference."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from PIL import Image

from contracts import Gamut
from engine import decoding, gamut
from tests.unit import colour_reference as reference
from tests.unit.colour_reference import ADOBE, BT2020, D50, D65, P3, adapted, solved, to_xyz, white_xyz
from tests.unit.pictures import chunk, data, opened

SIDE = 16  # pixels a patch
_BOX: Any = {"all": {"width": 10_000}}

# In Display P3's coded values, 0 to 255. The first 13 are in sRGB, the others are not.
COLORS = [
    *[(108, 83, 70), (190, 151, 131), (98, 122, 153), (92, 108, 70), (131, 128, 173), (122, 187, 171), (173, 93, 101)],
    *[(243, 243, 242), (200, 200, 200), (160, 160, 160), (122, 122, 121), (85, 85, 85), (52, 52, 52)],
    *[(255, 20, 10), (30, 250, 40), (20, 30, 250), (250, 240, 20), (10, 250, 245), (240, 20, 235), (235, 120, 10)],
    *[(160, 195, 20), (10, 80, 20), (20, 135, 170), (150, 10, 20)],
]
XYZ = [reference.shown([level / 255 for level in color], P3, reference.srgb_light) for color in COLORS]
_WHITE_NITS = 203.0  # of the patches in PQ and HLG: the lightest is as light as paper; some are made brighter
_GAINS = [1.0] * 13 + [0.4, 1.0, 1.0, 2.0, 0.7, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0]

Coded = Sequence[float]


class Encoding(NamedTuple):
    """How patches are coded (0 to 1 a channel), what that stands for (XYZ under D65), and a file of such pixels."""

    coded: Callable[[int], Coded]  # by the number of the colour
    shown: Callable[[Coded], list[float]]
    file: Callable[[Image.Image], bytes]
    # Whether the reference starts at the pixels that the decoder gives: where the file's 8-bit YCbCr moves them by more
    # than the engine does (in PQ, a level is up to 2.5 in CIEDE2000).
    as_decoded: bool = False


def clipped(values: Coded) -> list[float]:
    return [min(1.0, max(0.0, value)) for value in values]


def _matrixed(primaries: Coded, coded: Callable[[float], float]) -> Callable[[int], Coded]:
    return lambda number: [coded(each) for each in clipped(solved(to_xyz(primaries), XYZ[number]))]


def _light(number: int) -> list[float]:
    """BT.2020, in cd/m2."""
    return [max(0.0, _WHITE_NITS * _GAINS[number] * each) for each in solved(to_xyz(BT2020), XYZ[number])]


def _pq(number: int) -> Coded:
    return [reference.pq_coded(light) for light in _light(number)]


def _hlg(number: int) -> Coded:
    """By the inverse of the OOTF: the light of the scene is that of the screen by luminance^(-1/6)."""
    light = [each / 1000 for each in _light(number)]
    luminance = 0.2627 * light[0] + 0.6780 * light[1] + 0.0593 * light[2]
    return [reference.hlg_coded(min(1.0, each * luminance ** (-1 / 6))) for each in light]


# --------------------------------------------------------------------------- profiles, of version 2


def profile(space: bytes, pcs: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI", start + len(body), 0x02400000) + b"mntr" + space + pcs + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def xyz_tag(xyz: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * each) for each in xyz))


def gamma_tag(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * gamma)) + b"\0\0"


def curve_tag(light: Callable[[float], float]) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *(round(65535 * light(i / 1023)) for i in range(1024)))


def rgb_profile(primaries: Coded, curve: bytes) -> bytes:
    columns = zip(*to_xyz(primaries), strict=True)
    colorants = [adapted(column, D65, D50) for column in columns]
    tags = {b"wtpt": xyz_tag(white_xyz(D65))}
    for name, colorant in zip((b"r", b"g", b"b"), colorants, strict=True):
        tags |= {name + b"XYZ": xyz_tag(colorant), name + b"TRC": curve}
    return profile(b"RGB ", b"XYZ ", tags)


def gray_profile(gamma: float) -> bytes:
    return profile(b"GRAY", b"XYZ ", {b"wtpt": xyz_tag(white_xyz(D50)), b"kTRC": gamma_tag(gamma)})


_INKS = (0.64, 0.33, 0.21, 0.70, 0.15, 0.06)
_NODES = 9


def ink_light(coded: Coded) -> list[float]:
    """XYZ under D50 of what four inks, which darken each other, leave of the light."""
    *inks, black = coded
    left = [((1 - ink) * (1 - black)) ** 2.2 for ink in inks]
    return adapted([sum(c * v for c, v in zip(row, left, strict=True)) for row in to_xyz(_INKS)], D65, D50)


@functools.cache
def ink_profile() -> bytes:
    """A table of Lab, as the profiles of printing presses have."""
    steps, nodes = [step / (_NODES - 1) for step in range(_NODES)], []
    for cyan in steps:
        for magenta in steps:
            for yellow in steps:
                for black in steps:
                    lightness, a, b = reference.lab(ink_light((cyan, magenta, yellow, black)), D50)
                    levels = (lightness * 652.8, (a + 128) * 256, (b + 128) * 256)
                    nodes.append(struct.pack(">3H", *(min(65535, max(0, round(level))) for level in levels)))
    unit = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    linear = struct.pack(">2H", 0, 65535)
    lut = b"mft2\0\0\0\0" + bytes((4, 3, _NODES, 0)) + unit + struct.pack(">2H", 2, 2)
    return profile(
        b"CMYK", b"Lab ", {b"wtpt": xyz_tag(white_xyz(D50)), b"A2B0": lut + 4 * linear + b"".join(nodes) + 3 * linear}
    )


def _inks(number: int) -> Coded:
    """Some of the black of a colour as ink of its own."""
    left = [each ** (1 / 2.2) for each in clipped(solved(to_xyz(_INKS), XYZ[number]))]
    black = 0.6 * (1 - max(left))
    return [*(1 - min(1.0, each / (1 - black)) for each in left), black]


# --------------------------------------------------------------------------- files


def with_chunk(content: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with a chunk after its header."""
    return content[:33] + chunk(kind, body) + content[33:]


def coded_png(image: Image.Image, primaries: int, transfer: int) -> bytes:
    return with_chunk(data(image, "PNG"), b"cICP", bytes((primaries, transfer, 0, 1)))


def coded_avif(image: Image.Image, primaries: int, transfer: int) -> bytes:
    content = data(image, "AVIF", quality=100, subsampling="4:4:4", speed=8)
    return with_nclx(content, primaries, transfer)


def with_nclx(content: bytes, primaries: int, transfer: int) -> bytes:
    at = content.index(b"colrnclx") + 8
    return content[:at] + struct.pack(">HH", primaries, transfer) + content[at + 4 :]


def _profiled(make: Callable[[], bytes], format_: str = "PNG") -> Callable[[Image.Image], bytes]:
    return lambda image: data(image, format_, icc_profile=make())


_P3_CODED, _PQ_SHOWN = _matrixed(P3, reference.srgb_coded), reference.pq_shown
_BT2020_CODED = _matrixed(BT2020, reference.bt709_coded)


def _p3_shown(coded: Coded) -> list[float]:
    return reference.shown(coded, P3, reference.srgb_light)


def _bt2020_shown(coded: Coded) -> list[float]:
    return reference.shown(coded, BT2020, reference.bt709_light)


ENCODINGS = {
    "p3-icc": Encoding(_P3_CODED, _p3_shown, _profiled(lambda: rgb_profile(P3, curve_tag(reference.srgb_light)))),
    "p3-nclx": Encoding(_P3_CODED, _p3_shown, lambda image: coded_avif(image, 12, 13)),
    "p3-cicp": Encoding(_P3_CODED, _p3_shown, lambda image: coded_png(image, 12, 13)),
    "bt2020-nclx": Encoding(_BT2020_CODED, _bt2020_shown, lambda image: coded_avif(image, 9, 14), as_decoded=True),
    "bt2020": Encoding(_BT2020_CODED, _bt2020_shown, lambda image: coded_png(image, 9, 1)),
    "pq-nclx": Encoding(_pq, _PQ_SHOWN, lambda image: coded_avif(image, 9, 16), as_decoded=True),
    "pq": Encoding(_pq, _PQ_SHOWN, lambda image: coded_png(image, 9, 16)),
    "hlg-nclx": Encoding(_hlg, reference.hlg_shown, lambda image: coded_avif(image, 9, 18), as_decoded=True),
    "hlg": Encoding(_hlg, reference.hlg_shown, lambda image: coded_png(image, 9, 18)),
    "adobe-rgb": Encoding(
        _matrixed(ADOBE, lambda light: light ** (256 / 563)),
        lambda coded: reference.shown(coded, ADOBE, lambda v: v ** (563 / 256)),
        _profiled(lambda: rgb_profile(ADOBE, gamma_tag(563 / 256))),
    ),
    "cmyk": Encoding(_inks, lambda coded: adapted(ink_light(coded), D50), _profiled(ink_profile, "TIFF")),
    "gray": Encoding(
        lambda number: [XYZ[number][1] ** (1 / 1.8)],
        lambda coded: [coded[0] ** 1.8 * each for each in white_xyz(D65)],
        _profiled(lambda: gray_profile(1.8)),
    ),
}
MODES = {1: "L", 3: "RGB", 4: "CMYK"}


def chart(encoding: Encoding) -> bytes:
    """The 24 patches as a file, one beside the other."""
    pixels = [tuple(round(255 * value) for value in encoding.coded(number)) for number in range(len(COLORS))]
    image = Image.new(MODES[len(pixels[0])], (SIDE * len(COLORS), SIDE))
    for number, pixel in enumerate(pixels):
        image.paste(pixel if len(pixel) > 1 else pixel[0], (SIDE * number, 0, SIDE * (number + 1), SIDE))
    return encoding.file(image)


def pixels_of(image: Image.Image) -> list[tuple[int, ...]]:
    """The middle of each patch."""
    picked = [image.convert("RGB").getpixel((SIDE * number + SIDE // 2, SIDE // 2)) for number in range(len(COLORS))]
    return [pixel for pixel in picked if isinstance(pixel, tuple)]


def differences(name: str, wanted: Gamut = "srgb") -> list[float]:
    """CIEDE2000, patch by patch, of what the engine makes of an encoding to what the reference makes of it."""
    encoding = ENCODINGS[name]
    content = chart(encoding)
    coded = [encoding.coded(number) for number in range(len(COLORS))]
    if encoding.as_decoded:
        coded = [[level / 255 for level in pixel] for pixel in pixels_of(opened(content))]
    image = decoding.decode(content, _BOX, wanted)
    primaries = P3 if gamut.of(image) == "p3" else reference.SRGB
    return [
        reference.delta_e(
            reference.lab_of(pixel, primaries),
            reference.lab_of(reference.coded_in(encoding.shown(each), primaries), primaries),
        )
        for pixel, each in zip(pixels_of(image), coded, strict=True)
    ]
