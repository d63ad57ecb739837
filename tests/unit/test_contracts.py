"""contracts.py and the JSON schemas agree. Mutants of both prove that the comparison notices every change."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import UnionType
from typing import (
    Any,
    Literal,
    NotRequired,
    Required,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import fastjsonschema
import pytest

import contracts
from pipeline import recipes
from tests.unit.shapes import Schema, differences, of_hint, of_schema


def objects(node: Any) -> Iterator[Schema]:
    """Each node of a schema that has fields; not `allOf`, the arguments of filters, which contracts.py leaves open."""
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for name, each in node.items():
            if name != "allOf":
                yield from objects(each)


def resolved(schema: Schema) -> Schema:
    """The schema of what `pipeline.recipes` makes of a document that keeps to `schema`."""
    schema = copy.deepcopy(schema)
    for node in objects(schema):
        with_default = [name for name, each in node["properties"].items() if "default" in each]
        node["required"] = [*node.get("required", []), *with_default]
    del schema["properties"]["$schema"]
    recipe, filtered = schema["definitions"]["recipe"], schema["definitions"]["filtered"]
    del recipe["properties"]["description"]
    recipe["properties"] |= {"name": {"type": "string"}, "hash": {"type": "string"}}
    recipe["required"] += ["name", "hash"]
    filtered["required"] += ["formats"]  # the recipe's, unless it has its own
    return schema


SCHEMAS: dict[Any, Schema] = {
    contracts.Recipes: resolved(json.loads(recipes.SCHEMA.read_text(encoding="utf-8"))),
    contracts.Manifest: json.loads((recipes.FUNCTIONS / "manifest.schema.json").read_text(encoding="utf-8")),
}
every_contract = pytest.mark.parametrize("contract", [pytest.param(each, id=each.__name__) for each in SCHEMAS])


def compared(contract: Any, schema: Schema) -> set[str]:
    return set(differences(of_hint(contract), of_schema(schema), contract.__name__))


@every_contract
def test_the_schema_agrees_with_the_contract(contract: Any) -> None:
    assert compared(contract, SCHEMAS[contract]) == set()


FULL = {
    "description": "for people",
    "sizes": {"only": {"width": 10, "height": 10, "fit": "contain"}},
    "filtered": {"gray": {"size": "only", "filters": [{"filter": "grayscale"}]}},
    "watermark": {"text": "x"},
    "quality": {"avif": {"target": 74}},
}


@pytest.mark.parametrize("recipe", [{"sizes": {"only": {"width": 10}}}, FULL], ids=["smallest", "full"])
def test_recipes_are_resolved_as_the_comparison_supposes(tmp_path: Path, recipe: dict[str, Any]) -> None:
    document = {"recipes": {"default": recipe}}
    (tmp_path / "recipes.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        fastjsonschema.validate(SCHEMAS[contracts.Recipes], document)
    fastjsonschema.validate(SCHEMAS[contracts.Recipes], recipes.load(tmp_path / "recipes.json"))


# --------------------------------------------------------------------------- mutants of the schemas


def rename(node: Schema, name: str) -> None:
    node["properties"]["renamed"] = node["properties"].pop(name)
    node["required"] = ["renamed" if each == name else each for each in node.get("required", [])]


def drop(node: Schema, name: str) -> None:
    del node["properties"][name]


def add(node: Schema, name: str) -> None:
    node["properties"]["added"] = node["properties"][name]


def toggle_required(node: Schema, name: str) -> None:
    node["required"] = sorted({*node.get("required", [])} ^ {name})


def change_type(node: Schema, name: str) -> None:
    is_boolean = node["properties"][name].get("type") == "boolean"
    node["properties"][name] = {"type": "integer" if is_boolean else "boolean"}


def toggle_null(node: Schema, name: str) -> None:
    kinds = node["properties"][name].get("type", "string")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    others = [kind for kind in kinds if kind != "null"]
    node["properties"][name] = node["properties"][name] | {"type": others if "null" in kinds else [*kinds, "null"]}


def allow_more(node: Schema, _name: str) -> None:
    node.pop("additionalProperties", None)
    node.pop("allOf", None)


@pytest.mark.parametrize("change", [rename, drop, add, toggle_required, change_type, toggle_null, allow_more])
@every_contract
def test_a_change_of_any_field_of_a_schema_is_noticed(contract: Any, change: Callable[[Schema, str], None]) -> None:
    schema = SCHEMAS[contract]
    fields = [(number, name) for number, node in enumerate(objects(schema)) for name in node["properties"]]
    assert len(fields) > 20
    for number, name in fields:
        mutant = copy.deepcopy(schema)
        node = list(objects(mutant))[number]
        if change is toggle_null and "$ref" in node["properties"][name]:
            continue  # null is allowed where the $ref leads
        change(node, name)
        assert compared(contract, mutant) != compared(contract, schema), name


def enumerations(node: Any) -> Iterator[list[Any]]:
    """Each enumeration of a schema that is a Literal in contracts.py; the others are plain strings there."""
    size, recipe = get_type_hints(contracts.Size), get_type_hints(contracts.Recipe)
    literals = [contracts.Format, contracts.SourceFormat, size["fit"], size["gravity"], *get_args(recipe["keep"])]
    literals += [recipe["never_larger"], recipe["gamut"], recipe["animation"]]
    if isinstance(node, dict):
        if set(node.get("enum", [])) in [set(get_args(literal)) for literal in literals]:
            yield node["enum"]
        for each in node.values():
            yield from enumerations(each)


@pytest.mark.parametrize("change", [lambda values: values.append("another"), lambda values: values.pop()])
@every_contract
def test_a_change_of_any_enumeration_of_a_schema_is_noticed(
    contract: Any, change: Callable[[list[Any]], object]
) -> None:
    schema = SCHEMAS[contract]
    count = len(list(enumerations(schema)))
    assert count >= 3
    for number in range(count):
        mutant = copy.deepcopy(schema)
        change(list(enumerations(mutant))[number])
        assert compared(contract, mutant) != compared(contract, schema), number


# --------------------------------------------------------------------------- mutants of the contracts

Fields = dict[str, tuple[Any, bool]]  # name → type, True if required


def typed_dicts(hint: Any) -> dict[Any, None]:
    """The TypedDicts of which a type consists, with the type itself."""
    parts: dict[Any, None] = {hint: None} if is_typeddict(hint) else {}
    for each in get_type_hints(hint).values() if is_typeddict(hint) else get_args(hint):
        parts |= typed_dicts(each)
    return parts


def mutated(hint: Any, target: Any, change: Callable[[Fields], object]) -> Any:
    """The type `hint`, with the fields of its part `target` changed."""
    if is_typeddict(hint):
        fields = {name: (each, name in hint.__required_keys__) for name, each in get_type_hints(hint).items()}
        if hint is target:
            change(fields)
        parts = {name: (Required if required else NotRequired, each) for name, (each, required) in fields.items()}
        return TypedDict(
            hint.__name__, {name: mark[mutated(each, target, change)] for name, (mark, each) in parts.items()}
        )
    inner = tuple(mutated(each, target, change) for each in get_args(hint))
    if get_origin(hint) in (list, dict):
        return get_origin(hint)[inner]
    if get_origin(hint) in (Union, UnionType):
        return Union[inner]  # noqa: UP007  (of a tuple)
    return hint


def other_null(hint: Any) -> Any:
    return get_args(hint)[0] if type(None) in get_args(hint) else hint | None


CHANGES: dict[str, Callable[[Fields, str], object]] = {
    "rename": lambda fields, name: fields.update(renamed=fields.pop(name)),
    "drop": lambda fields, name: fields.pop(name),
    "add": lambda fields, name: fields.update(added=fields[name]),
    "toggle required": lambda fields, name: fields.update({name: (fields[name][0], not fields[name][1])}),
    "change type": lambda fields, name: fields.update(
        {name: (int if fields[name][0] is bool else bool, fields[name][1])}
    ),
    "toggle null": lambda fields, name: fields.update({name: (other_null(fields[name][0]), fields[name][1])}),
}


@pytest.mark.parametrize("change", CHANGES)
@every_contract
def test_a_change_of_any_field_of_a_contract_is_noticed(contract: Any, change: str) -> None:
    fields = [(part, name) for part in typed_dicts(contract) for name in get_type_hints(part)]
    assert len(fields) > 20
    for part, name in fields:
        mutant = mutated(contract, part, lambda fields, name=name: CHANGES[change](fields, name))
        assert compared(mutant, SCHEMAS[contract]) != compared(contract, SCHEMAS[contract]), (part, name)


@pytest.mark.parametrize(
    ("contract", "part", "name", "hint"),
    [
        (contracts.Recipes, contracts.Size, "fit", Literal["inside", "cover", "contain", "another"]),
        (contracts.Recipes, contracts.Size, "fit", Literal["inside", "cover"]),
        (contracts.Recipes, contracts.Recipe, "formats", list[Literal["avif", "webp", "jpeg"]]),
        (contracts.Recipes, contracts.Limits, "formats", list[contracts.Format]),
        (contracts.Manifest, contracts.Rendition, "format", contracts.SourceFormat),
        (contracts.Manifest, contracts.ManifestSource, "format", contracts.Format),
        (contracts.Manifest, contracts.Manifest, "srcset", dict[Literal["avif"], str]),
    ],
)
def test_a_change_of_an_enumeration_of_a_contract_is_noticed(contract: Any, part: Any, name: str, hint: Any) -> None:
    mutant = mutated(contract, part, lambda fields: fields.update({name: (hint, fields[name][1])}))
    assert compared(mutant, SCHEMAS[contract]) != compared(contract, SCHEMAS[contract])


@every_contract
def test_a_contract_without_a_change_is_the_same(contract: Any) -> None:
    assert of_hint(mutated(contract, contract, lambda fields: None)) == of_hint(contract)
