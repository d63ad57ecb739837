"""ValidateImage: prove that the bytes are an image that the recipe accepts, and read what later states need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from engine import sandbox
from engine.limits import check_bytes
from engine.rejection import Rejection
from pipeline import manifest, recipes, storage

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

RECIPES = recipes.load()
MEMORY_PART = 0.6
"""Of a function's memory, what an upload may take there: what it takes is an estimate until it is decoded."""
RESERVED_MIB = 160
"""Of that, for all but decoding: Python and its libraries, the source's bytes, the renditions."""
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
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
        check_bytes(source["size"], recipe["limits"])
        data = storage.read_source(source, recipe["limits"]["bytes"])
        usable = int(MEMORY_PART * int(context.memory_limit_in_mb))
        image = sandbox.inspect(data, recipe, _affordable(recipe["limits"], usable), usable)
    except Rejection as rejection:
        logger.info("refused", code=rejection.code, reason=rejection.reason)
        told = {"code": rejection.code, "reason": rejection.reason}
        return {"valid": False, "status": "REJECTED", "rejection": told}
    logger.info("accepted", image=image)
    return {"valid": True, "image": image, "recipe": recipe}


def _affordable(limits: dict[str, Any], usable: int) -> dict[str, Any]:
    """The limits, that of memory no higher than what is usable of a function of this size (the later ones are like
    it)."""
    most = usable - RESERVED_MIB
    return {**limits, "memory": min(limits["memory"] or most, most)}
