"""ResizeImage: every size of the recipe from one decode, handed on without loss as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from engine import filters, gravity, reel, resizing
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
    sizes = recipe["sizes"]
    plays, frames = reel.decoded(source, recipe, recipe["formats"], sizes)
    made = (
        (filters.with_watermark(resizing.renditions(image, sizes, positions), recipe), time)
        for image, time, positions in gravity.placed(frames, sizes, event["image"])
    )
    key = keys.work(job, "resized.tiff")
    with reel.packed(made, plays) as (body, written):
        outputs.put(job, key, body)
    return {"key": key, "renditions": written}
