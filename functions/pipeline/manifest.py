"""The manifest: what a source's set holds, and how a page shows it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from engine.rejection import reject
from pipeline import keys, recipes

SCHEMA_VERSION = 1
CONTENT_TYPES = {"avif": "image/avif", "webp": "image/webp", "jpeg": "image/jpeg", "png": "image/png"}

_FALLBACKS = ["jpeg", "png", "webp", "avif"]
"""Formats for <img>, the most widely shown first."""


def longest_key_bytes(source_key: str, recipe: recipes.Recipe) -> int:
    """Length in UTF-8 of the longest key of the set."""
    outputs = [keys.output(source_key, name, format_) for name, format_ in recipes.outputs(recipe)]
    return max(len(key.encode()) for key in [keys.manifest(source_key), *outputs])


def check_key(source_key: str, recipe: recipes.Recipe) -> None:
    """Raises Rejection for a source whose outputs could not be stored. Any other key is carried through exactly."""
    longest = longest_key_bytes(source_key, recipe)
    if longest > keys.LONGEST:
        problem = f"it is {longest - keys.LONGEST:,} bytes too long for its renditions to be stored"
        raise reject("UNSUPPORTED_KEY", problem=problem)


def set_keys(manifest: Mapping[str, Any]) -> list[str]:
    """Every key that may exist because of a manifest: its renditions, and those that it still had to remove."""
    return [*(rendition["key"] for rendition in manifest["renditions"]), *manifest["obsolete"]]


def rendition(source_key: str, name: str, format_: str, size: tuple[int, int], data: bytes) -> dict[str, Any]:
    """The manifest's entry for one encoded output of `size` (width, height)."""
    return {
        "name": name,
        "key": keys.output(source_key, name, format_),
        "format": format_,
        "content_type": CONTENT_TYPES[format_],
        "width": size[0],
        "height": size[1],
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def build(
    *,
    job: Mapping[str, Any],
    source: Mapping[str, Any],
    recipe: recipes.Recipe,
    placeholder: Mapping[str, str],
    renditions: Iterable[Mapping[str, Any]],
    created_at: str,
    public_base_url: str = "",
    previous: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The manifest of a finished set.

    `job` has job_id, round and attempt; `source` is recorded as it is given; `renditions` come from `rendition`, in any
    order; `created_at` is ISO 8601; `previous` is the manifest that this one replaces.
    """
    order = {output: position for position, output in enumerate(recipes.outputs(recipe))}
    entries = sorted(map(dict, renditions), key=lambda entry: order[entry["name"], entry["format"]])
    current = {entry["key"] for entry in entries}
    responsive = _responsive(entries, recipe)
    srcset = {
        format_: ", ".join(f"{_url(entry['key'], public_base_url)} {entry['width']}w" for entry in same)
        for format_, same in responsive.items()
    }
    return {
        "schema_version": SCHEMA_VERSION,
        **{field: job[field] for field in ("job_id", "round", "attempt")},
        "created_at": created_at,
        "source": dict(source),
        "recipe": {field: recipe[field] for field in ("name", "hash")},
        "placeholder": dict(placeholder),
        "renditions": entries,
        "srcset": srcset,
        "picture": _picture(responsive, srcset, public_base_url),
        "obsolete": sorted(set(set_keys(previous)) - current) if previous else [],
    }


def result(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a job record says of a finished set: its manifest's key, its number of renditions, bytes in and out."""
    return {
        "manifest_key": keys.manifest(manifest["source"]["key"]),
        "renditions": len(manifest["renditions"]),
        "bytes_in": manifest["source"]["size"],
        "bytes_out": sum(rendition["bytes"] for rendition in manifest["renditions"]),
    }


def _responsive(entries: list[dict[str, Any]], recipe: recipes.Recipe) -> dict[str, list[dict[str, Any]]]:
    """Per format, narrow to wide, the renditions that show the same as the largest: one that fits as it does, in the
    same shape. A cropped thumbnail is another picture; and where sizes come out equal, one of them is enough."""
    sized = [entry for entry in entries if entry["name"] in recipe["sizes"]]
    inside = [entry for entry in sized if recipe["sizes"][entry["name"]]["fit"] == "inside"]
    largest = max(inside or sized, key=lambda entry: entry["width"] * entry["height"])
    fit = recipe["sizes"][largest["name"]]["fit"]
    chosen: dict[str, dict[int, dict[str, Any]]] = {}
    for entry in sorted(sized, key=lambda entry: int(entry["width"])):
        if recipe["sizes"][entry["name"]]["fit"] == fit and _same_shape(entry, largest):
            chosen.setdefault(entry["format"], {}).setdefault(entry["width"], entry)
    return {format_: list(chosen[format_].values()) for format_ in recipe["formats"]}


def _same_shape(entry: Mapping[str, Any], largest: Mapping[str, Any]) -> bool:
    """Whether both have one aspect ratio, as well as whole pixels can tell."""
    difference: int = entry["width"] * largest["height"] - entry["height"] * largest["width"]
    tolerance: int = max(largest["width"], largest["height"])
    return abs(difference) <= tolerance


def _picture(responsive: Mapping[str, list[dict[str, Any]]], srcset: Mapping[str, str], public_base_url: str) -> str:
    """A <picture> element: the browser takes the first format that it knows, in the width that it needs."""
    fallback = next(format_ for format_ in _FALLBACKS if format_ in responsive)
    largest = responsive[fallback][-1]
    sizes = f"(max-width: {largest['width']}px) 100vw, {largest['width']}px"
    sources = [
        f'<source type="{CONTENT_TYPES[format_]}" srcset="{escape(srcset[format_])}" sizes="{sizes}">'
        for format_ in responsive
        if format_ != fallback
    ]
    image = (
        f'<img src="{escape(_url(largest["key"], public_base_url))}" srcset="{escape(srcset[fallback])}"'
        f' sizes="{sizes}" width="{largest["width"]}" height="{largest["height"]}" alt="" loading="lazy">'
    )
    return "".join(["<picture>", *sources, image, "</picture>"])


def _url(key: str, public_base_url: str) -> str:
    """The key's URL, percent-encoded; relative without a base. What is left has no comma, which ends a srcset's URL."""
    path = quote(key, safe="/")
    return f"{public_base_url.rstrip('/')}/{path}" if public_base_url else path
