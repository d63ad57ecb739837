"""The little of JSONata that the state machine uses: paths, texts, lists, `&`, `=`, `in` and three functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

Scope = Mapping[str, Any]  # variables: "states", and what Assign has set
Expression = Callable[[Scope], Any]

_TOKEN = re.compile(r"\s*(?:(?P<text>'[^']*')|(?P<name>\$?[A-Za-z_][\w.]*)|(?P<number>\d+)|(?P<sign>[&=(),[\]]))")
_FUNCTIONS: dict[str, Callable[..., str]] = {
    "$substring": lambda text, start, length: (text or "")[start : start + length],
    "$substringBefore": lambda text, mark: text.partition(mark)[0],  # the whole text without the mark
    "$substringAfter": lambda text, mark: text.partition(mark)[2] if mark in text else text,
}


def evaluate(value: Any, scope: Scope) -> Any:
    """A JSON value of the definition, with every {% … %} in it evaluated."""
    if isinstance(value, dict):
        return {name: evaluate(each, scope) for name, each in value.items()}
    if isinstance(value, list):
        return [evaluate(each, scope) for each in value]
    if isinstance(value, str) and value.startswith("{%"):
        return _compiled(value.removeprefix("{%").removesuffix("%}").strip())(scope)
    return value


@lru_cache
def _compiled(text: str) -> Expression:
    tokens: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise NotImplementedError(f"JSONata: {text[position:]!r}")
        tokens.append(match.group().strip())
        position = match.end()
    expression = _compared(tokens)
    if tokens:
        raise NotImplementedError(f"JSONata: {tokens} of {text!r}")
    return expression


def _compared(tokens: list[str]) -> Expression:
    left = _joined(tokens)
    if tokens[:1] == ["="]:
        tokens.pop(0)
        right = _joined(tokens)
        return lambda scope: left(scope) == right(scope)
    if tokens[:1] == ["in"]:
        tokens.pop(0)
        options = _list(tokens)
        return lambda scope: any(left(scope) == option(scope) for option in options)
    return left


def _list(tokens: list[str]) -> list[Expression]:
    _expect(tokens, "[")
    return _until(tokens, "]")


def _until(tokens: list[str], end: str) -> list[Expression]:
    """Expressions with commas between them."""
    found = [_joined(tokens)]
    while tokens[:1] == [","]:
        tokens.pop(0)
        found.append(_joined(tokens))
    _expect(tokens, end)
    return found


def _expect(tokens: list[str], token: str) -> None:
    if not tokens or tokens.pop(0) != token:
        raise NotImplementedError(f"JSONata: {token!r} is missing before {tokens}")


def _joined(tokens: list[str]) -> Expression:
    parts = [_operand(tokens)]
    while tokens[:1] == ["&"]:
        tokens.pop(0)
        parts.append(_operand(tokens))
    if len(parts) == 1:
        return parts[0]
    return lambda scope: "".join("" if (value := part(scope)) is None else str(value) for part in parts)


def _operand(tokens: list[str]) -> Expression:
    token = tokens.pop(0)
    if token.startswith("'"):
        return lambda _: token[1:-1]
    if token.isdigit():
        return lambda _: int(token)
    if not token.startswith("$"):
        raise NotImplementedError(f"JSONata: {token!r}")
    if tokens[:1] == ["("]:
        tokens.pop(0)
        arguments = _until(tokens, ")")
        function = _FUNCTIONS[token]
        return lambda scope: function(*(argument(scope) for argument in arguments))
    variable, *fields = token[1:].split(".")

    def look_up(scope: Scope) -> Any:
        value = scope[variable]
        for field in fields:
            value = value.get(field) if isinstance(value, dict) else None
        return value

    return look_up
