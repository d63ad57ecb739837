"""Statements about colours that are cut short, contradictory, endless or absurd: none may cost a picture."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence

from tests.hostile.files import box, in_jpeg, srgb_profile, valid
from tests.unit.pictures import HEIC, chunk, data, png, quarters

Maker = Callable[[], bytes]
Files = Iterator[tuple[str, Maker, str]]

# --------------------------------------------------------------------------- building blocks


def items(
    properties: Sequence[bytes], tied: Sequence[int], *, tiles: Sequence[int] = (), version: int = 0, wide: bool = False
) -> bytes:
    """The boxes of a picture (number 1, before it another item) with these properties, and of its first tile (3)."""

    def ties(item: int, numbers: Sequence[int]) -> bytes:
        form = f">{'I' if version else 'H'}B{len(numbers)}{'H' if wide else 'B'}"
        return struct.pack(form, item, len(numbers), *numbers)

    entries = [ties(2, [0x80]) if not wide else ties(2, [0x8000]), ties(1, tied), ties(3, tiles)]
    ipma = box(b"ipma", struct.pack(">BxxBI", version, wide, len(entries)), *entries)
    iref = box(b"iref", bytes(4), box(b"dimg", struct.pack(">HHH", 1, 1, 3)))
    iprp = box(b"iprp", box(b"ipco", *properties), ipma)
    meta = box(b"meta", bytes(4), box(b"pitm", struct.pack(">IH", 0, 1)), iref, iprp)
    return box(b"ftyp", b"avif", bytes(4), b"mif1") + meta


def described(*boxes: bytes) -> bytes:
    """A sample description of a film."""
    return box(b"stsd", struct.pack(">II", 0, 1), box(b"av01", bytes(78), *boxes))


def track(description: bytes) -> bytes:
    for kind in (b"stbl", b"minf", b"mdia", b"trak"):
        description = box(kind, description)
    return description


def film(*tracks: bytes) -> bytes:
    return box(b"ftyp", b"avis", bytes(4), b"msf1") + box(b"moov", *tracks)


def told(kind: bytes, body: bytes, *, after: bool = False) -> bytes:
    """A PNG that says this of its colours."""
    content = data(quarters(), "PNG")
    at = content.rindex(b"IEND") - 4 if after else 33
    return content[:at] + chunk(kind, body) + content[at:]


def swapped(content: bytes, old: bytes, new: bytes, count: int = 1) -> bytes:
    """With bytes exchanged for as many others."""
    assert old in content
    assert len(old) == len(new)
    return content.replace(old, new, count)


def nclx(content: bytes, primaries: int, transfer: int, matrix: int | None = None, flags: int | None = None) -> bytes:
    at = content.index(b"colrnclx") + 8
    old = struct.unpack_from(">HHHB", content, at)
    new = (primaries, transfer, old[2] if matrix is None else matrix, old[3] if flags is None else flags)
    return content[:at] + struct.pack(">HHHB", *new) + content[at + 7 :]


def avif() -> bytes:
    return data(quarters(64, 64), "AVIF", speed=8)


# --------------------------------------------------------------------------- the files


def files() -> Files:
    """Name, maker, and how the file must end: SUCCEEDED if only a statement is wrong, "" if a decoder may refuse it."""
    yield from code_points()
    yield from chunks()
    yield from damaged_boxes()
    yield from profiles()
    yield from cameras()


CODES = (0, 2, 3, 4, 10, 11, 18, 19, 23, 255)


def code_points() -> Files:
    for primaries in CODES:
        for transfer in (0, 8, 9, 16, 18, 255):
            body = bytes((primaries, transfer, 0, 1))
            yield f"colour/cicp-{primaries}-{transfer}.png", lambda body=body: told(b"cICP", body), "SUCCEEDED"
    for code in (0, 3, 12, 23, 255, 65535):
        yield f"colour/primaries-{code}.avif", lambda code=code: nclx(avif(), code, 13), "SUCCEEDED"
        yield f"colour/transfer-{code}.avif", lambda code=code: nclx(avif(), 1, code), "SUCCEEDED"
        yield f"colour/transfer-{code}.heic", lambda code=code: nclx(HEIC, 9, code), "SUCCEEDED"
        yield f"colour/matrix-{code}.avif", lambda code=code: nclx(avif(), 9, 16, code), ""
        yield f"colour/matrix-{code}.heic", lambda code=code: nclx(HEIC, 9, 16, code), ""
    yield "colour/narrow.avif", lambda: nclx(avif(), 9, 16, None, 0), "SUCCEEDED"
    yield "colour/flags.avif", lambda: nclx(avif(), 9, 18, None, 127), "SUCCEEDED"


def chunks() -> Files:
    def png_(kind: bytes, body: bytes, name: str, *, after: bool = False) -> tuple[str, Maker, str]:
        return f"colour/{name}.png", lambda: told(kind, body, after=after), "SUCCEEDED"

    pq, sound = bytes((9, 16, 0, 1)), data(quarters(), "PNG")
    yield png_(b"cICP", b"", "cicp-empty")
    yield png_(b"cICP", b"\x09", "cicp-short")
    yield png_(b"cICP", bytes(70_000), "cicp-long")
    yield png_(b"cICP", bytes((9, 16, 9, 1)), "cicp-matrix")
    yield png_(b"cICP", bytes((9, 16, 0, 77)), "cicp-flag")
    yield png_(b"cICP", pq, "cicp-late", after=True)
    yield "colour/cicp-crc.png", lambda: swapped(told(b"cICP", pq), pq, bytes((9, 18, 0, 1))), "SUCCEEDED"
    yield "colour/cicp-many.png", lambda: sound[:33] + chunk(b"cICP", pq) * 500 + sound[33:], "SUCCEEDED"
    yield (
        "colour/cicp-behind.png",
        lambda: sound[:33] + chunk(b"teSt", b"") * 5000 + chunk(b"cICP", pq) + sound[33:],
        "",
    )
    for value in (0, 1, 9999, 10_000, 45_455, 1_000_000, 1_000_001, 2**31, 2**32 - 1):
        yield png_(b"gAMA", struct.pack(">I", value), f"gama-{value}")
    for size in (1, 3, 5, 40):
        yield png_(b"gAMA", bytes(size), f"gama-of-{size}")
    points = {
        "zero": [0] * 8,
        "huge": [2**32 - 1] * 8,
        "one": [31_270, 32_900] + [30_000, 30_000] * 3,
        "line": [31_270, 32_900, 10_000, 10_000, 20_000, 20_000, 30_000, 30_000],
        "white-at-edge": [64_000, 33_000, 64_000, 33_000, 30_000, 60_000, 15_000, 6000],
        "no-white": [31_270, 0, 64_000, 33_000, 30_000, 60_000, 15_000, 6000],
        "narrow": [31_270, 32_900, 31_271, 32_900, 31_270, 32_901, 31_269, 32_899],
    }
    for name, values in points.items():
        yield png_(b"cHRM", struct.pack(">8I", *values), f"chrm-{name}")
    for size in (0, 31, 33, 60):
        yield png_(b"cHRM", b"\x40" * size, f"chrm-of-{size}")
    yield png_(b"sRGB", b"\xff" * 9, "srgb-long")
    for name, kind, body in (
        ("clli-zero", b"cLLI", bytes(8)),
        ("clli-huge", b"cLLI", b"\xff" * 8),
        ("clli-short", b"cLLI", b"\xff"),
        ("mdcv-huge", b"mDCV", b"\xff" * 24),
        ("mdcv-short", b"mDCV", b"\xff" * 17),
        ("clli-tiny", b"cLLI", struct.pack(">II", 1, 1)),
    ):
        both = chunk(kind, body) + chunk(b"cICP", pq)
        yield f"colour/{name}.png", lambda both=both: sound[:33] + both + sound[33:], "SUCCEEDED"
    yield "colour/gray-pq.png", lambda: png(2, 1, 8, 0, bytes(3), chunk(b"cICP", pq)), "SUCCEEDED"
    yield "colour/deep-hlg.png", lambda: png(2, 1, 16, 6, bytes(17), chunk(b"cICP", bytes((9, 18, 0, 0)))), "SUCCEEDED"


def damaged_boxes() -> Files:
    """A decoder may refuse the file for what is wrong with it: it must not be lost in any other way."""
    for kind in (b"meta", b"pitm", b"iprp", b"ipco", b"ipma", b"colr", b"iref"):
        for name, content in (("avif", avif()), ("heic", HEIC)):
            if kind not in content:
                continue
            at = content.index(kind) - 4
            for size in (0, 1, 9, 2**32 - 1):
                made = content[:at] + struct.pack(">I", size) + content[at + 4 :]
                yield f"colour/{kind.decode()}-{size}.{name}", lambda made=made: made, ""
            made = swapped(content, kind, b"free")
            yield f"colour/no-{kind.decode()}.{name}", lambda made=made: made, ""
    for name, content in (("avif", avif()), ("heic", HEIC)):
        at = content.index(b"ipma") + 4
        for where, value in ((0, 255), (3, 1), (4, 255), (7, 255), (8, 99), (10, 255)):
            made = content[: at + where] + bytes([value]) + content[at + where + 1 :]
            yield f"colour/ipma-at-{where}.{name}", lambda made=made: made, ""
    many = box(b"free") * 3000
    yield "colour/boxes-before.avif", lambda: avif()[:32] + many + avif()[32:], ""
    yield "colour/boxes-behind.avif", lambda: avif() + many, "SUCCEEDED"
    yield "colour/films.avif", lambda: swapped(avif(), b"ftypavif", b"ftypavis") + film(*[track(described())] * 500), ""


def profiles() -> Files:
    profile = srgb_profile()
    chance = random.Random(12)

    def of(content: bytes, name: str) -> Files:
        for format_, ending in (("PNG", "png"), ("AVIF", "avif"), ("JPEG", "jpg")):
            made = data(quarters(), format_, icc_profile=content)
            yield f"colour/profile-{name}.{ending}", lambda made=made: made, "SUCCEEDED"

    yield from of(profile[:140], "short")
    yield from of(profile[:128] + b"\xff\xff\xff\xff" + profile[132:], "of-many-tags")
    yield from of(swapped(profile, b"RGB XYZ ", b"CMYKLab "), "of-ink")
    yield from of(swapped(profile, b"RGB XYZ ", b"GRAYXYZ "), "of-gray")
    yield from of(swapped(profile, b"mntrRGB ", b"linkRGB "), "link")
    yield from of(profile + bytes(3_000_000), "huge")
    for number in range(6):
        mutant = bytearray(profile)
        for _ in range(20):
            mutant[chance.randrange(len(mutant))] = chance.randrange(256)
        yield from of(bytes(mutant), f"mutant-{number}")


def cameras() -> Files:
    """EXIF that speaks of Adobe RGB, and does not say it."""
    for number, block in enumerate((b"R03", b"II*\0\x08\0\0\0R03", b"II*\0\xff\xff\xff\xffR03\0" * 50)):
        yield f"colour/r03-{number}.jpg", lambda block=block: in_jpeg(block), "SUCCEEDED"
    loop = struct.pack("<HHHII", 1, 0x8769, 4, 1, 8) + bytes(4) + b"R03"
    yield "colour/r03-loop.jpg", lambda: in_jpeg(b"II*\0\x08\0\0\0" + loop), "SUCCEEDED"
    yield "colour/plain.jpg", lambda: valid("JPEG"), "SUCCEEDED"


def sources() -> dict[str, bytes]:
    """Valid files for `make fuzz` to damage."""
    bright = chunk(b"cLLI", struct.pack(">II", 9_000_000, 0)) + chunk(b"mDCV", bytes(16) + struct.pack(">II", 10**7, 1))
    sound = data(quarters(), "PNG")
    return {
        "p3.avif": nclx(avif(), 12, 13),
        "pq.avif": nclx(avif(), 9, 16),
        "hlg.heic": nclx(HEIC, 9, 18),
        "pq.png": sound[:33] + chunk(b"cICP", bytes((9, 16, 0, 1))) + bright + sound[33:],
        "gamma.png": sound[:33] + chunk(b"gAMA", struct.pack(">I", 55_556)) + sound[33:],
    }
