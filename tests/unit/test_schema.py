"""The quick check of recipes against the thorough one: both accept the same documents, and fill in the same."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import fastjsonschema
import pytest

from pipeline import recipes, schema

SCHEMA = json.loads(recipes.SCHEMA.read_text("utf-8"))
THOROUGH = fastjsonschema.compile(SCHEMA, use_formats=False, detailed_exceptions=False)
FILTERS = SCHEMA["definitions"]["filter"]["properties"]["filter"]["enum"]
RICH: dict[str, Any]
RICH = {
    "recipes": {
        "default": {"sizes": {"large": {"width": 1600}}},
        "rich": {
            "description": "with one of each",
            "sizes": {
                "a": {"width": 10, "height": 1.0, "fit": "cover", "gravity": "focus"},
                "b": {"width": 9, "height": 9, "fit": "contain", "background": "transparent"},
            },
            "formats": ["png", "avif"],
            "filtered": {
                "f": {"size": "a", "filters": [{"filter": name} for name in FILTERS], "formats": ["webp"]},
                "g": {
                    "size": "a",
                    "filters": [{"filter": "blur", "radius": 2.5}, {"filter": "watermark", "text": "ü"}],
                },
            },
            "quality": {"avif": {"target": 74, "floor": 40}, "webp": 80},
            "max_bytes": {"avif": 2000, "jpeg": None},
            "effort": {"avif": None, "png": 6},
            "background": "#00Ff00",
            "watermark": {"text": "me", "opacity": 0.5, "color": "#ffffff"},
            "picture_sizes": "100vw",
            "keep": ["alt", "rights"],
            "limits": {"formats": ["jpeg"], "bytes": 10_000},
        },
    },
    "routes": {"products/": "rich"},
}
VALUES: list[Any]
VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1,
    1.0,
    1.5,
    74,
    1e9,
    10**30,
    float("inf"),
    "",
    "x",
    "A",
    "a\n",
    "#ffffff",
    "#ffffff\n",
]
VALUES += [
    "avif",
    "cover",
    "transparent",
    [],
    ["avif", "avif"],
    ["png"],
    {},
    {"x": 1},
    {"target": 74},
    {"filter": "blur"},
]


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a document, with each of its keys or positions."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


def mutant(chance: random.Random) -> Any:
    document = copy.deepcopy(RICH)
    for _ in range(chance.choice([1, 1, 2])):
        node, key = chance.choice(list(places(document)))
        how = chance.randrange(4)
        if how == 0:
            del node[key]
        elif how == 1 and isinstance(node, dict):
            node[chance.choice(["", "x", "X", "a" * 41, "width", "filter", "amount", "text", "target", key + "\n"])] = (
                node[key]
            )
        elif how == 1:
            node.append(copy.deepcopy(node[key]))
        else:
            node[key] = copy.deepcopy(chance.choice(VALUES))
    return document


def thoroughly(document: Any) -> Any:
    """The document with its defaults, or None if it does not hold."""
    try:
        return THOROUGH(THOROUGH(copy.deepcopy(document)))
    except fastjsonschema.JsonSchemaValueException:
        return None


def quickly(document: Any) -> Any:
    filled = copy.deepcopy(document)
    return filled if schema.fill(SCHEMA, filled) else None


def test_both_checks_agree() -> None:
    chance = random.Random(7)
    accepted = 0
    for document in [RICH, {}, [], None, 1, *(mutant(chance) for _ in range(1500))]:
        wanted = thoroughly(document)
        assert quickly(document) == wanted, document
        accepted += wanted is not None
    assert 150 < accepted < 1350  # neither is as good as all of them


def test_defaults_are_not_shared() -> None:
    filled = quickly({"recipes": {"default": {"sizes": {"a": {"width": 1}}}, "b": {"sizes": {"a": {"width": 1}}}}})
    assert filled["recipes"]["default"]["limits"] == filled["recipes"]["b"]["limits"]
    assert filled["recipes"]["default"]["limits"] is not filled["recipes"]["b"]["limits"]


@pytest.mark.parametrize("keyword", [{"anyOf": []}, {"const": 1}, {"exclusiveMinimum": 1}])
def test_a_keyword_that_it_does_not_know_is_told(keyword: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        schema.fill({"definitions": {}, "properties": {"a": keyword}}, {"a": 1})


def test_a_cold_start_loads_recipes_without_the_thorough_check() -> None:
    program = "import sys; from pipeline import recipes; recipes.load(); sys.exit('fastjsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=recipes.FUNCTIONS).returncode == 0
