"""What the outputs of a key should be, from S3 and the recipe alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.simulation.pixels import acceptable
from tests.simulation.s3 import Bucket, Version
from tests.simulation.sets import mixed, outputs, torn


def problems(
    source: Bucket, output: Bucket, key: str, recipe: Mapping[str, Any], *, failed: bool = False, harmed: bool = False
) -> list[str]:
    """What is wrong with the outputs of a key.

    `failed`: the job of the wanted version was given up; `harmed`: somebody removed or edited an output by hand.
    """
    files, versions = outputs(output, key), source.objects.get(key, [])
    found, version = torn(files, key) if files else [], wanted(versions, recipe)
    # Refused, and replaced what it was uploaded over: there is nothing older to go back to.
    replaced = version is None and [(each.id, each.body is None) for each in versions] == [("null", False)]
    expired = versions[0].expired if versions else key in source.expired
    if replaced or expired or failed:  # whatever set stood may stay; what was done to it by hand cannot be mended
        return mixed(files) if harmed else found
    if version is None:
        return [f"files of a source that is gone or refused: {', '.join(sorted(files))}"] if files else []
    if not files:
        return [f"no set of {version.id}"]
    made = json.loads(files["manifest.json"]) if not found else None
    if made and made["source"]["etag"] != version.etag:
        return [f"the set is that of {made['source']['version_id']}, not of {version.id}"]
    if made and made["source"].get("given", {}) != version.metadata:
        return [f"the set was made with {made['source'].get('given', {})}, not with {version.metadata}"]
    return ["the set was made by another recipe"] if made and made["recipe"]["hash"] != recipe["hash"] else found


def wanted(versions: list[Version], recipe: Mapping[str, Any]) -> Version | None:
    """The newest acceptable version above the last delete marker."""
    above = versions[: next((i for i, version in enumerate(versions) if version.body is None), None)]
    return next((version for version in above if acceptable(version.body or b"", recipe)), None)
