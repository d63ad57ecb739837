"""What a set is: a manifest, and exactly the files that it lists, all of one source and recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from tests.simulation.history import FORGED, folder
from tests.simulation.pixels import origin, rendition
from tests.simulation.s3 import Bucket


def outputs(output: Bucket, key: str) -> dict[str, bytes]:
    """A key's files, by name. Those in deeper folders belong to other keys."""
    within = {name.removeprefix(folder(key)): of for name, of in output.objects.items() if name.startswith(folder(key))}
    return {name: versions[0].body or b"" for name, versions in within.items() if "/" not in name}


def torn(files: Mapping[str, bytes], key: str) -> list[str]:
    """What keeps files from being one whole set: a manifest, and what it lists, all of one source and recipe."""
    try:
        made = json.loads(files["manifest.json"])
        maker, listed = (origin(made["source"]), made["recipe"]["hash"]), made["renditions"]
        expected = {
            each["key"].removeprefix(folder(key)): rendition(*maker, each["name"], each["format"]) for each in listed
        }
    except (KeyError, ValueError, TypeError) as error:
        return [f"{len(files)} files without a readable manifest ({error!r}): {sorted(files)}"]
    found = [f"{name} is missing" for name in sorted(expected.keys() - files.keys())]
    found += [f"orphan {name}" for name in sorted(files.keys() - expected.keys() - {"manifest.json"})]
    other = [name for name, body in expected.items() if files.get(name, body) != body]
    found += [f"{name} is of another set" for name in sorted(other)]
    return found if expected else ["a manifest without renditions"]


def mixed(files: Mapping[str, bytes]) -> list[str]:
    """Whether files are of several sets, whatever is missing. Of a manifest, only what is genuine counts."""
    makers = {b" ".join(body.split()[:2]) for name, body in files.items() if name != "manifest.json"}
    with suppress(KeyError, ValueError, TypeError):
        made = json.loads(files["manifest.json"])
        if made["source"]["etag"] != FORGED:
            makers.add(f"{origin(made['source'])} {made['recipe']['hash']}".encode())
    return [f"files of {len(makers)} sets: {sorted(files)}"] if len(makers) > 1 else []
