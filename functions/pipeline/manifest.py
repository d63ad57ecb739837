"""The manifest: what the set of a source holds, and how a page shows it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from engine.rejection import reject
from pipeline import keys, recipes

if TYPE_CHECKING:
    from contracts import Format, ImageFacts, Job, Manifest, Placeholder, Recipe, Rendition, Result

SCHEMA_VERSION = 1
CONTENT_TYPES = {"avif": "image/avif", "webp": "image/webp", "jpeg": "image/jpeg", "png": "image/png"}

# Formats for <img>, the most widely supported first.
_FALLBACKS: list[Format]
_FALLBACKS = ["jpeg", "png", "webp", "avif"]


def check_key(source_key: str, recipe: Recipe) -> None:
    """Raises Rejection for a source whose outputs could not be stored. Any other key is used exactly as it is."""
    outputs = [keys.output(source_key, name, format_) for name, format_ in recipes.outputs(recipe)]
    longest = max(len(key.encode()) for key in [keys.manifest(source_key), *outputs])
    if longest > keys.LONGEST:
        problem = f"it is {longest - keys.LONGEST:,} bytes too long for its renditions to be stored"
        raise reject("UNSUPPORTED_KEY", problem=problem)


def set_keys(manifest: Manifest) -> list[str]:
    """The keys of a manifest's renditions, and of the obsolete files that it lists."""
    return [*(rendition["key"] for rendition in manifest["renditions"]), *manifest["obsolete"]]


def rendition(source_key: str, name: str, format_: Format, size: tuple[int, int], data: bytes) -> Rendition:
    """The entry for one encoded output of `size` (width, height in pixels)."""
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
    job: Job,
    image: ImageFacts,
    recipe: Recipe,
    placeholder: Placeholder,
    renditions: Iterable[Rendition],
    created_at: str,
    public_base_url: str = "",
    previous: Manifest | None = None,
) -> Manifest:
    """The manifest of a finished set, in place of `previous`. `renditions` may come in any order."""
    order = {output: position for position, output in enumerate(recipes.outputs(recipe))}
    entries = sorted(renditions, key=lambda entry: order[entry["name"], entry["format"]])
    current = {entry["key"] for entry in entries}
    responsive = _responsive(entries, recipe)
    srcset = {
        format_: ", ".join(f"{_url(entry['key'], public_base_url)} {entry['width']}w" for entry in same)
        for format_, same in responsive.items()
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "job_id": job["job_id"],
        "round": job["round"],
        "attempt": job["attempt"],
        "created_at": created_at,
        "source": {**job["source"], **image},
        "recipe": {"name": recipe["name"], "hash": recipe["hash"]},
        "placeholder": placeholder,
        "renditions": entries,
        "srcset": srcset,
        "picture": _picture(responsive, srcset, public_base_url),
        "obsolete": sorted(set(set_keys(previous)) - current) if previous else [],
    }


def result(manifest: Manifest) -> Result:
    """What a job record says of a finished set."""
    return {
        "manifest_key": keys.manifest(manifest["source"]["key"]),
        "renditions": len(manifest["renditions"]),
        "bytes_in": manifest["source"]["size"],
        "bytes_out": sum(rendition["bytes"] for rendition in manifest["renditions"]),
    }


def _responsive(entries: list[Rendition], recipe: Recipe) -> dict[Format, list[Rendition]]:
    """Per format, narrow to wide, one per width: the renditions that show the same picture as the largest."""
    sized = [entry for entry in entries if entry["name"] in recipe["sizes"]]
    inside = [entry for entry in sized if recipe["sizes"][entry["name"]]["fit"] == "inside"]
    largest = max(inside or sized, key=lambda entry: entry["width"] * entry["height"])
    fit = recipe["sizes"][largest["name"]]["fit"]
    chosen: dict[Format, dict[int, Rendition]] = {}
    for entry in sorted(sized, key=lambda entry: entry["width"]):
        if recipe["sizes"][entry["name"]]["fit"] == fit and _same_shape(entry, largest):
            chosen.setdefault(entry["format"], {}).setdefault(entry["width"], entry)
    return {format_: list(chosen[format_].values()) for format_ in recipe["formats"]}


def _same_shape(entry: Rendition, largest: Rendition) -> bool:
    """Whether both have the same aspect ratio, as far as whole pixels can tell."""
    difference = entry["width"] * largest["height"] - entry["height"] * largest["width"]
    return abs(difference) <= max(largest["width"], largest["height"])


def _picture(responsive: Mapping[Format, list[Rendition]], srcset: Mapping[Format, str], public_base_url: str) -> str:
    """A <picture> element: the browser takes the first format that it knows, at the width that it needs."""
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
    """The key's URL, relative without a base. It is percent-encoded, commas too: they end a URL of a srcset."""
    path = quote(key, safe="/")
    return f"{public_base_url.rstrip('/')}/{path}" if public_base_url else path
