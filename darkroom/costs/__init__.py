"""What images cost on AWS: what was used, or will be, multiplied by the prices of a region."""

from darkroom.costs.model import Estimate, estimate, per_million

__all__ = ["Estimate", "estimate", "per_million"]
