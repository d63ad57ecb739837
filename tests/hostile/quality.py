"""Damaged sources through `engine.reuse`, and odd pictures through targets and bounds.

Of a source whose own bytes become a rendition, what is left must decode to the same pixels, or not be used; whatever is
damaged, nothing is raised. A picture of any shape and content is encoded within its bound, by as many encodes as are
allowed. In this process: validation has seen the files by then, so that their decoders are not what is tried.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Iterator
from typing import Any

from PIL import Image

from bench.bars import Bar, at_least
from bench.pictures import sorts
from engine import encoding, reuse
from pipeline import recipes
from tests.hostile.files import valid

MUTANTS = 2_000
PICTURES = 150
CPU = 0.1  # seconds that taking out a small file's metadata may take
MOST = 1_500  # bytes of a picture
FACTS: Any = {"width": 96, "height": 64, "orientation": 1, "frames": 1, "mode": "RGB"}
SECRET = b"SECRETS"


def bars(seed: int) -> list[Bar]:
    """The figures of `make fuzz`."""
    begun = time.process_time()
    problems = [problem for format_, data in mutants(seed, MUTANTS) if (problem := of_source(format_, data))]
    slowest = (time.process_time() - begun) / MUTANTS
    problems += [problem for number in range(PICTURES) if (problem := of_picture(seed, number))]
    for problem in problems[:5]:
        print(f"  {problem}")
    return [
        Bar("quality.cases", MUTANTS + PICTURES, 100, at_least),
        Bar("quality.wrong", len(problems), 0),
        Bar("quality.cpu_s", round(slowest, 4), CPU),
    ]


def sources() -> list[tuple[str, bytes]]:
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    laden: dict[str, Any] = {"exif": exif.tobytes(), "xmp": SECRET, "quality": 30}
    return [
        ("jpeg", valid("JPEG", comment=SECRET, **laden)),
        ("jpeg", valid("JPEG", progressive=True, comment=SECRET, **laden)),
        ("jpeg", valid("JPEG", restart_marker_blocks=2, comment=SECRET, **laden)),
        ("webp", valid("WEBP", **laden)),
        ("webp", valid("WEBP", lossless=True, **laden)),
    ]


def mutants(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Sources with bytes changed, cut out, doubled, exchanged, or with their end cut off."""
    whole = sources()
    for number in range(count):
        rng = random.Random(f"{seed}-{number}")
        format_, data = rng.choice(whole)
        content = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            at, length = rng.randrange(4, len(content)), rng.choice((1, 1, 2, 4, 40))
            change = rng.randrange(5)
            if change == 0:
                content[at] = rng.choice((0, 1, 0x7F, 0xFF, 0xD9, 0xDA, 0xC4, rng.randrange(256)))
            elif change == 1:
                del content[at : at + length]
            elif change == 2:
                content[at:at] = content[at : at + length]
            elif change == 3:
                content[at:at] = rng.choice(
                    (b"\xff\xe1\x00\x04ab", b"\xff\xff", b"\xff\xfe\xff\xff", b"ANMF", b"\0" * 9)
                )
            elif len(content) > 200:
                del content[rng.randrange(100, len(content)) :]
        yield format_, bytes(content)


def of_source(format_: str, data: bytes) -> str:
    """What is wrong with how a source's own bytes are taken; empty if nothing is."""
    recipe = recipes.route(recipes.load(), "raw/x")
    source = reuse.Original({**FACTS, "format": format_}, recipe, ["x"], len(data), lambda: data)
    try:
        own = source.own(format_, b"<kept/>")  # type: ignore[arg-type]
    except Exception as error:
        return f"{format_} {data[:60]!r}: {error!r}"
    expected = _pixels(data)
    if own is not None and expected is not None and _pixels(own) != expected:
        return f"{format_} of {len(data)} bytes: other pixels"
    return ""


def of_picture(seed: int, number: int) -> str:
    """What is wrong with a picture within a bound; empty if nothing is."""
    rng = random.Random(f"{seed}-{number}")
    size = rng.choice(((1, 1), (1, 90), (90, 1), (2, 3), (7, 9), (64, 64), (90, 60)))
    sort = rng.choice((*sorts.SORTS, "noise"))
    if sort == "noise":
        image = Image.frombytes("RGB", size, rng.randbytes(3 * size[0] * size[1]))
    else:
        image = sorts.picture(sort, (90, 90), number).crop((0, 0, *size))
    image = image.convert(rng.choice(("L", "RGB", "RGBA")))
    recipe: Any = recipes.route(recipes.load(), "raw/x")
    format_ = rng.choice(("avif", "webp", "jpeg"))
    target = {"target": rng.choice((30, 74, 95)), "floor": rng.choice((1, 40, 90))}
    recipe = {**recipe, "quality": {format_: target}, "max_bytes": {format_: MOST}}
    try:
        content = encoding.encode(image, format_, recipe)  # type: ignore[arg-type]
    except Exception as error:
        return f"{format_} {sort} {size} {image.mode} {target}: {error!r}"
    if len(content) > MOST or Image.open(io.BytesIO(content)).size != size:
        return f"{format_} {sort} {size} {image.mode} {target}: {len(content)} bytes"
    return ""


def _pixels(data: bytes) -> tuple[str, bytes] | None:
    """The pixels of a file; None if it is damaged."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.mode, image.tobytes()
    except Exception:
        return None
