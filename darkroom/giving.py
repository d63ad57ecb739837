"""What is uploaded with a photo as x-amz-meta-focus and x-amz-meta-alt."""

from __future__ import annotations

import argparse
import math
from email.header import Header

LONGEST = 2_000  # bytes of alt as sent: S3 takes 2,048 in all, names included


def focus(typed: str) -> str:
    """A focus that was typed, as it is sent: the point that crops keep. Raises ArgumentTypeError."""
    try:
        x, y = (float(part) for part in typed.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{typed!r} is not two numbers with a comma between, such as 0.3,0.7"
        ) from None
    if not (0 <= x <= 1 and 0 <= y <= 1):  # nor is anything else a number between them
        raise argparse.ArgumentTypeError(
            f"{typed!r} lies outside of the picture: 0,0 is its left upper corner and 1,1 its right lower one"
        )
    return f"{x:g},{y:g}"


def alt(typed: str) -> str:
    """Alternative text that was typed, as it is sent: in ASCII, by RFC 2047 if need be. Raises ArgumentTypeError."""
    text = " ".join(typed.split())
    if not all(character.isprintable() or character in "\u200c\u200d\u200e\u200f" for character in text):
        raise argparse.ArgumentTypeError(f"{typed!r} has characters that nobody can see or hear")
    plain = text.isascii() and "=?" not in text
    sent = text if plain else Header(text, "utf-8").encode(linesep="").strip()
    if len(sent) > LONGEST:
        times = math.ceil(100 * (len(sent) / LONGEST - 1))
        raise argparse.ArgumentTypeError(f"it is {times} % too long: S3 takes {LONGEST:,} bytes")
    return sent
