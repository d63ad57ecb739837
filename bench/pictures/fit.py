"""Fit the numbers in functions/engine: the weights of `scoring`, and the mean curves of `quality`.

Runs in the environment of the bench's tools, which has SSIMULACRA2, NumPy and SciPy; it takes half an hour of CPU:

    PYTHONPATH=functions:. .darkroom/tools/bench/bin/python -m bench.pictures.fit

The pictures: made ones of every sort with the seeds 0 to 7, and those photos of ../shared that `bench.pictures.quality`
does not hold out. Prints both tables, and how far the scores are from SSIMULACRA2's.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from bench.pictures import sorts
from engine import encoding, quality, scoring

SHARED = Path(__file__).parents[3] / "shared"
PHOTOS = (
    *("photos/gain_map_1mp.jpg", "photos/photo.webp", "corpus/exif-samples/jpg/tests/30-type_error.jpg"),
    *(
        "corpus/exif-orient/Portrait_1.jpg",
        "corpus/exif-orient/Landscape_2.jpg",
        "corpus/sharp/test/fixtures/flowers.jpeg",
    ),
    *("corpus/exif-samples/jpg/tests/22-canon_tags.jpg", "corpus/exif-samples/jpg/tests/45-gps_ifd.jpg"),
    *("corpus/avif/fox.profile0.8bpc.yuv420.avif", "corpus/exif-samples/jpg/exif-org/ricoh-rdc5300.jpg"),
    *("corpus/exif-samples/jpg/gps/DSCN0042.jpg", "corpus/exif-samples/jpg/gps/DSCN0027.jpg"),
    *("corpus/exif-samples/jpg/exif-org/kodak-dc210.jpg", "corpus/sharp/test/fixtures/Landscape_3.jpg"),
    *("corpus/sharp/test/fixtures/Portrait_4.jpg", "corpus/pillow/Tests/images/exif.png"),
)
KNOTS = {
    "avif": (1, 8, 16, 25, 34, 43, 52, 62, 73, 86, 100),
    "webp": (1, 10, 22, 36, 50, 63, 74, 82, 89, 95, 100),
    "jpeg": (1, 4, 10, 20, 35, 50, 65, 75, 83, 90, 95),
}
# Scores that weigh the most for the weights; what is outside says little about what people choose.
SCORES = (35.0, 95.0)
Row = tuple[str, str, list[tuple[int, float, float]]]  # kind, format, (number, loss, size) by rising number


def pictures() -> Iterator[Image.Image]:
    for name in PHOTOS:
        if (SHARED / name).exists():
            with Image.open(SHARED / name) as opened:
                photo = ImageOps.exif_transpose(opened).convert("RGB")
            yield ImageOps.contain(photo, (640, 640))
            yield ImageOps.fit(photo, (240, 240))
    for sort in sorts.SORTS:
        for seed in range(8):
            yield sorts.picture(sort, (640, 480) if seed % 2 else (240, 240), seed)


def main() -> None:
    """Encode, score, fit, print."""
    rows: list[Row] = []
    terms: list[dict[tuple[tuple[str, int], int], float]] = []
    truths: list[float] = []
    for image in pictures():
        ruler, kind = scoring.Ruler(image), quality._kind(image)
        for format_, numbers in KNOTS.items():
            row: list[tuple[int, float, float]] = []
            for number in numbers:
                content = _encoded(image, format_, number)
                with Image.open(BytesIO(content)) as opened:
                    decoded = opened.convert("RGB")
                truth = _ssimulacra2(image, decoded)
                row.append((number, quality._loss(truth), math.log(len(content))))
                if SCORES[0] < truth < SCORES[1]:
                    found = zip(ruler._planes, ruler.terms(decoded), strict=True)
                    terms.append({(plane, i): value for plane, values in found for i, value in enumerate(values)})
                    truths.append(truth)
            rows.append((kind, format_, row))
    _print_weights(terms, truths)
    for axis, name in ((1, "_LOSS"), (2, "_SIZE")):
        for kind in ("natural", "drawn"):
            for format_ in KNOTS:
                print(name, kind, format_, _curve([row for k, f, row in rows if (k, f) == (kind, format_)], axis))


def _encoded(image: Image.Image, format_: str, number: int) -> bytes:
    recipe: Any = {
        "quality": {format_: number},
        "max_bytes": {format_: None},
        "effort": {"avif": None, "webp": 4, "png": 2},
        "background": "#ffffff",
    }
    return encoding.encode(image.copy(), format_, recipe)  # type: ignore[arg-type]


def _ssimulacra2(original: Image.Image, picture: Image.Image) -> float:
    from ssimulacra2 import compute_ssimulacra2

    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, name)) for name in ("a.png", "b.png")]
        for image, path in zip((original, picture), paths, strict=True):
            image.save(path, compress_level=0)
        return float(compute_ssimulacra2(*paths))


def _print_weights(terms: list[dict[tuple[tuple[str, int], int], float]], truths: list[float]) -> None:
    """Weights that are not negative, by least squares of relative errors of the distance."""
    import numpy as np
    from scipy.optimize import nnls

    keys = sorted({key for each in terms for key in each})
    matrix = np.array([[each.get(key, 0.0) for key in keys] for each in terms])
    distances = np.array([_inverted(scoring._score, truth) for truth in truths])
    weights, _ = nnls(matrix / distances[:, None], np.ones(len(distances)))
    for plane in sorted({plane for plane, _ in keys}, key=lambda plane: (plane[1], plane[0])):
        found = {i: round(float(weight), 2) for (p, i), weight in zip(keys, weights, strict=True) if p == plane}
        print(f"{plane}: {tuple(found.get(i, 0.0) for i in range(4))},")
    for name, used in (("new", weights), ("old", [scoring._WEIGHTS[plane][i] for plane, i in keys])):
        errors = [scoring._score(float(row @ used)) - truth for row, truth in zip(matrix, truths, strict=True)]
        print(f"{name} weights: bias {statistics.mean(errors):.2f}, deviation {statistics.stdev(errors):.2f} points")


def _inverted(falling: Callable[[float], float], value: float) -> float:
    """Where a falling function has a value, between 0 and 40."""
    low, high = 0.0, 40.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return low


def _curve(rows: list[list[tuple[int, float, float]]], axis: int) -> list[tuple[int, float]]:
    """The mean of curves that are first shifted to meet at the middle knot, and made to rise or fall throughout."""
    middle = len(rows[0]) // 2
    values = [statistics.mean(row[i][axis] - row[middle][axis] for row in rows) for i in range(len(rows[0]))]
    base = statistics.median(row[middle][axis] for row in rows)
    direction = 1 if values[-1] > values[0] else -1
    curve: list[tuple[int, float]] = []
    for (number, *_), value in zip(rows[0], values, strict=True):
        least = curve[-1][1] + direction * 0.001 if curve else base + value
        curve.append((number, round(direction * max(direction * (base + value), direction * least), 3)))
    return curve


if __name__ == "__main__":
    main()
