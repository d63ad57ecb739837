"""What the functions count and time: log lines that CloudWatch reads as metrics (its embedded metric format)."""

from __future__ import annotations

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


def count(name: str, **facts: str) -> None:
    """Count one of `name`. `facts` are for queries of the log: they make no further metric."""
    metrics = EphemeralMetrics()
    metrics.add_metric(name, MetricUnit.Count, 1)
    for key, value in facts.items():
        metrics.add_metadata(key, value)
    metrics.flush_metrics()
