"""ApplyFilters: the filtered renditions of the recipe from one decode, handed on without loss as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from engine import filters, gravity, reel
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
    sizes = filters.filtered_sizes(recipe)
    # Measured on other pixels than ResizeImage has, attention could choose another crop: then it decodes as that does.
    measured = gravity.needs_attention(sizes, event["image"])
    enough = recipe["sizes"] if measured else sizes
    plays, frames = reel.decoded(source, recipe, filters.filtered_formats(recipe), enough)
    placed = gravity.placed(frames, sizes, event["image"])
    made = ((filters.filtered(image, recipe, positions), time) for image, time, positions in placed)
    key = keys.work(job, "filtered.tiff")
    with reel.packed(made, plays) as (body, written):
        outputs.put(job, key, body)
    return {"key": key, "renditions": written}
