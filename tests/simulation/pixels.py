"""Pictures without pixels, in place of the engine.

A source is text such as b"good 3" or b"bad 3"; the number is its size, which a recipe or memory may limit. The bytes of
a rendition say of which source they were made, with which focus, and by which recipe: the oracle compares them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.simulation.scheduler import current

MEBIBYTES = 100  # of memory for each unit of a source's size


def etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def origin(source: Mapping[str, Any]) -> str:
    """What a job's or a manifest's source says that shapes the files: the bytes, and what was given with them."""
    given = source.get("given")
    return f"{source['etag']}+{json.dumps(given, sort_keys=True).replace(' ', '')}" if given else str(source["etag"])


def acceptable(body: bytes, recipe: Mapping[str, Any]) -> bool:
    """Whether the recipe accepts this source."""
    kind, _, size = body.decode().partition(" ")
    limits = recipe["limits"]
    return kind == "good" and int(size) <= limits["pixels"] and MEBIBYTES * int(size) <= limits["memory"]


def rendition(source: str, recipe_hash: str, name: str, format_: str) -> bytes:
    return f"{source} {recipe_hash} {name}.{format_}".encode()


class Picture(SimpleNamespace):
    """An image: the origin of its source, and its size."""

    source: str
    size: tuple[int, int]


def inspect(data: bytes, recipe: Mapping[str, Any], limits: Mapping[str, Any], megabytes: int) -> dict[str, Any]:
    _work("inspect")
    if not acceptable(data, {"limits": limits}):
        raise current().world.code["engine.rejection"].Rejection("CORRUPT", f"{data.decode()} is not accepted")
    facts = {"format": "jpeg", "width": 300, "height": 200, "orientation": 1, "frames": 1, "has_alpha": False}
    return {**facts, "mode": "RGB"}


def decode(data: bytes, sizes: Mapping[str, Any], wanted: str) -> Picture:
    _work("decode")
    source = current().event["job"]["source"]  # type: ignore[attr-defined]
    return Picture(source=origin({**source, "etag": etag(data)}), size=(300, 200))


def renditions(image: Picture, sizes: Mapping[str, Any], positions: Any = None) -> dict[str, Picture]:
    return {name: Picture(source=image.source, size=(size["width"], size["height"])) for name, size in sizes.items()}


def filtered(image: Picture, recipe: Mapping[str, Any], positions: Any = None) -> dict[str, Picture]:
    sizes = recipe["sizes"]
    named = {name: sizes[each["size"]] for name, each in recipe["filtered"].items()}
    return renditions(image, named)


def pack(images: Mapping[str, Picture]) -> bytes:
    return json.dumps({name: [image.source, image.size] for name, image in images.items()}).encode()


def decoded(
    data: bytes, recipe: Mapping[str, Any], formats: Any, sizes: Mapping[str, Any]
) -> tuple[int, Iterator[tuple[Picture, int]]]:
    return 1, iter(((decode(data, sizes, recipe["gamut"]), 0),))


@contextmanager
def packed(
    frames: Iterator[tuple[dict[str, Picture], int]], plays: int
) -> Iterator[tuple[bytes, dict[str, tuple[int, int]]]]:
    ((images, _),) = frames
    yield pack(images), {name: image.size for name, image in images.items()}


class Unpacked:
    def __init__(self, *files: Path) -> None:
        self._images: dict[str, Picture] = {}
        for file in files:
            for name, (source, size) in json.loads(file.read_bytes()).items():
                self._images[name] = Picture(source=source, size=tuple(size))
        self.sizes = {name: image.size for name, image in self._images.items()}
        self.gamuts = dict.fromkeys(self._images, "srgb")

    def __getitem__(self, name: str) -> Picture:
        return self._images[name]


def encode_all(
    images: Unpacked,
    outputs: list[tuple[str, str]],
    recipe: Mapping[str, Any],
    xmp: Any = None,
    threads: int = 1,
    original: Any = None,
) -> Iterator[tuple[str, str, bytes]]:
    for name, format_ in outputs:
        _work("encode")
        yield name, format_, rendition(images[name].source, recipe["hash"], name, format_)


def _work(what: str) -> None:
    """Take the time that the picture takes."""
    process = current()
    process.sleep(0.05 + process.scheduler.chance(what) ** 4)


# The engine's modules that touch pixels, and all that other modules use of them.
MODULES: dict[str, dict[str, Any]] = {
    "engine.sandbox": {"inspect": inspect},
    "engine.animation": {"playing": lambda format_, data: {}, "check_renditions": lambda image, recipe: None},
    "engine.gravity": {
        "placed": lambda frames, sizes, facts: ((image, time, {}) for image, time in frames),
        "needs_attention": lambda sizes, facts: False,
        "focus_of": lambda text: None,
    },
    "engine.reel": {"decoded": decoded, "packed": packed},
    "engine.reuse": {"whole": lambda image, recipe, sizes: []},
    "engine.resizing": {"renditions": renditions, "dimensions": lambda source, size: (size["width"], size["height"])},
    "engine.filters": {
        "filtered": filtered,
        "filtered_formats": lambda recipe: {"jpeg"},
        "filtered_sizes": lambda recipe: recipe["sizes"],
        "with_watermark": lambda images, recipe: images,
    },
    "engine.encoding": {"Unpacked": Unpacked, "encode_all": encode_all},
    "engine.placeholder": {
        "placeholder": lambda image, background: {
            "blurhash": "",
            "thumbhash": "",
            "css": background,
            "color": background,
        }
    },
}
