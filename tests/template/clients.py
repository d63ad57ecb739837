"""How often and for how long the functions' AWS clients try, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from darkroom.project import ROOT


class Client(NamedTuple):
    service: str
    tries: int  # requests per call
    seconds: float  # that a call may take, with the back-off of the SDK's standard mode (up to 1, 2, 4, ... s)


def in_functions() -> list[Client]:
    return [
        client
        for path in sorted((ROOT / "functions").rglob("*.py"))
        for client in in_source(path.read_text(encoding="utf-8"), path.name)
    ]


def in_source(text: str, name: str = "source") -> Iterator[Client]:
    """Yield each client that a module makes, with the most patient of its configurations.

    Raises ValueError for a client that is made otherwise, or without retries of its own: the SDK's defaults differ.
    """
    tree = ast.parse(text)
    values = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("boto3"), attr=made)) if name != "metrics.py":
                raise ValueError(f"{name}: make clients by metrics.client, which counts requests, not by boto3.{made}")
            case ast.Call(func=ast.Attribute(value=ast.Name("metrics"), attr="client")):
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                configurations = list(_configurations(given.get("config"), values))
                if not configurations:
                    raise ValueError(f"{name}: a client without a Config of its own")
                tried = [_tries(each, name) for each in configurations]
                yield Client(ast.literal_eval(node.args[0]), max(tries for tries, _ in tried), max(s for _, s in tried))


def _configurations(node: ast.expr | None, values: dict[str, ast.expr]) -> Iterator[dict[str | None, ast.expr]]:
    """The arguments of each Config that an expression may come to."""
    match node:
        case ast.Name(name) if name in values:
            yield from _configurations(values[name], values)
        case ast.IfExp(body=one, orelse=other):
            yield from _configurations(one, values)
            yield from _configurations(other, values)
        case ast.Call(func=ast.Name("Config"), keywords=keywords):
            yield {keyword.arg: keyword.value for keyword in keywords}


def _tries(given: dict[str | None, ast.expr], name: str) -> tuple[int, float]:
    retries = ast.literal_eval(given["retries"]) if "retries" in given else {}
    if retries.get("mode") != "standard" or "total_max_attempts" not in retries:
        raise ValueError(f"{name}: a Config without retries of the standard mode, counted by total_max_attempts")
    tries = int(retries["total_max_attempts"])
    if tries == 1:  # StartSyncExecution, which waits for its answer: no call that is over soon
        return tries, 0.0
    waits = [given.get(timeout, ast.Constant(60)) for timeout in ("connect_timeout", "read_timeout")]
    seconds = sum(float(ast.literal_eval(wait)) for wait in waits)
    return tries, tries * seconds + sum(2**number for number in range(tries - 1))
