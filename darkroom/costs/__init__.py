"""What images cost on AWS: a stand-in with the signature that bin/darkroom backfill needs."""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.costs import prices


@dataclass(frozen=True)
class Estimate:
    """What making sets takes: dollars and requests in all, and the seconds of one image."""

    dollars: float
    requests: dict[str, float]
    seconds: float


def estimate(images: int, outputs: float, intermediates: float, region: str, workflow_type: str) -> Estimate:
    """What `images` sets of so many outputs and intermediates each take. Raises CommandError without prices."""
    prices.load(region)
    each = {
        "s3.PutObject": outputs + intermediates + 1,
        "s3.GetObject": 10.0,
        "dynamodb.PutItem": 3.0,
        "dynamodb.GetItem": 8.0,
        "dynamodb.UpdateItem": 2.0,
        "dynamodb.DeleteItem": 1.0,
        "sns.Publish": 1.0,
    }
    dollars = images * (318e-6 if workflow_type == "STANDARD" else 149e-6)
    return Estimate(dollars, {name: images * number for name, number in each.items()}, 2.5)
