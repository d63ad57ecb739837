"""What the outputs of a key should be, from S3 and the recipe alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.simulation.pixels import acceptable, rendition
from tests.simulation.s3 import Bucket, Version

EXTENSION = {"jpeg": "jpg"}


def problems(source: Bucket, output: Bucket, key: str, recipe: Mapping[str, Any], *, failed: bool = False) -> list[str]:
    """What is wrong with the outputs of a key, now that all is quiet. `failed`: the wanted version's job was given up."""
    folder = f"processed/{key.removeprefix('raw/')}/"

    def torn() -> list[str]:
        return _torn(folder, files) if files else []

    files = {name[len(folder) :]: each for name in output.objects if name.startswith(folder) and (each := output.newest(name))}
    files = {name: each.body or b"" for name, each in files.items() if "/" not in name}
    versions = source.objects.get(key, [])
    wanted = _wanted(versions, recipe)
    if failed:
        return torn()
    if versions and versions[0].expired:  # the set that stood may stay
        return torn()
    if wanted is None and len(versions) == 1 and versions[0].id == "null" and versions[0].body is not None:
        return torn()  # refused, and nothing is left of what was beneath
    if wanted is None:
        return [f"{len(files)} files of a source that is gone or refused: {sorted(files)}"] if files else []
    if not files:
        return [f"no set of {wanted.id}"]
    found = torn()
    if not found:
        made = json.loads(files["manifest.json"])
        if made["source"]["etag"] != wanted.etag:
            found.append(f"the set is that of {made['source']['version_id']}, not of {wanted.id}")
        if made["recipe"]["hash"] != recipe["hash"]:
            found.append("the set was made by another recipe")
    return found


def _wanted(versions: list[Version], recipe: Mapping[str, Any]) -> Version | None:
    """The newest acceptable version above the last delete marker."""
    for version in versions:
        if version.body is None:
            return None
        if acceptable(version.body, recipe):
            return version
    return None


def _torn(folder: str, files: dict[str, bytes]) -> list[str]:
    """What keeps the files from being one whole set: a manifest, and exactly what it lists, all of one source and recipe."""
    try:
        made = json.loads(files["manifest.json"])
        listed = {each["key"].removeprefix(folder): each for each in made["renditions"]}
        bytes_ = {name: (each["name"], each["format"]) for name, each in listed.items()}
        expected = {name: rendition(made["source"]["etag"], made["recipe"]["hash"], *what) for name, what in bytes_.items()}
    except (KeyError, ValueError, TypeError) as error:
        return [f"{len(files)} files without a readable manifest ({error!r}): {sorted(files)}"]
    found = [f"{name} is missing" for name in sorted(expected.keys() - files.keys())]
    found += [f"orphan {name}" for name in sorted(files.keys() - expected.keys() - {"manifest.json"})]
    found += [f"{name} is of another set" for name in sorted(expected.keys() & files.keys()) if files[name] != expected[name]]
    return found if listed else ["a manifest without renditions"]
