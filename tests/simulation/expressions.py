"""DynamoDB's expressions, as far as the functions use them. Anything else is refused loudly."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

Item = Mapping[str, Any]  # attribute values by name: {"S": "text"}


class Row:
    """What an expression is evaluated on."""

    def __init__(self, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> None:
        self.item, self.names, self.values = item, names, values

    def name(self, token: str) -> str:
        return self.names[token] if token.startswith("#") else token

    def value(self, token: str) -> Any:
        """An operand: a placeholder's value or an attribute's; None if the item has no such attribute."""
        return self.values[token] if token.startswith(":") else self.item.get(self.name(token))


Condition = Callable[[Row], bool]
_TOKEN = re.compile(r"\s*([#:]?[A-Za-z_]\w*|<>|<=|>=|[=<>(),+-])")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CLAUSES = {"SET", "REMOVE", "ADD", "DELETE"}


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if not match:
            raise NotImplementedError(f"DynamoDB: {text[position:]!r} in {text!r}")
        tokens.append(match.group(1))
        position = match.end()
    return tokens


@cache
def condition(text: str) -> Condition:
    """A condition, key condition or filter expression."""
    tokens = _tokens(text)
    result = _or(tokens)
    if tokens:
        raise NotImplementedError(f"DynamoDB: {tokens} in {text!r}")
    return result


def _or(tokens: list[str]) -> Condition:
    parts = [_and(tokens)]
    while tokens[:1] == ["OR"]:
        tokens.pop(0)
        parts.append(_and(tokens))
    return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)


def _and(tokens: list[str]) -> Condition:
    parts = [_not(tokens)]
    while tokens[:1] == ["AND"]:
        tokens.pop(0)
        parts.append(_not(tokens))
    return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)


def _not(tokens: list[str]) -> Condition:
    if tokens[0] == "NOT":
        tokens.pop(0)
        negated = _not(tokens)
        return lambda row: not negated(row)
    if tokens[0] == "(":
        tokens.pop(0)
        inner = _or(tokens)
        _expect(tokens, ")")
        return inner
    return _function(tokens) if tokens[1:2] == ["("] else _comparison(tokens)


def _function(tokens: list[str]) -> Condition:
    name, _ = tokens.pop(0), tokens.pop(0)
    first = tokens.pop(0)
    if name in ("attribute_exists", "attribute_not_exists"):
        _expect(tokens, ")")
        exists = name == "attribute_exists"
        return lambda row: (row.value(first) is not None) == exists
    _expect(tokens, ",")
    second = tokens.pop(0)
    _expect(tokens, ")")
    if name == "begins_with":
        return lambda row: (row.value(first) or {}).get("S", "").startswith(row.value(second)["S"])
    if name == "contains":
        return lambda row: _contains(row.value(first), row.value(second))
    raise NotImplementedError(f"DynamoDB: {name}")


def _comparison(tokens: list[str]) -> Condition:
    left, sign = tokens.pop(0), tokens.pop(0)
    if sign == "IN":
        _expect(tokens, "(")
        options = [tokens.pop(0)]
        while tokens[0] == ",":
            tokens.pop(0)
            options.append(tokens.pop(0))
        _expect(tokens, ")")
        return lambda row: any(_same(row.value(left), row.value(option)) for option in options)
    right = tokens.pop(0)
    if sign == "=":
        return lambda row: _same(row.value(left), row.value(right))
    if sign == "<>":
        return lambda row: not _same(row.value(left), row.value(right))
    compare = _COMPARE[sign]
    return lambda row: _ordered(row.value(left), row.value(right), compare)


def _expect(tokens: list[str], token: str) -> None:
    if not tokens or tokens.pop(0) != token:
        raise NotImplementedError(f"DynamoDB: {token!r} is missing before {tokens}")


def _plain(value: Any) -> Any:
    """(type, comparable value) of an attribute value."""
    ((kind, raw),) = value.items()
    return kind, Decimal(raw) if kind == "N" else frozenset(raw) if kind in ("SS", "NS") else raw


def _same(left: Any, right: Any) -> bool:
    return left is not None and right is not None and bool(_plain(left) == _plain(right))


def _ordered(left: Any, right: Any, compare: Callable[[Any, Any], bool]) -> bool:
    if left is None or right is None:
        return False
    (kind, first), (other, second) = _plain(left), _plain(right)
    return kind == other and kind in ("S", "N") and compare(first, second)


def _contains(whole: Any, part: Any) -> bool:
    if whole is None:
        return False
    ((kind, raw),) = whole.items()
    if kind == "L":
        return any(_same(each, part) for each in raw)
    return part.get("S") in raw


def updated(item: Item, text: str, names: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The item after an update expression."""
    row, changed, tokens = Row(item, names, values), dict(item), _tokens(text)
    clause = ""
    while tokens:
        if tokens[0] in _CLAUSES:
            clause = tokens.pop(0)
        elif tokens[0] == ",":
            tokens.pop(0)
        else:
            name = row.name(tokens.pop(0))
            if clause == "SET":
                _expect(tokens, "=")
                changed[name] = _assigned(row, tokens)
            elif clause == "REMOVE":
                changed.pop(name, None)
            elif clause == "ADD":
                changed[name] = _added(changed.get(name), row.value(tokens.pop(0)))
            elif clause == "DELETE":
                remaining = sorted(set(changed.get(name, {}).get("SS", ())) - set(row.value(tokens.pop(0))["SS"]))
                changed.pop(name, None)
                changed |= {name: {"SS": remaining}} if remaining else {}
            else:
                raise NotImplementedError(f"DynamoDB: {text!r}")
    return changed


def _assigned(row: Row, tokens: list[str]) -> Any:
    value = _operand(row, tokens)
    while tokens[:1] in (["+"], ["-"]):
        sign = 1 if tokens.pop(0) == "+" else -1
        value = {"N": str(Decimal(value["N"]) + sign * Decimal(_operand(row, tokens)["N"]))}
    return value


def _operand(row: Row, tokens: list[str]) -> Any:
    token = tokens.pop(0)
    if tokens[:1] != ["("]:
        value = row.value(token)
        assert value is not None, f"DynamoDB: {token} is not in the item"
        return value
    tokens.pop(0)
    first = _operand_or_absent(row, tokens)
    _expect(tokens, ",")
    second = _operand(row, tokens)
    _expect(tokens, ")")
    if token == "if_not_exists":
        return second if first is None else first
    if token == "list_append":
        assert first is not None
        return {"L": [*first["L"], *second["L"]]}
    raise NotImplementedError(f"DynamoDB: {token}")


def _operand_or_absent(row: Row, tokens: list[str]) -> Any:
    return _operand(row, tokens) if tokens[1] == "(" else row.value(tokens.pop(0))


def _added(standing: Any, value: Any) -> Any:
    ((kind, raw),) = value.items()
    if kind == "N":
        return {"N": str(Decimal(standing["N"] if standing else 0) + Decimal(raw))}
    assert kind == "SS"
    return {"SS": sorted({*(standing["SS"] if standing else ()), *raw})}
