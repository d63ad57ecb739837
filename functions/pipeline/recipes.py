"""Recipes: what to make of an upload. `python -m pipeline.recipes` checks recipes.json before it is deployed."""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pipeline import keys

if TYPE_CHECKING:
    from contracts import Format, Recipe, Recipes

# Part of every recipe's hash: raise it when the same recipe would make other pixels or other bytes.
ENGINE_VERSION = 5

FUNCTIONS = Path(__file__).parent.parent
SCHEMA = FUNCTIONS / "recipes.schema.json"

# What a JPEG takes, whatever is in it: its tables, and some bits for each square of 8 x 8 pixels.
_JPEG_BYTES, _JPEG_PIXELS_PER_BYTE = 600, 160


class RecipeError(Exception):
    """A recipe file that cannot be used. The message names the file and the field."""


def load(path: Path = FUNCTIONS / "recipes.json") -> Recipes:
    """The recipes and routes of a file, checked, with every default filled in. Raises RecipeError."""
    try:
        document = _validated(_parsed(path))
        for name, recipe in document["recipes"].items():
            _check_recipe(f"recipes.{name}", recipe)
            document["recipes"][name] = _resolved(name, recipe, path.parent / "watermarks")
        document["routes"] = _routes(document)
    except RecipeError as error:
        raise RecipeError(f"{path.name}: {error}") from error
    return cast("Recipes", document)


def route(document: Recipes, key: str) -> Recipe:
    """The resolved recipe for a source key: that of the longest matching prefix, or else `default`."""
    prefixes = [prefix for prefix in document["routes"] if key.startswith(prefix)]
    name = document["routes"][max(prefixes, key=len)] if prefixes else "default"
    return copy.deepcopy(document["recipes"][name])


def outputs(recipe: Recipe) -> list[tuple[str, Format]]:
    """Every (rendition name, format) that a finished set of this recipe holds."""
    sized = [(name, format_) for name in recipe["sizes"] for format_ in recipe["formats"]]
    filtered = [(name, format_) for name, each in recipe["filtered"].items() for format_ in each["formats"]]
    return sized + filtered


def _routes(document: dict[str, Any]) -> dict[str, str]:
    """The routes by prefixes of whole source keys. Raises RecipeError."""
    routes: dict[str, str] = {}
    for prefix, name in document["routes"].items():
        if name not in document["recipes"]:
            raise RecipeError(f"routes.{prefix} names {name!r}, which is not one of the recipes")
        whole = keys.source(prefix)
        if whole in routes:
            bare = whole.removeprefix(keys.SOURCE_PREFIX)
            raise RecipeError(f"routes.{bare} and routes.{whole} are the same prefix: keep one of them")
        routes[whole] = name
    return routes


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except OSError as error:
        raise RecipeError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RecipeError(f"is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of a JSON object. JSON lets a second field of the same name replace the first: here it is an error."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise RecipeError(f"{next(name for name in names if names.count(name) > 1)} occurs twice")
    return fields


def _refuse_constant(text: str) -> float:
    raise RecipeError(f"{text} is not a number that JSON knows")


def _validated(document: Any) -> dict[str, Any]:
    import fastjsonschema  # lazily: functions that load no recipes do not pay for it

    schema = json.loads(SCHEMA.read_text("utf-8"))
    try:
        # Every cold start pays for the compilation: without detailed errors it takes a quarter of the time.
        validate = fastjsonschema.compile(schema, use_formats=False, detailed_exceptions=False)
        # The first pass fills in default objects, the second one the defaults inside these.
        checked: dict[str, Any] = validate(validate(document))
        return checked
    except fastjsonschema.JsonSchemaValueException as error:
        raise RecipeError(_in_words(schema, document)) from error


def _in_words(schema: dict[str, Any], document: Any) -> str:
    """What is wrong with the document: a sentence that names the field."""
    import fastjsonschema

    try:
        fastjsonschema.validate(schema, document)
    except fastjsonschema.JsonSchemaValueException as error:
        name = str(error.name)
        field = name.removeprefix("data").lstrip(".") or "the document"
        problem = str(error.message).replace(name, field, 1)
        names = "must have names of at most 40 lower-case letters, digits, - and _"
        return problem.replace("must be named by propertyName definition", names)
    raise AssertionError("the validators disagree")


def _check_recipe(where: str, recipe: dict[str, Any]) -> None:
    """Check what a JSON Schema cannot say. Raises RecipeError."""
    for name, size in recipe["sizes"].items():
        missing = [side for side in ("width", "height") if side not in size]
        if len(missing) == 2 or (missing and size["fit"] != "inside"):
            raise RecipeError(f"{where}.sizes.{name}.{missing[0]} is missing (fit is {size['fit']})")
        if "background" in size and size["fit"] != "contain":
            raise RecipeError(f"{where}.sizes.{name}.background needs fit to be contain")
        least = _JPEG_BYTES + size.get("width", 0) * size.get("height", 0) // _JPEG_PIXELS_PER_BYTE
        if "jpeg" in recipe["formats"] and (recipe["max_bytes"]["jpeg"] or least) < least:
            raise RecipeError(f"{where}.max_bytes.jpeg must be at least {least}, which a JPEG of sizes.{name} may take")
    for name, rendition in recipe["filtered"].items():
        if name in recipe["sizes"]:
            raise RecipeError(f"{where}.filtered.{name} has the name of a size: rendition names are unique")
        if rendition["size"] not in recipe["sizes"]:
            raise RecipeError(f"{where}.filtered.{name}.size names {rendition['size']!r}, which is not a size")
    for field, mark in _marks(recipe):
        if ("text" in mark) == ("image" in mark):
            raise RecipeError(f"{where}.{field} must contain either text or image")
        if "font" not in mark and not mark.get("text", "").replace("\u00a9", "").isascii():
            raise RecipeError(f"{where}.{field}.text needs a font: the built-in one has only ASCII and \u00a9")


def _marks(recipe: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every watermark of the recipe, with the path of its field."""
    if recipe["watermark"]:
        yield "watermark", recipe["watermark"]
    for name, rendition in recipe["filtered"].items():
        for position, step in enumerate(rendition["filters"]):
            if step["filter"] == "watermark":
                yield f"filtered.{name}.filters[{position}]", step


def _resolved(name: str, recipe: dict[str, Any], watermarks: Path) -> dict[str, Any]:
    """The recipe with its name, its hash, and the defaults that depend on its other fields."""
    for size in recipe["sizes"].values():
        if size["fit"] == "contain":
            size.setdefault("background", recipe["background"])
    for rendition in recipe["filtered"].values():
        rendition.setdefault("formats", recipe["formats"])
    recipe.pop("description", None)
    files = dict(_file_digests(f"recipes.{name}", recipe, watermarks))
    # The page's layout shapes no file: with another picture_sizes, only manifests are renewed.
    drawn = {field: value for field, value in recipe.items() if field != "picture_sizes"}
    shaping = {"engine": ENGINE_VERSION, "recipe": drawn, "files": files}
    canonical = json.dumps(shaping, sort_keys=True, separators=(",", ":")).encode()
    return {"name": name, "hash": hashlib.sha256(canonical).hexdigest()[:16], **recipe}


def _file_digests(where: str, recipe: dict[str, Any], watermarks: Path) -> Iterator[tuple[str, str]]:
    """(file name, sha256) of every picture and font that the recipe's watermarks use."""
    for field, mark in _marks(recipe):
        for kind in ("image", "font"):
            if kind not in mark:
                continue
            try:
                content = (watermarks / mark[kind]).read_bytes()
            except OSError:
                missing = f"names {mark[kind]!r}, which is not in the folder {watermarks.name}"
                raise RecipeError(f"{where}.{field}.{kind} {missing}") from None
            yield mark[kind], hashlib.sha256(content).hexdigest()


def main() -> int:
    """Load recipes.json as the functions do: 0 if it can be used, 1 if not, with the error on stderr."""
    try:
        document = load()
    except RecipeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"recipes.json: no complaints ({', '.join(document['recipes'])})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
