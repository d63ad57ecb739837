"""OptimizeImage: encode each output once, and write the manifest last."""

from __future__ import annotations

import math
import os
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from engine import encoding, placeholder
from pipeline import clock, jobs, manifest, metrics, outputs, recipes, storage

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from contracts import Manifest, OptimizeEvent, Recipe, Result

PUBLIC_BASE_URL = os.environ["PUBLIC_BASE_URL"]
# Lambda gives a function one processor per 1769 MB of memory.
MB_PER_PROCESSOR = 1769
logger = Logger()


@metrics.stage("OptimizeImage")
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: OptimizeEvent, context: LambdaContext) -> Result:
    """Finish the job's set from the intermediates of both branches.

    Raises NotOwnerError or ChangedError, with nothing of the standing manifest changed, if another attempt took over.
    """
    job = event["job"]
    logger.append_keys(job_id=job["job_id"])
    work = [intermediate["key"] for intermediate in event["intermediates"] if intermediate["key"]]
    jobs.check_owner(job)
    standing = outputs.standing(job["source"]["key"])
    threads = max(1, int(context.memory_limit_in_mb) // MB_PER_PROCESSOR)
    with TemporaryDirectory() as folder:
        images = encoding.Unpacked(*(storage.download(outputs.BUCKET, key, Path(folder)) for key in work))
        finished = _finish(event, images, threads)
    outputs.write(finished, instead_of=standing.etag)
    storage.delete(outputs.BUCKET, work)
    return manifest.result(finished)


def _finish(event: OptimizeEvent, images: encoding.Unpacked, threads: int) -> Manifest:
    """Write the encoded outputs, each as soon as it is encoded, and return the manifest that lists them."""
    job, image, recipe = event["job"], event["image"], event["recipe"]
    entries = []
    wanted = recipes.outputs(recipe)
    # Closing the generator cancels the encodes that are still queued if a write fails.
    with closing(encoding.encode_all(images, wanted, recipe, image.get("rights"), threads)) as encoded:
        for name, format_, data in encoded:
            entry = manifest.rendition(job["source"]["key"], name, format_, images.sizes[name], data)
            outputs.put(job, entry["key"], data, entry["content_type"], {"v": manifest.version(entry)})
            entries.append(entry)
    return manifest.build(
        job=job,
        image=image,
        recipe=recipe,
        placeholder=placeholder.placeholder(images[_smallest_whole(images.sizes, recipe)], recipe["background"]),
        renditions=entries,
        created_at=clock.now(),
        public_base_url=PUBLIC_BASE_URL,
    )


def _smallest_whole(sizes: dict[str, tuple[int, int]], recipe: Recipe) -> str:
    """The smallest size with the fit `inside`, or the smallest size if the recipe has none."""
    whole = [name for name, size in recipe["sizes"].items() if size.get("fit") == "inside"]
    return min(whole or recipe["sizes"], key=lambda name: math.prod(sizes[name]))
