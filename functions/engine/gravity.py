"""What a crop keeps: where in the picture the window of a `cover` size lies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engine import resizing

if TYPE_CHECKING:
    from contracts import ImageFacts, Point, Size
    from engine.pillow import Image

# Of a region, on each side: a face without some air around it looks cut.
_MARGIN = 0.35
_MOST_TEXT = 64
_NUMBER = r"(\d{1,3}(?:\.\d{0,12})?|\.\d{1,12})(%?)"
_FOCUS = re.compile(rf"\s*{_NUMBER}\s*,\s*{_NUMBER}\s*", re.ASCII)

Span = tuple[float, float]  # from, to: fractions of an axis


def focus_of(text: str) -> Point | None:
    """The point in a text "x,y" of two fractions, 0 to 1, or two percentages, 0% to 100%; None in any other text.

    They count from the top left of the upright picture.
    """
    found = _FOCUS.fullmatch(text) if len(text) <= _MOST_TEXT else None
    if not found or found[2] != found[4]:
        return None
    x, y = (float(found[group]) / (100 if found[2] else 1) for group in (1, 3))
    return {"x": round(x, 4), "y": round(y, 4)} if max(x, y) <= 1 else None


def positions(image: Image.Image, sizes: Mapping[str, Size], facts: ImageFacts) -> dict[str, float]:
    """Where the window of each cropped size lies, 0 (left or top) to 1 (right or bottom), for `resizing.renditions`.

    By the regions in the facts, or else by their focus, or else by what draws attention in the decoded image: as far as
    a size's `gravity` says so. Sizes whose window is in the middle may be left out.
    """
    found: dict[str, float] = {}
    attention: tuple[list[float], list[float]] | None = None
    for name, size in sizes.items():
        if not _is_free(size):
            continue
        axis, length = resizing.window(image, size)
        if length >= 1:
            continue
        if regions := facts.get("regions"):
            start = around_regions([(box[axis], box[axis + 2]) for box in regions], length)
        elif focus := facts.get("focus"):
            start = around_point(focus["y" if axis else "x"], length)
        elif size["gravity"] == "auto":
            from engine import attention as measuring  # lazily: what has a focus does not pay for it

            attention = attention or measuring.profiles(image)
            start = measuring.window(attention[axis], length)
        else:
            continue
        found[name] = start / (1 - length)
    return found


def placed(
    frames: Iterable[tuple[Image.Image, int]], sizes: Mapping[str, Size], facts: ImageFacts
) -> Iterator[tuple[Image.Image, int, dict[str, float]]]:
    """Frames (images, milliseconds) with the positions of their windows: the first one's, for the window stays put."""
    first: dict[str, float] | None = None
    for image, time in frames:
        first = positions(image, sizes, facts) if first is None else first
        yield image, time, first


def needs_attention(sizes: Mapping[str, Size], facts: ImageFacts) -> bool:
    """Whether `positions` looks at the pixels."""
    return "focus" not in facts and any(_is_free(size) and size["gravity"] == "auto" for size in sizes.values())


def around_point(point: float, length: float) -> float:
    """Where a window of this length starts that has the point as near to its middle as the picture allows."""
    return min(1 - length, max(0.0, point - length / 2))


def around_regions(spans: Sequence[Span], length: float) -> float:
    """Where a window of this length starts that keeps most of the spans whole, the longest counting most.

    The window lies around the middle of those that it keeps, with a margin where there is room. A span that is longer
    than the window counts as its middle part.
    """
    fitting = [_shortened(span, length) for span in spans]

    def kept(start: float) -> list[Span]:
        return [(low, high) for low, high in fitting if start - 1e-9 <= low and high <= start + length + 1e-9]

    def worth(start: float) -> tuple[float, float]:
        inside = kept(start)
        mean = sum(low + high for low, high in inside) / (2 * len(inside)) if inside else 0.5
        return round(sum(_weight(span) for span in inside), 6), -abs(mean - start - length / 2)

    # What any window keeps, one keeps that starts where the first of it does.
    starts = [around_point(0.5, length), *(min(low, 1 - length) for low, _ in fitting)]
    chosen = kept(max(starts, key=worth))
    if not chosen:
        return starts[0]
    return _around(chosen, length)


def _around(spans: Sequence[Span], length: float) -> float:
    """The start of a window around all the spans: with margins if there is room, and else their middle in its own."""
    first, last = min(low for low, _ in spans), max(high for _, high in spans)
    weights = [_weight(span) for span in spans]
    middle = sum((low + high) / 2 * weight for (low, high), weight in zip(spans, weights, strict=True)) / sum(weights)
    room = (length - (last - first)) / 2
    before = min(room, max(_MARGIN * (high - low) - (low - first) for low, high in spans))
    after = min(room, max(_MARGIN * (high - low) - (last - high) for low, high in spans))
    start = min(first - max(0.0, before), max(last + max(0.0, after) - length, middle - length / 2))
    return min(1 - length, max(0.0, start))


def _shortened(span: Span, length: float) -> Span:
    low, high = span
    if high - low <= length:
        return span
    middle = (low + high) / 2
    start = around_point(middle, length)
    return start, start + length


def _weight(span: Span) -> float:
    return span[1] - span[0] + 0.01


def _is_free(size: Size) -> bool:
    return size.get("fit") == "cover" and size.get("gravity", "auto") != "center"
