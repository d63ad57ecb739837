"""OptimizeImage: encode each output once, write the manifest last, then remove what the set no longer has."""

from __future__ import annotations

import math
import os
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from engine import encoding, placeholder
from pipeline import clock, keys, manifest, recipes, storage

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from contracts import Manifest, OptimizeEvent, Recipe, Result

OUTPUT_BUCKET = os.environ["OUTPUT_BUCKET"]
PUBLIC_BASE_URL = os.environ["PUBLIC_BASE_URL"]
# Lambda gives a function one processor per 1769 MB of memory.
MB_PER_PROCESSOR = 1769
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: OptimizeEvent, context: LambdaContext) -> Result:
    """Finish the job's set from the intermediates of both branches."""
    job = event["job"]
    logger.append_keys(job_id=job["job_id"])
    work = [intermediate["key"] for intermediate in event["intermediates"] if intermediate["key"]]
    key = keys.manifest(job["source"]["key"])
    standing = storage.get_manifest(OUTPUT_BUCKET, key)
    attempt = (job["job_id"], job["round"], job["attempt"])
    if standing and attempt == (standing["job_id"], standing["round"], standing["attempt"]):
        finished = standing  # by an earlier call of this attempt, whose answer was lost
    else:
        threads = max(1, int(context.memory_limit_in_mb) // MB_PER_PROCESSOR)
        with TemporaryDirectory() as folder:
            images = encoding.Unpacked(*(storage.download(OUTPUT_BUCKET, key, Path(folder)) for key in work))
            finished = _finish(event, images, standing, threads)
        storage.put_manifest(OUTPUT_BUCKET, key, finished)
    storage.delete(OUTPUT_BUCKET, [*finished["obsolete"], *work])
    result = manifest.result(finished)
    logger.info("set finished", **result)
    return result


def _finish(event: OptimizeEvent, images: encoding.Unpacked, previous: Manifest | None, threads: int) -> Manifest:
    """Write the encoded outputs, each as soon as it is encoded, and return the manifest that lists them."""
    job, image, recipe = event["job"], event["image"], event["recipe"]
    entries = []
    outputs = recipes.outputs(recipe)
    # Closing the generator cancels the encodes that are still queued if a write fails.
    with closing(encoding.encode_all(images, outputs, recipe, image.get("rights"), threads)) as encoded:
        for name, format_, data in encoded:
            entry = manifest.rendition(job["source"]["key"], name, format_, images.sizes[name], data)
            storage.put(OUTPUT_BUCKET, entry["key"], data, entry["content_type"])
            entries.append(entry)
    return manifest.build(
        job=job,
        image=image,
        recipe=recipe,
        placeholder=placeholder.placeholder(images[_smallest_whole(images.sizes, recipe)], recipe["background"]),
        renditions=entries,
        created_at=clock.now(),
        public_base_url=PUBLIC_BASE_URL,
        previous=previous,
    )


def _smallest_whole(sizes: dict[str, tuple[int, int]], recipe: Recipe) -> str:
    """The smallest size with the fit `inside`, or the smallest size if the recipe has none."""
    whole = [name for name, size in recipe["sizes"].items() if size.get("fit") == "inside"]
    return min(whole or recipe["sizes"], key=lambda name: math.prod(sizes[name]))
