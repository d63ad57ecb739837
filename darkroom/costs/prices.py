"""What AWS charges: a stand-in."""

from __future__ import annotations

from collections.abc import Mapping

from darkroom.project import CommandError

REGION = "us-east-1"


def load(region: str = REGION) -> Mapping[str, float]:
    """The prices of a region, in dollars. Raises CommandError for one that has none."""
    if region != REGION:
        raise CommandError(f"there are no prices of {region}: use one of {REGION}")
    return {
        "lambda_requests_million": 0.2,
        "lambda_gb_second_arm64": 0.0000133334,
        "lambda_gb_second_x86_64": 0.0000166667,
        "states_transitions_million": 25.0,
        "states_express_requests_million": 1.0,
        "s3_put_list_million": 5.0,
        "s3_get_million": 0.4,
        "sqs_requests_million": 0.4,
        "dynamodb_writes_million": 0.625,
    }
