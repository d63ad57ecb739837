"""ThumbHash: a picture in some 25 bytes, with its proportions and its transparency.

The algorithm is Evan Wallace's (github.com/evanw/thumbhash), with the same bytes wherever there is anything to see. Its
cosine transform is done one axis after the other, and on red, green and blue: its l, p and q are sums of these.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

Rows = list[list[float]]  # of one channel, 0 to 1
Terms = dict[tuple[int, int], float]  # how much of each pair of waves (across, down) a channel has

_NOISE = 1e-9  # of the arithmetic, in a channel of one level


def encode(image: Image.Image) -> bytes:
    """The ThumbHash of a small image (mode RGB or RGBA, straight alpha; about 32 pixels on its longer side)."""
    width, height = image.size
    red, green, blue, *rest = (_rows(channel) for channel in image.split())
    alpha = rest[0] if rest and min(map(min, rest[0])) < 1 else None
    if alpha:
        red, green, blue = (_on_average(channel, alpha) for channel in (red, green, blue))
    most = 5 if alpha else 7
    longest = max(width, height)
    across, down = (max(1, _round(most * side / longest)) for side in (width, height))
    r, g, b = (_transformed(channel, max(3, across), max(3, down)) for channel in (red, green, blue))
    few = _triangle(3, 3)
    channels = [
        _scaled({at: (r[at] + g[at] + b[at]) / 3 for at in r}),
        _scaled({at: (r[at] + g[at]) / 2 - b[at] for at in few}),
        _scaled({at: r[at] - g[at] for at in few}),
    ]
    (l_mean, l_scale, _), (p_mean, p_scale, _), (q_mean, q_scale, _) = channels
    wide = width > height
    head = _round(63 * l_mean) | _round(31.5 + 31.5 * p_mean) << 6 | _round(31.5 + 31.5 * q_mean) << 12
    head |= _round(31 * l_scale) << 18 | bool(alpha) << 23
    head |= (down if wide else across) << 24 | _round(63 * p_scale) << 27 | _round(63 * q_scale) << 33 | wide << 39
    content = head.to_bytes(5, "little")
    if alpha:
        channels.append(_scaled(_transformed(alpha, 5, 5)))
        a_mean, a_scale, _ = channels[-1]
        content += bytes((_round(15 * a_mean) | _round(15 * a_scale) << 4,))
    levels = [_round(15 * term) for _, _, terms in channels for term in terms]
    levels += [0] * (len(levels) % 2)
    return content + bytes(low | high << 4 for low, high in zip(levels[::2], levels[1::2], strict=True))


def _rows(channel: Image.Image) -> Rows:
    levels, width = [level / 255 for level in channel.tobytes()], channel.width
    return [levels[start : start + width] for start in range(0, len(levels), width)]


def _on_average(channel: Rows, alpha: Rows) -> Rows:
    """The channel on a ground of its average."""
    opaque = sum(map(sum, alpha))
    average = sum(map(product, channel, alpha)) / opaque if opaque else 0.0
    return [
        [average * (1 - part) + part * level for level, part in zip(levels, parts, strict=True)]
        for levels, parts in zip(channel, alpha, strict=True)
    ]


def _transformed(channel: Rows, across: int, down: int) -> Terms:
    waves_across, waves_down = _waves(len(channel[0]), across), _waves(len(channel), down)
    columns = [[product(row, wave) for row in channel] for wave in waves_across]
    area = len(channel) * len(channel[0])
    return {(x, y): product(columns[x], waves_down[y]) / area for x, y in _triangle(across, down)}


@functools.cache
def _waves(length: int, count: int) -> Rows:
    return [[math.cos(math.pi / length * wave * (at + 0.5)) for at in range(length)] for wave in range(count)]


def _triangle(across: int, down: int) -> list[tuple[int, int]]:
    return [(x, y) for y in range(down) for x in range(across) if x * down < across * (down - y)]


def _scaled(terms: Terms) -> tuple[float, float, list[float]]:
    """The average, the largest of the other terms, and these from 0 to 1."""
    average, *others = terms.values()
    scale = max(map(abs, others))
    if scale < _NOISE:
        return average, 0.0, [0.0] * len(others)
    return average, scale, [0.5 + 0.5 / scale * term for term in others]


def product(one: Iterable[float], other: Iterable[float]) -> float:
    """The sum of the products, pair by pair. (math.sumprod takes half the time, from Python 3.12 on.)"""
    total: float = sum(map(operator.mul, one, other))
    return total


def _round(number: float) -> int:
    return math.floor(number + 0.5)
