"""What a stack costs by standing there, in a month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from darkroom.costs.prices import Prices

# Lambda's poller asks an idle queue with five connections, each for 20 s at a time, as its documentation has it.
IDLE_RECEIVES = 5 * 60 / 20 * 60 * 24 * 30  # in a month


def of_template(template: Mapping[str, Any], metrics: int, prices: Prices) -> dict[str, float]:
    """Dollars a month by thing, of a stack of this template that has sent so many `metrics`."""
    resources = list(template["Resources"].values())
    kinds = [each["Type"] for each in resources]
    queues = sum(
        event["Type"] == "SQS"
        for each in resources
        if each["Type"] == "AWS::Serverless::Function"
        for event in each["Properties"].get("Events", {}).values()
    )
    alarms = sum(_measures(each["Properties"]) for each in resources if each["Type"] == "AWS::CloudWatch::Alarm")
    return {
        "the topics' key": kinds.count("AWS::KMS::Key") * prices["kms_key_month"],
        f"{_counted(alarms, 'alarm metric')}": alarms * prices["cloudwatch_alarm_month"],
        f"{_counted(metrics, 'metric')}, if each is sent in every hour": metrics * prices["cloudwatch_metric_month"],
        "the dashboard": kinds.count("AWS::CloudWatch::Dashboard") * prices["cloudwatch_dashboard_month"],
        f"polling of {_counted(queues, 'idle queue')}, at most": queues
        * IDLE_RECEIVES
        * prices["sqs_requests_million"]
        / 1e6,
    }


def _measures(alarm: Mapping[str, Any]) -> int:
    """How many metrics an alarm looks at: it is charged for each."""
    queries: Iterable[Mapping[str, Any]] = alarm.get("Metrics", [])
    return sum("MetricStat" in each for each in queries) or 1


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
