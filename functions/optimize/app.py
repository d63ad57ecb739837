"""OptimizeImage: encode each output once, write the manifest last, then remove what the set no longer has."""

from __future__ import annotations

import math
import os
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from engine import encoding, placeholder
from pipeline import clock, keys, manifest, recipes, storage

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

OUTPUT_BUCKET = os.environ["OUTPUT_BUCKET"]
PUBLIC_BASE_URL = os.environ["PUBLIC_BASE_URL"]
logger = Logger()

_MB_A_PROCESSOR = 1769
"""Lambda gives a function one processor for each of these that it has of memory."""


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`job`, `image`, `recipe` and `intermediates` → manifest_key, the number of renditions, bytes_in and bytes_out."""
    job = event["job"]
    logger.append_keys(job_id=job["job_id"])
    work = [intermediate["key"] for intermediate in event["intermediates"] if intermediate["key"]]
    key = keys.manifest(job["source"]["key"])
    finished = storage.get_json(OUTPUT_BUCKET, key)
    # If it is ours, an earlier call of this attempt got to the end, and only its answer was lost.
    if finished is None or not _is_ours(finished, job):
        threads = max(1, int(context.memory_limit_in_mb) // _MB_A_PROCESSOR)
        with TemporaryDirectory() as folder:
            images = encoding.Unpacked(*(storage.download(OUTPUT_BUCKET, key, Path(folder)) for key in work))
            finished = _finish(job, event["image"], event["recipe"], images, finished, threads)
        storage.put_json(OUTPUT_BUCKET, key, finished)
    storage.delete(OUTPUT_BUCKET, [*finished["obsolete"], *work])
    result = manifest.result(finished)
    logger.info("set finished", **result)
    return result


def _is_ours(finished: dict[str, Any], job: dict[str, Any]) -> bool:
    return all(finished[name] == job[name] for name in ("job_id", "round", "attempt"))


def _finish(
    job: dict[str, Any],
    facts: dict[str, Any],
    recipe: dict[str, Any],
    images: encoding.Unpacked,
    previous: dict[str, Any] | None,
    threads: int,
) -> dict[str, Any]:
    """Write the encoded outputs, each as soon as it is made, and return the manifest that lists them."""
    entries = []
    # Closed, for encoders that go on when a write has failed would work for nobody.
    with closing(encoding.encode_all(images, recipes.outputs(recipe), recipe, facts.get("rights"), threads)) as encoded:
        for name, kind, data in encoded:
            entry = manifest.rendition(job["source"]["key"], name, kind, images.sizes[name], data)
            storage.put(OUTPUT_BUCKET, entry["key"], data, entry["content_type"])
            entries.append(entry)
    return manifest.build(
        job=job,
        source=job["source"] | facts,
        recipe=recipe,
        placeholder=placeholder.placeholder(images[_smallest_whole(images.sizes, recipe)], recipe["background"]),
        renditions=entries,
        created_at=clock.now(),
        public_base_url=PUBLIC_BASE_URL,
        previous=previous,
    )


def _smallest_whole(sizes: dict[str, tuple[int, int]], recipe: dict[str, Any]) -> str:
    """The smallest of the images that show the whole source, or the smallest there is."""
    whole = [name for name, size in recipe["sizes"].items() if size["fit"] == "inside"]
    smallest: str = min(whole or recipe["sizes"], key=lambda name: math.prod(sizes[name]))
    return smallest
