"""Checks a document by its JSON Schema: as much of draft-07 as recipes.schema.json uses.

fastjsonschema writes a program for a schema and has Python compile it. That takes 30 ms of CPU at each cold start,
which the trigger, with its seventh of a processor, feels as 0.2 s; walking over one small document takes 1 ms. What is
wrong with a document, fastjsonschema says.
"""

from __future__ import annotations

import copy
import re
from typing import Any

Node = dict[str, Any]

_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
_NOTES = {"$schema", "title", "description", "definitions", "default"}
_KEYWORDS = {"type", "enum", "allOf", "if", "then", "minimum", "maximum", "pattern", "minLength", "maxLength"}
_KEYWORDS |= {"properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"}
_KEYWORDS |= {"items", "minItems", "maxItems", "uniqueItems"}


def fill(schema: Node, document: Any) -> bool:
    """Whether the document, as JSON gives it, is as its schema wants it. Fills in the defaults of absent fields.

    Defaults are filled in at every depth, and checked too. Raises NotImplementedError for a keyword of the schema that
    is not among those above.
    """
    return _Walk(schema["definitions"]).holds(schema, document)


class _Walk:
    def __init__(self, definitions: Node) -> None:
        self._definitions = definitions

    def holds(self, node: Node, value: Any) -> bool:
        if "$ref" in node:  # what stands beside it does not count, but for a default
            return self.holds(self._definitions[node["$ref"].removeprefix("#/definitions/")], value)
        if unknown := node.keys() - _KEYWORDS - _NOTES:
            raise NotImplementedError(f"{', '.join(unknown)} in a JSON schema")
        return (
            ("type" not in node or _is_one_of(value, node["type"]))
            and ("enum" not in node or value in node["enum"])
            and self._parts_hold(node, value)
            and all(self.holds(each, value) for each in node.get("allOf", []))
            and ("if" not in node or not self.holds(node["if"], value) or self.holds(node["then"], value))
        )

    def _parts_hold(self, node: Node, value: Any) -> bool:
        """What counts for values of one kind only."""
        if isinstance(value, dict):
            return self._object_holds(node, value)
        if isinstance(value, list):
            return self._array_holds(node, value)
        if isinstance(value, str):
            return _text_holds(node, value)
        if isinstance(value, int | float):
            return bool(node.get("minimum", value) <= value <= node.get("maximum", value))
        return True

    def _object_holds(self, node: Node, value: Node) -> bool:
        fields: dict[str, Node] = node.get("properties", {})
        for name, field in fields.items():
            if "default" in field and name not in value:
                value[name] = copy.deepcopy(field["default"])
        names: Node = node.get("propertyNames", {})
        others: Any = node.get("additionalProperties", {})
        return (
            node.get("minProperties", 0) <= len(value) <= node.get("maxProperties", len(value))
            and all(name in value for name in node.get("required", []))
            and all(self.holds(names, name) for name in value)
            and (others is not False or value.keys() <= fields.keys())
            and all(self.holds(fields.get(name, others), each) for name, each in value.items())
        )

    def _array_holds(self, node: Node, value: list[Any]) -> bool:
        return (
            node.get("minItems", 0) <= len(value) <= node.get("maxItems", len(value))
            and not (node.get("uniqueItems") and any(each in value[:index] for index, each in enumerate(value)))
            and all(self.holds(node.get("items", {}), each) for each in value)
        )


def _text_holds(node: Node, value: str) -> bool:
    if not node.get("minLength", 0) <= len(value) <= node.get("maxLength", len(value)):
        return False
    pattern = node.get("pattern", "").removesuffix("$") + r"\Z" * node.get("pattern", "").endswith("$")
    return re.search(pattern, value) is not None  # Python's $ would let a line break follow


def _is_one_of(value: Any, types: str | list[str]) -> bool:
    return any(_is(value, name) for name in ([types] if isinstance(types, str) else types))


def _is(value: Any, name: str) -> bool:
    if name in ("number", "integer"):
        whole = name == "number" or isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return isinstance(value, int | float) and not isinstance(value, bool) and whole
    return isinstance(value, _TYPES[name])
