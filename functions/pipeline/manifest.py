"""The manifest: what the set of a source holds, and how a page shows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from engine.rejection import reject
from pipeline import keys, recipes

if TYPE_CHECKING:
    from contracts import Format, Gamut, ImageFacts, Job, Manifest, Placeholder, Recipe, Rendition, Result

SCHEMA_VERSION = 2
CONTENT_TYPES = {"avif": "image/avif", "webp": "image/webp", "jpeg": "image/jpeg", "png": "image/png"}

# Facts about an image that no manifest says: where the faces are is nobody's business.
PRIVATE = {"regions"}

# Formats for <img>, the most widely supported first.
_FALLBACKS: list[Format]
_FALLBACKS = ["jpeg", "png", "webp", "avif"]


class ForeignError(Exception):
    """A file in a manifest's place that Darkroom did not write for this source, or not so."""


def check_key(source_key: str, recipe: Recipe) -> None:
    """Raises Rejection for a source whose outputs could not be stored. Any other key is used exactly as it is."""
    outputs = [keys.output(source_key, name, format_) for name, format_ in recipes.outputs(recipe)]
    longest = max(len(key.encode()) for key in [keys.manifest(source_key), *outputs])
    if longest > keys.LONGEST:
        problem = f"it is {longest - keys.LONGEST:,} bytes too long for its renditions to be stored"
        raise reject("UNSUPPORTED_KEY", problem=problem)


def rendition(
    source_key: str, name: str, format_: Format, size: tuple[int, int], data: bytes, gamut: Gamut = "srgb"
) -> Rendition:
    """The entry for one encoded output of `size` (width, height in pixels)."""
    entry: Rendition = {
        "name": name,
        "key": keys.output(source_key, name, format_),
        "format": format_,
        "content_type": CONTENT_TYPES[format_],
        "width": size[0],
        "height": size[1],
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return entry if gamut == "srgb" else {**entry, "gamut": gamut}


def version(entry: Rendition) -> str:
    """What tells these bytes from others under the same key: in the rendition's URL, and in its object's metadata."""
    return entry["sha256"][:16]


def build(
    *,
    job: Job,
    image: ImageFacts,
    recipe: Recipe,
    placeholder: Placeholder,
    renditions: Iterable[Rendition],
    created_at: str,
    public_base_url: str = "",
) -> Manifest:
    """The manifest of a finished set. `renditions` may come in any order."""
    order = {output: position for position, output in enumerate(recipes.outputs(recipe))}
    entries = sorted(renditions, key=lambda entry: order[entry["name"], entry["format"]])
    named = ("key", "version_id", "etag", "size", "given")
    source = {name: value for name, value in job["source"].items() if name in named}
    document = {
        "schema_version": SCHEMA_VERSION,
        "job_id": job["job_id"],
        "round": job["round"],
        "attempt": job["attempt"],
        "created_at": created_at,
        "source": {**source, **{name: value for name, value in image.items() if name not in PRIVATE}},
        "recipe": {"name": recipe["name"], "hash": recipe["hash"]},
        "placeholder": placeholder,
        "renditions": entries,
    }
    return addressed(cast("Manifest", document), recipe, public_base_url)


def addressed(document: Manifest, recipe: Recipe, public_base_url: str) -> Manifest:
    """A manifest made by `recipe`, with its URLs under this base and its <picture> as the recipe has it now."""
    responsive = _responsive(document["renditions"], recipe)
    srcset = {
        format_: ", ".join(f"{_url(entry, public_base_url)} {entry['width']}w" for entry in same)
        for format_, same in responsive.items()
    }
    picture = _picture(responsive, srcset, recipe, public_base_url, document["source"].get("alt", ""))
    return sealed({**document, "srcset": srcset, "picture": picture})


def sealed(document: Manifest) -> Manifest:
    """A manifest with the digest of all its other fields: an edit by hand shows."""
    return {**document, "digest": _digest(document)}


def read(body: bytes, source_key: str) -> Manifest:
    """The manifest in a file. Raises ForeignError if it is not one that Darkroom wrote for this source."""
    try:
        document: Manifest = json.loads(body)
        if document["source"]["key"] != source_key:
            raise ForeignError("it is about another source")
        if document["digest"] != _digest(document):
            raise ForeignError("it was changed after Darkroom wrote it")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ForeignError(f"it is damaged ({type(error).__name__})") from error
    return document


def is_made_by(document: Manifest | None, job: Job) -> bool:
    """Whether this attempt made the set."""
    attempt = (job["job_id"], job["round"], job["attempt"])
    return document is not None and attempt == (document["job_id"], document["round"], document["attempt"])


def result(manifest: Manifest) -> Result:
    """What a job record says of a finished set."""
    return {
        "manifest_key": keys.manifest(manifest["source"]["key"]),
        "renditions": len(manifest["renditions"]),
        "bytes_in": manifest["source"]["size"],
        "bytes_out": sum(rendition["bytes"] for rendition in manifest["renditions"]),
    }


def _digest(document: Manifest) -> str:
    rest = {name: value for name, value in document.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


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


def _picture(
    responsive: Mapping[Format, list[Rendition]],
    srcset: Mapping[Format, str],
    recipe: Recipe,
    public_base_url: str,
    alt: str,
) -> str:
    """A <picture> element: the browser takes the first format that it knows, at the width that it needs."""
    fallback = next(format_ for format_ in _FALLBACKS if format_ in responsive)
    largest = responsive[fallback][-1]
    sizes = escape(recipe["picture_sizes"])
    sources = [
        f'<source type="{CONTENT_TYPES[format_]}" srcset="{escape(srcset[format_])}" sizes="{sizes}">'
        for format_ in responsive
        if format_ != fallback
    ]
    if any("frames" in entry for same in responsive.values() for entry in same) and "frames" not in largest:
        # Of an animation: who has asked for less motion gets the still picture.
        still = f'type="{CONTENT_TYPES[fallback]}" srcset="{escape(srcset[fallback])}" sizes="{sizes}"'
        sources.insert(0, f'<source media="(prefers-reduced-motion: reduce)" {still}>')
    image = (
        f'<img src="{escape(_url(largest, public_base_url))}" srcset="{escape(srcset[fallback])}"'
        f' sizes="{sizes}" width="{largest["width"]}" height="{largest["height"]}" alt="{escape(alt)}"'
        ' loading="lazy" decoding="async">'
    )
    return "".join(["<picture>", *sources, image, "</picture>"])


def _url(entry: Rendition, public_base_url: str) -> str:
    """The URL of these very bytes, relative without a base.

    The key is percent-encoded, commas too: they end a URL of a srcset.
    """
    path = f"{quote(entry['key'], safe='/')}?v={version(entry)}"
    return f"{public_base_url.rstrip('/')}/{path}" if public_base_url else path
