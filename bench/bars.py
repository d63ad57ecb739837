"""Bars: a figure with its limit, a line for each, and an exit status. `make bench`, `make soak` and `make fuzz` end so.

    BAR <name> <value> <limit> ok|short

A value that could not be measured is printed as "-", and is short.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import NamedTuple

at_most: Callable[[float, float], bool] = operator.le
at_least: Callable[[float, float], bool] = operator.ge


class Bar(NamedTuple):
    name: str
    value: float | None  # None: not measured
    limit: float
    holds: Callable[[float, float], bool] = at_most  # of value and limit


def report(bars: Iterable[Bar], value_format: str = "g") -> int:
    """Print a line for each bar; returns 1 if one is short, else 0: an exit status."""
    short = 0
    for name, value, limit, holds in bars:
        ok = value is not None and holds(value, limit)
        short |= not ok
        printed = "-" if value is None else format(value, value_format)
        print(f"BAR {name} {printed} {limit:g} {'ok' if ok else 'short'}")
    return int(short)
