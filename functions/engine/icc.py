"""Write ICC profiles: what files say by code points, or by a list of chromaticities, becomes a profile like any other.

Version 4 (ISO 15076-1), display class, relative to D50. Little CMS then does the pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]  # rows

_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
# The connection space as Little CMS and ISO 15076-1 code it: 1.0 is 32,768 of 65,535.
_CODED_XYZ = 32768 / 65535


class Chromaticities(NamedTuple):
    """CIE x and y of the primaries and of the white."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]


class Power(NamedTuple):
    """A curve from coded value X to light: (a X + b) ^ gamma from X = d, and c X below it."""

    gamma: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0


Curve = Power | Sequence[float]  # or the light, 0 to 1, at equal steps of the coded value


class Table(NamedTuple):
    """Colours from three coded values: `side`^3 nodes, the last channel fastest, of 3 x 16 bits (big-endian) each."""

    side: int
    nodes: bytes


def profile(name: str, colours: Chromaticities, curve: Curve, table: Table | None = None) -> bytes:
    """A profile of RGB. `table`: what is done to the coded values before the curve. ValueError: no such colours."""
    matrix = to_d50(colours)
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _xyz(_D50),
        b"chad": b"sf32" + bytes(4) + _fixed(*(cell for row in _adaptation(colours.white) for cell in row)),
    }
    if table:
        tags[b"A2B0"] = _table(table, curve, matrix)
    else:
        for color, column in zip(b"rgb", zip(*matrix, strict=True), strict=True):
            tags[b"%cXYZ" % color] = _xyz(column)
            tags[b"%cTRC" % color] = _curve(curve)
    return _assembled(tags)


def to_d50(colours: Chromaticities) -> Matrix:
    """The matrix from linear RGB to XYZ relative to D50. Raises ValueError if the primaries span no space."""
    try:
        columns = [_of_chromaticity(each) for each in colours[:3]]
        primaries = _transposed(columns)
        shares = _times(inverse(primaries), _of_chromaticity(colours.white))
        scaled = _transposed([_scaled(column, share) for column, share in zip(columns, shares, strict=True)])
        return product(_adaptation(colours.white), scaled)
    except (ZeroDivisionError, OverflowError) as error:
        raise ValueError("these chromaticities span no space") from error


def _adaptation(white: tuple[float, float]) -> Matrix:
    """From XYZ under a white to XYZ under D50, by Bradford's cones."""
    found, wanted = _times(_BRADFORD, _of_chromaticity(white)), _times(_BRADFORD, _D50)
    scaled = tuple(_scaled(row, to / of) for row, to, of in zip(_BRADFORD, wanted, found, strict=True))
    return product(inverse(_BRADFORD), _matrix(scaled))


def _of_chromaticity(xy: tuple[float, float]) -> Vector:
    """XYZ with Y = 1."""
    x, y = xy
    y = y or 1e-9  # the primaries of XYZ itself: X and Z have no luminance
    return (x / y, 1.0, (1 - x - y) / y)


def inverse(matrix: Matrix) -> Matrix:
    """Raises ZeroDivisionError."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    cofactors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0]
    return _matrix(_scaled(row, 1 / determinant) for row in cofactors)


def product(left: Matrix, right: Matrix) -> Matrix:
    return _transposed([_times(left, column) for column in _transposed(right)])


def _times(matrix: Matrix, vector: Vector) -> Vector:
    x, y, z = vector
    first, second, third = (a * x + b * y + c * z for a, b, c in matrix)
    return first, second, third


def _scaled(vector: Vector, factor: float) -> Vector:
    return vector[0] * factor, vector[1] * factor, vector[2] * factor


def _transposed(vectors: Iterable[Vector]) -> Matrix:
    first, second, third = vectors
    return _matrix(zip(first, second, third, strict=True))


def _matrix(rows: Iterable[Vector]) -> Matrix:
    first, second, third = rows
    return first, second, third


# --------------------------------------------------------------------------- the file


def _assembled(tags: Mapping[bytes, bytes]) -> bytes:
    contents = list(dict.fromkeys(tags.values()))  # equal ones are stored once
    start, places = 128 + 4 + 12 * len(tags), {}
    for content in contents:
        places[content] = start
        start += len(content) + -len(content) % 4
    table = [struct.pack(">4sII", name, places[content], len(content)) for name, content in tags.items()]
    head = struct.pack(">I4xI", start, 0x04300000) + b"mntrRGB XYZ " + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    head = head.ljust(68, b"\0") + _fixed(*_D50)
    body = b"".join(content + bytes(-len(content) % 4) for content in contents)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + b"".join(table) + body


def _fixed(*numbers: float) -> bytes:
    """s15Fixed16Number. Raises ValueError for what does not fit."""
    try:
        return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))
    except (struct.error, OverflowError) as error:
        raise ValueError("too large for a profile") from error


def _xyz(color: Vector) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*color)


def _text(text: str) -> bytes:
    coded = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII4sII", 1, 12, b"enUS", len(coded), 28) + coded


def _curve(curve: Curve) -> bytes:
    if isinstance(curve, Power):
        if curve[1:] == (1, 0, 0, 0):
            return b"para" + bytes(8) + _fixed(curve.gamma)
        return b"para" + struct.pack(">4xHxx", 3) + _fixed(*curve)
    levels = [min(65535, max(0, round(65535 * light))) for light in curve]
    return b"curv" + struct.pack(f">4xI{len(levels)}H", len(levels), *levels)


def _table(table: Table, curve: Curve, matrix: Matrix) -> bytes:
    """lutAToBType: the table (no curves before it), the curve, the matrix (no curves after it)."""

    def three(content: bytes) -> bytes:
        return 3 * (content + bytes(-len(content) % 4))

    plain = three(_curve(Power(1.0)))
    cells = _fixed(*(cell * _CODED_XYZ for row in matrix for cell in row), 0, 0, 0)
    nodes = bytes([table.side] * 3).ljust(16, b"\0") + b"\2\0\0\0" + table.nodes
    nodes += bytes(-len(nodes) % 4)
    parts, offsets, at = [plain, cells, three(_curve(curve)), nodes, plain], [], 32
    for part in parts:
        offsets.append(at)
        at += len(part)
    return b"mAB " + struct.pack(">4xBBxx5I", 3, 3, *offsets) + b"".join(parts)
