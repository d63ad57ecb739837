"""Animations: whether their frames are right, what they weigh beside the GIF, what they take, and what bombs cost.

`python -m bench.pictures.film` runs it alone. With a step, a number of frames and a folder, it takes this step only,
for the operating system to measure.
"""

from __future__ import annotations

import math
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageStat
from rich.console import Console
from rich.table import Table

from bench.bars import Bar, report
from bench.pictures.clips import clips
from bench.process import PYTHON, ROOT, apart, run
from engine import animation, encoding, frames, reel, resizing
from engine.rejection import Rejection
from pipeline import recipes
from tests.unit import films

RECIPE: Any = recipes.route(recipes.load(), "raw/x") | {
    "animation": "keep",
    "sizes": {"whole": {"width": 1600, "height": 1600, "fit": "inside", "gravity": "center"}},
    "formats": ["avif", "webp", "jpeg"],
}
MOVING: Any = ("avif", "webp")
FEW, MANY, SIZE = 20, 200, (640, 480)
DIFFERENCE = 6  # of 255, the mean of the worst channel: what lossy formats may change in a small frame


def bars() -> list[Bar]:
    """Frames that are wrong, AVIF's bytes beside the GIF's, memory of many frames beside few, and a bomb's cost."""
    return [
        Bar("film-frames-wrong", wrong_frames(), 0),
        Bar("film-avif-to-gif", round(avif_to_gif(), 3), 0.50),
        Bar("film-peak-growth", round(memory_growth(), 2), 1.3),
        Bar("film-bomb-ms", bomb(), 100),
    ]


def handed_on(content: bytes, folder: Path) -> encoding.Unpacked:
    """What ResizeImage makes of an animation."""
    plays, shown = reel.decoded(content, RECIPE, RECIPE["formats"], RECIPE["sizes"])
    file = folder / "resized.tiff"
    made = ((resizing.renditions(image, RECIPE["sizes"]), milliseconds) for image, milliseconds in shown)
    with reel.packed(made, plays) as (body, _), file.open("wb") as written:
        if isinstance(body, bytes):
            written.write(body)
        else:
            shutil.copyfileobj(body, written)
    return encoding.Unpacked(file)


# --------------------------------------------------------------------------- frames


def wrong_frames() -> int:
    """Frames of 30 animations that a compositor in plain Python sees otherwise, or at another time, or as often.

    Those of the hand-off, which is exact, and of the AVIF and the WebP.
    """
    stories = films.stories()
    wrong = total = 0
    for story, content in stories.values():
        expected, times = films.shown(story), films.whole_times(story)
        with tempfile.TemporaryDirectory() as folder:
            images = handed_on(content, Path(folder))
            moving = images.reels["whole"]
            wrong += _wrong(list(_seen(moving)), expected, 2 * ((moving.times, moving.plays) == (times, story.plays)))
            for format_ in MOVING:
                encoded = encoding.encode(images.picture("whole", format_), format_, RECIPE)
                film = animation.read(format_, encoded)
                timely = film is not None and (film.times, film.plays) == (times, story.plays)
                wrong += _wrong(list(_seen(Image.open(BytesIO(encoded)))), expected, DIFFERENCE * timely)
            total += 3 * len(expected)
    print(f"{len(stories)} animations: {wrong} of {total} frames are wrong (hand-off, AVIF, WebP)", flush=True)
    return wrong


def _wrong(found: list[Image.Image], expected: list[tuple[films.Rows, float]], limit: float) -> int:
    """How many frames differ by more than the limit; all, if their number or (limit 0) their times are wrong."""
    if not limit or len(found) != len(expected):
        return len(expected)
    return sum(_difference(image, films.image(rows)) > limit for image, (rows, _) in zip(found, expected, strict=True))


def _seen(moving: Any) -> Iterator[Image.Image]:
    for number in range(moving.n_frames):
        moving.seek(number)
        yield moving.convert("RGBA")


def _difference(image: Image.Image, other: Image.Image) -> float:
    pair = []
    for each in (image, other):
        canvas = Image.new("RGBA", each.size, "white")
        canvas.alpha_composite(each)
        pair.append(canvas.convert("RGB"))
    return max(ImageStat.Stat(ImageChops.difference(*pair)).mean)


# --------------------------------------------------------------------------- bytes


def avif_to_gif() -> float:
    """Geometric mean of an AVIF's bytes over its GIF's."""
    table = Table("clip", "frames", "GIF, kB", "AVIF", "WebP", "AVIF, s a Mpx", "WebP", box=None)
    logarithms = []
    for name, make in clips().items():
        content = make()
        with tempfile.TemporaryDirectory() as folder:
            images = handed_on(content, Path(folder))
            moving = images.reels["whole"]
            megapixels = moving.width * moving.height * moving.n_frames / 1e6
            parts, seconds = [], []
            for format_ in MOVING:
                began = time.process_time()
                parts.append(len(encoding.encode(images.picture("whole", format_), format_, RECIPE)) / len(content))
                seconds.append((time.process_time() - began) / megapixels)
        logarithms.append(math.log(parts[0]))
        cells = [f"{part:.3f}" for part in (*parts, *seconds)]
        table.add_row(
            f"{name} {moving.width} x {moving.height}", str(moving.n_frames), f"{len(content) / 1000:.0f}", *cells
        )
    Console(width=120).print(table)
    return math.exp(sum(logarithms) / len(logarithms))


# --------------------------------------------------------------------------- memory


def memory_growth() -> float:
    """Peak memory of a film of many frames over that of one of few, for resizing and for encoding: the worst."""
    # A child is charged what its parent held when it was made: so the parent is a small one.
    peaks = apart(_peaks)
    table = Table("peak, MB", f"{FEW} frames", f"{MANY} frames", box=None)
    for step, found in peaks.items():
        table.add_row(step, *(f"{found[count]:.0f}" for count in (FEW, MANY)))
    Console(width=120).print(table)
    return max(found[MANY] / found[FEW] for found in peaks.values())


def _peaks() -> dict[str, dict[int, float]]:
    """MB by step and number of frames."""
    peaks: dict[str, dict[int, float]] = {step: {} for step in ("resize", *MOVING)}
    with tempfile.TemporaryDirectory() as folder:
        for count in (FEW, MANY):
            for step in ("film", *peaks):
                command = (PYTHON, "-m", "bench.pictures.film", step, str(count), folder)
                peak = run(*command, paths=(ROOT / "functions", ROOT)).peak
                if step in peaks:
                    peaks[step][count] = peak
    return peaks


def _film(count: int) -> bytes:
    """A GIF in which every frame differs from the one before in a tenth of its pixels."""
    width, height = SIZE
    base = Image.effect_noise((width // 4, height // 4), 60).resize(SIZE).quantize(64)

    def frame(number: int) -> Image.Image:
        picture = base.copy()
        picture.paste(
            number % 64,
            (
                number * 7 % (width - 200),
                number * 5 % (height - 150),
                number * 7 % (width - 200) + 200,
                number * 5 % (height - 150) + 150,
            ),
        )
        return picture

    output = BytesIO()
    base.save(output, "GIF", save_all=True, append_images=map(frame, range(1, count)), duration=40)
    return output.getvalue()


def _step(step: Any, count: int, folder: Path) -> None:
    """One step of a film of `count` frames, which leaves in the folder what the next ones need."""
    source = folder / f"{count}.gif"
    if step == "film":
        source.write_bytes(_film(count))
    elif step == "resize":
        handed_on(source.read_bytes(), folder)
    else:
        encoding.encode(encoding.Unpacked(folder / "resized.tiff").picture("whole", step), step, RECIPE)


# --------------------------------------------------------------------------- bombs


def bomb() -> float:
    """Milliseconds of CPU until a GIF of 1,000 frames of 16,384 x 12,000 pixels, in 15 kB, is refused."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    content = b"GIF89a" + struct.pack("<HHBBB", 16384, 12000, 0x80, 0, 0) + bytes(6) + frame * 1000 + b";"
    began = time.process_time()
    try:
        limits: Any = {**RECIPE["limits"], "memory": None}
        frames.kept("gif", content, RECIPE, limits)
    except Rejection as rejection:
        print(f"{len(content):,} bytes: {rejection.reason}", flush=True)
        return round(1000 * (time.process_time() - began), 1)
    raise AssertionError("the bomb was accepted")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _step(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    else:
        sys.exit(report(bars(), "g"))
