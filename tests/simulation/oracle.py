"""What the outputs of a key should be, from S3 and the recipe alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.simulation.pixels import acceptable, rendition
from tests.simulation.s3 import Bucket, Version

Files = dict[str, bytes]  # by name; those in deeper folders belong to other keys


def problems(source: Bucket, output: Bucket, key: str, recipe: Mapping[str, Any], *, failed: bool = False) -> list[str]:
    """What is wrong with the outputs of a key. `failed`: the job of the wanted version was given up."""
    folder = f"processed/{key.removeprefix('raw/')}/"
    names = {name: name.removeprefix(folder) for name in output.objects if name.startswith(folder)}
    files = {short: output.objects[name][0].body or b"" for name, short in names.items() if "/" not in short}
    versions = source.objects.get(key, [])
    version = wanted(versions, recipe)
    # Refused, and replaced what it was uploaded over: there is nothing older to go back to.
    replaced = version is None and [(each.id, each.body is None) for each in versions] == [("null", False)]
    expired = versions[0].expired if versions else key in source.expired
    if failed or replaced or expired:
        return _torn(folder, files) if files else []  # whatever set stood may stay
    if version is None:
        return [f"files of a source that is gone or refused: {', '.join(sorted(files))}"] if files else []
    if not files:
        return [f"no set of {version.id}"]
    found = _torn(folder, files)
    made = json.loads(files["manifest.json"]) if not found else {"source": {}, "recipe": {}}
    if not found and made["source"]["etag"] != version.etag:
        found.append(f"the set is that of {made['source']['version_id']}, not of {version.id}")
    if not found and made["recipe"]["hash"] != recipe["hash"]:
        found.append("the set was made by another recipe")
    return found


def wanted(versions: list[Version], recipe: Mapping[str, Any]) -> Version | None:
    """The newest acceptable version above the last delete marker."""
    for version in versions:
        if version.body is None:
            return None
        if acceptable(version.body, recipe):
            return version
    return None


def _torn(folder: str, files: Files) -> list[str]:
    """What keeps files from being one whole set: a manifest, and what it lists, all of one source and recipe."""
    try:
        made = json.loads(files["manifest.json"])
        maker, listed = (made["source"]["etag"], made["recipe"]["hash"]), made["renditions"]
        expected = {
            each["key"].removeprefix(folder): rendition(*maker, each["name"], each["format"]) for each in listed
        }
    except (KeyError, ValueError, TypeError) as error:
        return [f"{len(files)} files without a readable manifest ({error!r}): {sorted(files)}"]
    found = [f"{name} is missing" for name in sorted(expected.keys() - files.keys())]
    found += [f"orphan {name}" for name in sorted(files.keys() - expected.keys() - {"manifest.json"})]
    mixed = [name for name, body in expected.items() if files.get(name, body) != body]
    found += [f"{name} is of another set" for name in sorted(mixed)]
    return found if expected else ["a manifest without renditions"]
