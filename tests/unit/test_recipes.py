"""recipes.json: defaults, routes, errors that name the field, and the hash."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contracts import Recipes
from engine import filters
from pipeline import keys, recipes

SHIPPED = json.loads((recipes.FUNCTIONS / "recipes.json").read_text())


def load(tmp_path: Path, document: Any) -> Recipes:
    path = tmp_path / "recipes.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return recipes.load(path)


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The shipped document with one field of the default recipe changed."""
    document = copy.deepcopy(SHIPPED)
    *parents, last = path
    at = document["recipes"]["default"]
    for name in parents:
        at = at[name]
    at[last] = value
    return document


def test_the_default_recipe_makes_13_outputs() -> None:
    outputs = recipes.outputs(recipes.route(recipes.load(), "raw/cats/tom.jpg"))
    assert len(outputs) == len(set(outputs)) == 13
    assert ("thumbnail", "avif") in outputs
    assert ("grayscale", "webp") in outputs


def test_defaults_are_filled_in_at_every_depth() -> None:
    recipe = recipes.route(recipes.load(), "raw/x")
    assert recipe["quality"]["jpeg"] == 75
    assert recipe["effort"]["avif"] is None
    assert recipe["limits"]["bytes"] == 100 * 2**20
    assert recipe["sizes"]["large"]["fit"] == "inside"
    assert recipe["watermark"] is None
    assert "tiff" not in recipe["limits"]["formats"]


def test_the_longest_prefix_wins(tmp_path: Path) -> None:
    document = {
        "recipes": {name: {"sizes": {"only": {"width": 10}}} for name in ("default", "a", "b")},
        "routes": {"raw/a/": "a", "raw/a/b/": "b"},
    }
    loaded = load(tmp_path, document)
    names = [recipes.route(loaded, key)["name"] for key in ("raw/x", "raw/a/x", "raw/a/b/x", "raw/ab")]
    assert names == ["default", "a", "b", "default"]


@pytest.mark.parametrize("prefix", ["raw/", "photos/2024/"])
@pytest.mark.parametrize("written", ["products/", "{}products/"])
def test_a_route_is_written_with_or_without_the_source_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, written: str
) -> None:
    monkeypatch.setattr(keys, "SOURCE_PREFIX", prefix)
    loaded = load(tmp_path, {**SHIPPED, "routes": {written.format(prefix): "products"}})
    assert loaded["routes"] == {f"{prefix}products/": "products"}
    paths = ("products/x", "products/a/x", "products", "x", "other/products/x")
    names = [recipes.route(loaded, prefix + path)["name"] for path in paths]
    assert names == ["products", "products", "default", "default", "default"]


@pytest.mark.parametrize("path", ["products/", ""])
def test_a_route_is_not_written_twice(tmp_path: Path, path: str) -> None:
    with pytest.raises(recipes.RecipeError) as caught:
        load(tmp_path, {**SHIPPED, "routes": {path: "products", f"raw/{path}": "default"}})
    assert f"routes.{path} and routes.raw/{path} are the same prefix" in str(caught.value)


def test_an_empty_prefix_is_a_route_like_any_other(tmp_path: Path) -> None:
    document = {"recipes": {n: {"sizes": {"only": {"width": 10}}} for n in ("default", "a")}, "routes": {"": "a"}}
    assert recipes.route(load(tmp_path, document), "raw/x")["name"] == "a"


def test_a_resolved_recipe_is_the_callers_own() -> None:
    loaded = recipes.load()
    recipes.route(loaded, "raw/x")["sizes"].clear()
    assert recipes.route(loaded, "raw/x")["sizes"]


BAD = [
    (("sizes", "large", "width"), "1600", "sizes.large.width must be integer"),
    (("sizes", "large", "width"), True, "sizes.large.width must be integer"),
    (("sizes", "large", "width"), 100_000, "sizes.large.width must be smaller than or equal to 8192"),
    (("sizes", "../x"), {"width": 1}, "sizes must have names"),
    (("sizes", "x"), {"width": 1, "fit": "cover"}, "sizes.x.height is missing (fit is cover)"),
    (("sizes", "x"), {}, "sizes.x.width is missing"),
    (("sizes", "x"), {"width": 1, "background": "#ffffff"}, "sizes.x.background needs fit to be contain"),
    (("widht",), 1, "must not contain {'widht'}"),
    (("formats",), ["gif"], "formats[0] must be one of"),
    (("formats",), [], "formats must contain at least 1"),
    (("background",), "white", "background must match"),
    (("quality",), {"jpeg": 0}, "quality.jpeg must be bigger than or equal to 1"),
    (("effort",), {"avif": 11}, "effort.avif must be smaller than or equal to 10"),
    (("limits",), {"bytes": 10**15}, "limits.bytes must be smaller"),
    (("limits",), {"formats": ["eps"]}, "limits.formats[0] must be one of"),
    (("filtered", "grayscale", "size"), "huge", "filtered.grayscale.size names 'huge', which is not a size"),
    (("filtered", "large"), {"size": "large", "filters": [{"filter": "blur"}]}, "filtered.large has the name"),
    (("filtered", "grayscale", "filters"), [{}], "filters[0] must contain ['filter']"),
    (("filtered", "grayscale", "filters"), [{"filter": "blurr"}], "filters[0].filter must be one of"),
    (("filtered", "grayscale", "filters"), [{"filter": "blur", "amount": 1}], "filters[0] must not contain {'amount'}"),
    (("filtered", "grayscale", "filters"), [{"filter": "blur", "radius": 101}], "filters[0].radius must be smaller"),
    (("filtered", "grayscale", "filters"), [{"filter": "watermark"}], "filters[0] must contain either text or image"),
    (("watermark",), {"text": "a", "image": "b.png"}, "watermark must contain either text or image"),
    (("watermark",), {"text": "Möbius"}, "watermark.text needs a font"),
    (("watermark",), {"image": "absent.png"}, "watermark.image names 'absent.png', which is not in the folder"),
    (("watermark",), {"image": "../secret.png"}, "watermark.image must match"),
]


@pytest.mark.parametrize(("path", "value", "problem"), BAD)
def test_an_error_names_the_file_and_the_field(tmp_path: Path, path: tuple[str, ...], value: Any, problem: str) -> None:
    with pytest.raises(recipes.RecipeError) as caught:
        load(tmp_path, changed(path, value))
    assert str(caught.value).startswith("recipes.json: recipes.default")
    assert problem in str(caught.value)


@pytest.mark.parametrize("sizes", ["100vw\n", '100vw"', "100vw'", "a<b", "a>b", "a&b", "ü", "", "x" * 501])
def test_picture_sizes_is_one_line_that_needs_no_escape(tmp_path: Path, sizes: str) -> None:
    with pytest.raises(recipes.RecipeError, match=r"recipes\.default\.picture_sizes must"):
        load(tmp_path, changed(("picture_sizes",), sizes))


def test_a_route_must_name_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(recipes.RecipeError, match=r"recipes\.json: routes\.raw/a/ names 'b'"):
        load(tmp_path, {**SHIPPED, "routes": {"raw/a/": "b"}})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "the document must be object"),
        ("{}", "the document must contain"),
        ('{"recipes": {"default": {"sizes": {"a": {"width": 1}, "a": {"width": 2}}}}}', "a occurs twice"),
        ('{"recipes": NaN}', "NaN"),
    ],
)
def test_a_file_that_is_no_recipe_document(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(recipes.RecipeError, match=problem):
        load(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(recipes.RecipeError, match=r"absent\.json: cannot be read"):
        recipes.load(tmp_path / "absent.json")


def test_the_hash_changes_with_the_outputs_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hash_of(document: Any) -> str:
        return recipes.route(load(tmp_path, document), "raw/x")["hash"]

    before = hash_of(SHIPPED)
    assert len(before) == 16
    assert hash_of(SHIPPED) == before
    assert hash_of(changed(("description",), "for people")) == before
    assert hash_of(changed(("quality",), {"jpeg": 75})) == before  # what the default is anyway
    assert hash_of(changed(("picture_sizes",), "100vw")) == before  # it is the page's
    assert hash_of(changed(("quality",), {"jpeg": 81})) != before
    monkeypatch.setattr(recipes, "ENGINE_VERSION", recipes.ENGINE_VERSION + 1)
    assert hash_of(SHIPPED) != before


def test_the_hash_changes_with_the_bytes_of_a_watermark(tmp_path: Path) -> None:
    (tmp_path / "watermarks").mkdir()
    logo = tmp_path / "watermarks" / "logo.png"
    hashes = set()
    for color in ("red", "blue"):
        Image.new("RGB", (2, 2), color).save(logo)
        hashes.add(recipes.route(load(tmp_path, changed(("watermark",), {"image": "logo.png"})), "raw/x")["hash"])
    assert len(hashes) == 2


def test_the_schema_knows_every_filter_and_describes_every_field() -> None:
    schema = json.loads(recipes.SCHEMA.read_text())
    assert set(schema["definitions"]["filter"]["properties"]["filter"]["enum"]) == set(filters.FILTERS)
    definitions = schema["definitions"]
    for name in ("recipe", "size", "filtered", "watermark", "limits"):
        for field, rules in definitions[name]["properties"].items():
            assert rules.get("description"), f"{name}.{field}"
    for branch in definitions["filter"]["allOf"]:
        for field, rules in branch["then"]["properties"].items():
            assert field == "filter" or rules.get("description"), branch


def test_a_bound_that_no_jpeg_can_keep_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipes.json"
    sizes = {"large": {"width": 1600, "height": 1600}}
    for bound, formats in ((16_600, ["jpeg"]), (2000, ["webp"])):
        path.write_text(
            json.dumps({"recipes": {"default": {"sizes": sizes, "formats": formats, "max_bytes": {"jpeg": bound}}}})
        )
        recipes.load(path)
    path.write_text(json.dumps({"recipes": {"default": {"sizes": sizes, "max_bytes": {"jpeg": 16_599}}}}))
    with pytest.raises(
        recipes.RecipeError, match=r"max_bytes\.jpeg must be at least 16600, which a JPEG of sizes\.large"
    ):
        recipes.load(path)
