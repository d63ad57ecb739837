"""What the outputs of a key should be, from S3 and the recipe alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.simulation.history import folder
from tests.simulation.pixels import acceptable, rendition
from tests.simulation.s3 import Bucket, Version


def problems(source: Bucket, output: Bucket, key: str, recipe: Mapping[str, Any], *, failed: bool = False) -> list[str]:
    """What is wrong with the outputs of a key. `failed`: the job of the wanted version was given up."""
    files, versions = outputs(output, key), source.objects.get(key, [])
    found, version = torn(files, key) if files else [], wanted(versions, recipe)
    # Refused, and replaced what it was uploaded over: there is nothing older to go back to.
    replaced = version is None and [(each.id, each.body is None) for each in versions] == [("null", False)]
    expired = versions[0].expired if versions else key in source.expired
    if replaced or expired:  # the last that is left of the photo may stay, without what was removed from it by hand
        return [each for each in found if not each.endswith(" is missing")]
    if failed:
        return found  # whatever set stood may stay
    if version is None:
        return [f"files of a source that is gone or refused: {', '.join(sorted(files))}"] if files else []
    if not files:
        return [f"no set of {version.id}"]
    made = json.loads(files["manifest.json"]) if not found else None
    if made and made["source"]["etag"] != version.etag:
        return [f"the set is that of {made['source']['version_id']}, not of {version.id}"]
    return ["the set was made by another recipe"] if made and made["recipe"]["hash"] != recipe["hash"] else found


def wanted(versions: list[Version], recipe: Mapping[str, Any]) -> Version | None:
    """The newest acceptable version above the last delete marker."""
    above = versions[: next((i for i, version in enumerate(versions) if version.body is None), None)]
    return next((version for version in above if acceptable(version.body or b"", recipe)), None)


def outputs(output: Bucket, key: str) -> dict[str, bytes]:
    """A key's files, by name. Those in deeper folders belong to other keys."""
    within = {name.removeprefix(folder(key)): of for name, of in output.objects.items() if name.startswith(folder(key))}
    return {name: versions[0].body or b"" for name, versions in within.items() if "/" not in name}


def torn(files: Mapping[str, bytes], key: str) -> list[str]:
    """What keeps files from being one whole set: a manifest, and what it lists, all of one source and recipe."""
    try:
        made = json.loads(files["manifest.json"])
        maker, listed = (made["source"]["etag"], made["recipe"]["hash"]), made["renditions"]
        bodies = [rendition(*maker, each["name"], each["format"]) for each in listed]
        expected = {each["key"].removeprefix(folder(key)): body for each, body in zip(listed, bodies, strict=True)}
    except (KeyError, ValueError, TypeError) as error:
        return [f"{len(files)} files without a readable manifest ({error!r}): {sorted(files)}"]
    found = [f"{name} is missing" for name in sorted(expected.keys() - files.keys())]
    found += [f"orphan {name}" for name in sorted(files.keys() - expected.keys() - {"manifest.json"})]
    mixed = [name for name, body in expected.items() if files.get(name, body) != body]
    found += [f"{name} is of another set" for name in sorted(mixed)]
    return found if expected else ["a manifest without renditions"]
