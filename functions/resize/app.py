"""ResizeImage: every size of the recipe from one decode, handed on without loss as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from engine import decoding, encoding, filters, gravity, resizing
from pipeline import keys, metrics, outputs, storage

if TYPE_CHECKING:
    from contracts import BranchEvent, Intermediate

logger = Logger()


@metrics.stage("ResizeImage")
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: BranchEvent, _context: object) -> Intermediate:
    """Write the sized images of a job under work/."""
    job, recipe = event["job"], event["recipe"]
    logger.append_keys(job_id=job["job_id"])
    source = storage.read_source(job["source"], recipe["limits"]["bytes"])
    image = decoding.decode(source, recipe["sizes"], recipe["gamut"])
    positions = gravity.positions(image, recipe["sizes"], event["image"])
    images = filters.with_watermark(resizing.renditions(image, recipe["sizes"], positions), recipe)
    key = keys.work(job, "resized.tiff")
    outputs.put(job, key, encoding.pack(images))
    return {"key": key, "renditions": {name: image.size for name, image in images.items()}}
