"""ValidateImage: prove that the bytes are an image that the recipe accepts, and read what later states need."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from common import imaging, manifest, recipes, storage
from common.rejection import Rejection

RECIPES = recipes.load()
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`job` → valid, with the image's facts and the recipe of this run; or not valid, with the rejection
    (which NotifyError takes as it is).

    A refusal is data: only what broke raises, and only that is tried again.
    """
    job = event["job"]
    logger.append_keys(job_id=job["job_id"])
    source = job["source"]
    recipe = recipes.route(RECIPES, source["key"])
    try:
        manifest.check_key(source["key"], recipe)
        imaging.check_bytes(source["size"], recipe["limits"])
        image = imaging.inspect(storage.read_source(source, recipe["limits"]["bytes"]), recipe["limits"])
    except Rejection as rejection:
        logger.info("refused", code=rejection.code, reason=rejection.reason)
        told = {"code": rejection.code, "reason": rejection.reason}
        return {"valid": False, "status": "REJECTED", "rejection": told}
    logger.info("accepted", image=image)
    return {"valid": True, "image": image, "recipe": recipe}
