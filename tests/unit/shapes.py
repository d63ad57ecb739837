"""Compares type hints with JSON schemas: fields, which of them are required, types and enumerations."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints, is_typeddict

Schema = dict[str, Any]
SCALARS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


class Shape(NamedTuple):
    """A type hint or a node of a schema, in terms that both have."""

    kind: str  # JSON's type; "map" for an object with any names
    null: bool = False
    values: frozenset[Any] | None = None  # of an enumeration; of a map: the names that it may have
    items: Shape | None = None  # of an array or a map
    fields: tuple[tuple[str, Shape, bool], ...] = ()  # of an object: name, shape, True if required
    choices: tuple[Shape, ...] = ()  # of a union


def of_hint(hint: Any) -> Shape:
    """The shape of a type hint. Raises TypeError for what JSON does not have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in SCALARS:
        return Shape(SCALARS[hint])
    if is_typeddict(hint):
        hints = get_type_hints(hint).items()
        fields = tuple((name, of_hint(each), name in hint.__required_keys__) for name, each in hints)
        return Shape("object", fields=fields)
    if origin is Literal:
        return Shape(SCALARS[type(arguments[0])], values=frozenset(arguments))
    if origin is list:
        return Shape("array", items=of_hint(arguments[0]))
    if origin is dict:
        return Shape("map", values=of_hint(arguments[0]).values, items=of_hint(arguments[1]))
    if origin in (Union, types.UnionType):
        return _union([of_hint(each) for each in arguments if each is not type(None)], type(None) in arguments)
    raise TypeError(f"{hint} has no shape in JSON")


def of_schema(schema: Schema, node: Schema | None = None) -> Shape:
    """The shape of a schema, or of one of its nodes."""
    node = schema if node is None else node
    if "$ref" in node:
        return of_schema(schema, schema["definitions"][node["$ref"].rpartition("/")[2]])
    kinds = [node["type"]] if isinstance(node.get("type"), str) else node.get("type", [])
    null = "null" in kinds
    if "enum" in node:
        return Shape(SCALARS[type(node["enum"][0])], null, frozenset(node["enum"]))
    kind, *others = [kind for kind in kinds if kind != "null"]
    if others:
        return _union([of_schema(schema, node | {"type": each}) for each in (kind, *others)], null)
    if kind == "array":
        return Shape(kind, null, items=of_schema(schema, node["items"]))
    if kind != "object":
        return Shape(kind, null)
    if "properties" not in node:
        names = node.get("propertyNames", {}).get("enum")
        items = of_schema(schema, node["additionalProperties"])
        return Shape("map", null, None if names is None else frozenset(names), items)
    required = node.get("required", [])
    fields = tuple((name, of_schema(schema, each), name in required) for name, each in node["properties"].items())
    closed = node.get("additionalProperties") is False or "allOf" in node  # whose branches close it
    return Shape("object" if closed else "open object", null, fields=fields)


def _union(choices: list[Shape], null: bool) -> Shape:
    if len(choices) == 1:
        return choices[0]._replace(null=null)
    return Shape("union", null, choices=tuple(sorted(choices, key=lambda shape: shape.kind)))


def differences(contract: Shape, schema: Shape, at: str) -> Iterator[str]:
    """Each way in which the two differ. A schema may enumerate what the contract leaves a plain str or int."""
    if (contract.kind, contract.null) != (schema.kind, schema.null):
        yield f"{at}: {_named(contract)} in the contract, {_named(schema)} in the schema"
        return
    if contract.values is not None and contract.values != schema.values:
        yield f"{at}: one of {sorted(contract.values)} in the contract, of {sorted(schema.values or [])} in the schema"
    if [each.kind for each in contract.choices] != [each.kind for each in schema.choices]:
        yield f"{at}: other kinds in the contract than in the schema"
        return
    for our, their in zip(contract.choices, schema.choices, strict=True):
        yield from differences(our, their, at)
    ours, theirs = ({name: rest for name, *rest in shape.fields} for shape in (contract, schema))
    yield from (f"{at}.{name}: in the contract only" for name in ours.keys() - theirs.keys())
    yield from (f"{at}.{name}: in the schema only" for name in theirs.keys() - ours.keys())
    for name in ours.keys() & theirs.keys():
        (our_shape, our_required), (their_shape, their_required) = ours[name], theirs[name]
        if our_required != their_required:
            yield f"{at}.{name}: required in the {'contract' if our_required else 'schema'} only"
        yield from differences(our_shape, their_shape, f"{at}.{name}")
    if contract.items and schema.items:
        yield from differences(contract.items, schema.items, f"{at}[]")


def _named(shape: Shape) -> str:
    return shape.kind + " or null" * shape.null
