"""How often crops keep what is marked, by the file's metadata and by attention. `python -m bench.pictures.gravity`

A region counts in each shape of crop that cuts something off and that it fits into. By metadata, as many regions of a
scene count as one window can keep at once. The made scenes are of twelve kinds: attention was tuned on six of them,
and on every second one of the photos.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageOps

from bench.bars import Bar, at_least, at_most, report
from bench.pictures import marks, scenes
from bench.process import ROOT
from darkroom import samples

sys.path.insert(0, str(ROOT / "functions"))

from engine import attention, decoding, gravity, resizing, sandbox
from pipeline import recipes

SHAPES = ((1, 1), (4, 5), (16, 9), (9, 16))
SHARED = ROOT.parent / "shared"
# What is marked, by eye, in fractions of the upright photo: every second one was used for tuning, from the second on.
PHOTOS: dict[str, list[marks.Region]] = {
    "corpus/avif/fox.profile0.8bpc.yuv420.avif": [(0.17, 0.12, 0.55, 0.98)],
    "corpus/exif-orient/Landscape_0.jpg": [(0.58, 0.1, 0.9, 1.0)],
    "corpus/exif-orient/Portrait_1.jpg": [(0.37, 0.6, 0.51, 0.88)],
    "corpus/exif-samples/jpg/Canon_PowerShot_S40.jpg": [(0.38, 0.33, 0.6, 0.68)],
    "corpus/exif-samples/jpg/exif-org/kodak-dc210.jpg": [(0.68, 0.38, 0.82, 0.66), (0.42, 0.36, 0.55, 0.6)],
    "corpus/exif-samples/jpg/exif-org/olympus-d320l.jpg": [(0.35, 0.02, 0.82, 0.87)],
    "corpus/exif-samples/jpg/exif-org/sanyo-vpcsx550.jpg": [(0.2, 0.35, 0.74, 0.98)],
    "corpus/exif-samples/jpg/exif-org/sony-d700.jpg": [
        (0.26, 0.5, 0.38, 0.98),
        (0.13, 0.1, 0.2, 0.25),
        (0.31, 0.2, 0.4, 0.4),
    ],
    "corpus/exif-samples/jpg/tests/45-gps_ifd.jpg": [(0.1, 0.43, 0.62, 0.98)],
    "corpus/libvips/test/test-suite/images/sample.jpg": [(0.4, 0.05, 0.62, 0.22)],
    "corpus/libvips/test/test-suite/images/targa.tga": [(0.22, 0.35, 0.65, 0.75)],
    "corpus/libwebp/vp80-03-segmentation-1437.webp": [(0.86, 0.5, 0.97, 0.68)],
    "corpus/libwebp/vp80-05-sharpness-1434.webp": [(0.15, 0.1, 0.7, 0.88)],
    "corpus/libwebp/vp80-05-sharpness-1439.webp": [(0.56, 0.33, 0.78, 0.85)],
    "corpus/pillow/Tests/images/exif_gps_typeerror.jpg": [(0.3, 0.4, 0.9, 0.65)],
    "corpus/sharp/test/fixtures/Crash_test.gif": [(0.05, 0.4, 0.9, 0.9)],
    "photos/cmyk.jpg": [(0.58, 0.45, 0.76, 0.92), (0.56, 0.19, 0.67, 0.35), (0.35, 0.72, 0.56, 0.93)],
    "photos/slr_22mp.jpg": [(0.02, 0.2, 0.4, 0.72), (0.35, 0.07, 0.95, 0.6)],
    "photos/street_6mp.jpg": [(0.12, 0.3, 0.65, 0.85)],
    "photos/photo.webp": [(0.08, 0.05, 0.85, 0.95)],
}
Start = Callable[[int, float], float]  # axis, length of the window → where it starts


class Source(NamedTuple):
    name: str
    image: Image.Image
    regions: list[marks.Region]


class Kept(NamedTuple):
    regions: int
    kept: int
    centred: int  # by a crop around the centre

    def rates(self) -> tuple[float, float]:
        return self.kept / self.regions, self.centred / self.regions


def bars() -> list[Bar]:
    tuned, held_out, photos = made(scenes.TUNED), made(scenes.HELD_OUT), marked_photos()
    kept, possible = by_metadata([*tuned, *held_out])
    print(f"regions whole by metadata: {kept} of the {possible} that fit, {len(tuned) + len(held_out)} made scenes")
    print(f"{'regions whole by attention':38} regions attention centre  libvips")
    groups = {
        "made scenes, tuned on": tuned,
        "made scenes, held out": held_out,
        "photos, tuned on": photos[1::2],
        "photos, held out": photos[::2],
    }
    gains = {}
    for name, group in groups.items():
        if group:
            found = total(measured(source, by_attention(source.image)) for source in group)
            theirs = libvips(group)
            rate, centre = found.rates()
            gains[name] = rate - centre
            print(
                f"  {name:36} {found.regions:7} {rate:9.3f} {centre:6.3f} ", "-" if theirs is None else f"{theirs:.3f}"
            )
    milliseconds = cost()
    print(f"attention: {milliseconds:.1f} ms of CPU a source, for two shapes")
    return [
        Bar("crop-regions-whole-metadata", kept / possible, 0.95, at_least),
        Bar("crop-attention-over-centre", gains["made scenes, held out"], 0.15, at_least),
        Bar("crop-ms", milliseconds, 20, at_most),
    ]


def made(kinds: Mapping[str, scenes.Draw]) -> list[Source]:
    found = []
    for scene in scenes.scenes(kinds):
        width, height = scene.image.size
        regions = [(box[0] / width, box[1] / height, box[2] / width, box[3] / height) for box in scene.regions]
        found.append(Source(scene.name, scene.image, regions))
    return found


def marked_photos() -> list[Source]:
    found = []
    for name, regions in PHOTOS.items():
        if (SHARED / name).exists():
            with Image.open(SHARED / name) as opened:
                image = ImageOps.exif_transpose(opened).convert("RGB")
            image.thumbnail((1200, 1200))
            found.append(Source(Path(name).name, image, regions))
    return found


def cuts(image: Image.Image) -> Iterator[tuple[int, float]]:
    """(axis, length) of the window of each shape that cuts something off."""
    for wide, tall in SHAPES:
        axis, length = resizing.window(
            image, {"width": wide * 1000, "height": tall * 1000, "fit": "cover", "gravity": "auto"}
        )
        if length < 0.98:
            yield axis, length


def is_whole(region: marks.Region, axis: int, start: float, length: float) -> bool:
    return start - 1e-4 <= region[axis] and region[axis + 2] <= start + length + 1e-4


def measured(source: Source, start: Start) -> Kept:
    found = [0, 0, 0]
    for axis, length in cuts(source.image):
        for region in source.regions:
            if region[axis + 2] - region[axis] <= length:
                kept = (True, *(is_whole(region, axis, at, length) for at in (start(axis, length), (1 - length) / 2)))
                found = [count + one for count, one in zip(found, kept, strict=True)]
    return Kept(*found)


def total(found: Iterable[Kept]) -> Kept:
    return Kept(*map(sum, zip(*found, strict=True)))


def by_attention(image: Image.Image) -> Start:
    profiles = attention.profiles(image)
    return lambda axis, length: attention.window(profiles[axis], length)


def by_metadata(sources: list[Source]) -> tuple[int, int]:
    """(regions kept whole, regions that could be) of files that mark them, in all orientations and three schemas: as
    the functions read and crop them."""
    recipe = recipes.route(recipes.load(), "raw/photo.jpg")
    kept = possible = 0
    for number, source in enumerate(sources):
        data = marked(source, orientation=number % 8 + 1, schema=number % 3)
        facts = sandbox.inspect(data, recipe, recipe["limits"], 2000)
        image = decoding.decode(data, recipe["sizes"])
        for wide, tall in SHAPES:
            size: Any = {"width": wide * 100, "height": tall * 100, "fit": "cover", "gravity": "auto"}
            axis, length = resizing.window(image, size)
            if length < 0.98:
                start = gravity.positions(image, {"crop": size}, facts)["crop"] * (1 - length)
                kept += sum(is_whole(region, axis, start, length) for region in source.regions)
                possible += most_whole(source.regions, axis, length)
    return kept, possible


def marked(source: Source, orientation: int, schema: int) -> bytes:
    """A scene as a JPEG whose XMP marks its regions."""
    regions = [marks.stored(region, orientation) for region in source.regions]
    size = source.image.size if orientation < 5 else source.image.size[::-1]
    written = (marks.mwg(regions, size), marks.microsoft(regions), marks.iptc(regions))[schema]
    return marks.jpeg(source.image, marks.packet(written), orientation)


def most_whole(regions: list[marks.Region], axis: int, length: float) -> int:
    """The most regions that one window keeps whole."""
    starts = [min(1 - length, region[axis]) for region in regions]
    return max(sum(is_whole(region, axis, start, length) for region in regions) for start in starts)


def libvips(sources: list[Source]) -> float | None:
    """The rate that libvips' attention crop keeps, if the bench has it."""
    python = ROOT / ".darkroom/tools/bench/bin/python"
    if not python.exists():
        return None
    program = (
        "import json, pyvips, sys\n"
        "for line in sys.stdin:\n"
        "    path, width, height = json.loads(line)\n"
        "    crop = pyvips.Image.new_from_file(path).smartcrop(width, height, interesting='attention')\n"
        "    print(json.dumps([-crop.xoffset, -crop.yoffset]))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        asked = []
        for number, source in enumerate(sources):
            path = f"{folder}/{number}.png"
            source.image.save(path, compress_level=1)
            for axis, length in cuts(source.image):
                side = [
                    round(whole * length) if each == axis else whole for each, whole in enumerate(source.image.size)
                ]
                asked.append(json.dumps([path, *side]))
        run = subprocess.run([python, "-c", program], input="\n".join(asked), capture_output=True, text=True)  # noqa: S603
    if run.returncode:
        return None
    offsets = iter([json.loads(line) for line in run.stdout.splitlines()])
    found = []
    for source in sources:
        windows = {cut: next(offsets)[cut[0]] / source.image.size[cut[0]] for cut in cuts(source.image)}
        found.append(measured(source, partial(_looked_up, windows)))
    return total(found).rates()[0]


def _looked_up(windows: dict[tuple[int, float], float], axis: int, length: float) -> float:
    return windows[axis, length]


def cost() -> float:
    """Milliseconds of CPU that attention takes: the more of a photo that is decoded for the default recipe, and of the
    largest that a decode can leave, with transparency."""
    recipe = recipes.route(recipes.load(), "raw/photo.jpg")
    photo = decoding.decode(samples.photo(4032, 3024, 0), recipe["sizes"])
    clear = photo.resize((5500, 4100))
    clear.putalpha(clear.getchannel("R"))
    return max(_cost_of(photo), _cost_of(clear))


def _cost_of(image: Image.Image) -> float:
    times = []
    for _ in range(9):
        began = time.process_time()
        start = by_attention(image)
        start(0, 0.75), start(1, 0.75)
        times.append(1000 * (time.process_time() - began))
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(report(bars(), ".3g"))
