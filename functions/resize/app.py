"""ResizeImage: every size of the recipe from one decode, handed on without loss in one object."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger

from engine import decoding, encoding, filters, resizing
from pipeline import keys, storage

OUTPUT_BUCKET = os.environ["OUTPUT_BUCKET"]
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`job` and `recipe` → the key of the sized images under work/, and [width, height] of each by name, in pixels."""
    job, recipe = event["job"], event["recipe"]
    logger.append_keys(job_id=job["job_id"])
    image = decoding.decode(storage.read_source(job["source"], recipe["limits"]["bytes"]), recipe["sizes"])
    images = filters.marked(resizing.renditions(image, recipe["sizes"]), recipe)
    key = keys.work(job, "resized.tiff")
    storage.put(OUTPUT_BUCKET, key, encoding.pack(images))
    return {"key": key, "renditions": {name: image.size for name, image in images.items()}}
