"""ApplyFilters: the filtered renditions of the recipe from one decode, handed on without loss as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from engine import filters, reel
from pipeline import keys, metrics, outputs, storage

if TYPE_CHECKING:
    from contracts import BranchEvent, Intermediate

logger = Logger()


@metrics.stage("ApplyFilters")
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: BranchEvent, _context: object) -> Intermediate:
    """Write the filtered images of a job under work/; nothing for a recipe without any."""
    job, recipe = event["job"], event["recipe"]
    logger.append_keys(job_id=job["job_id"])
    if not recipe["filtered"]:
        return {"key": None, "renditions": {}}
    source = storage.read_source(job["source"], recipe["limits"]["bytes"])
    plays, frames = reel.decoded(source, recipe, filters.filtered_formats(recipe), filters.filtered_sizes(recipe))
    made = ((filters.filtered(image, recipe), time) for image, time in frames)
    key = keys.work(job, "filtered.tiff")
    with reel.packed(made, plays) as (body, written):
        outputs.put(job, key, body)
    return {"key": key, "renditions": written}
