"""ApplyFilters: the filtered renditions of the recipe, made beside the sizes and handed on without loss."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger

from engine import decoding, encoding, filters
from pipeline import keys, storage

OUTPUT_BUCKET = os.environ["OUTPUT_BUCKET"]
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`job` and `recipe` → the key of the filtered images under work/ (None for a recipe without any), and [width,
    height] of each by name, in pixels."""
    job, recipe = event["job"], event["recipe"]
    logger.append_keys(job_id=job["job_id"])
    if not recipe["filtered"]:
        return {"key": None, "renditions": {}}
    source = storage.read_source(job["source"], recipe["limits"]["bytes"])
    images = filters.filtered(decoding.decode(source, filters.filtered_sizes(recipe)), recipe)
    key = keys.work(job, "filtered.tiff")
    storage.put(OUTPUT_BUCKET, key, encoding.pack(images))
    return {"key": key, "renditions": {name: image.size for name, image in images.items()}}
