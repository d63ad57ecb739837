"""Rules about delivery: what is told, what waits, how long, and who hears of it in the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from darkroom.stack import ROOT
from tests.template.expanded import Rule, Template, Weakening, drop, of_type, properties, put

DEFINITION = json.loads((ROOT / "statemachine/process_image.asl.json").read_text(encoding="utf-8"))


def seconds(template: Template, variable: str) -> float:
    """A setting of the trigger."""
    return float(properties(template, "TriggerFunction")["Environment"]["Variables"][variable])


def timeouts_nest(template: Template) -> bool:
    """Execution < the trigger's wait < its timeout <= visibility / 6; lease > execution + slowest function."""
    execution = DEFINITION["TimeoutSeconds"]
    functions = of_type(template, "Lambda::Function")
    slowest = max(each["Timeout"] for name, each in functions.items() if name != "TriggerFunction")
    timeout = functions["TriggerFunction"]["Timeout"]
    return (
        execution < seconds(template, "WAIT_SECONDS") < timeout - 10
        and 6 * timeout <= properties(template, "UploadQueue")["VisibilityTimeout"]
        and seconds(template, "LEASE_SECONDS") > execution + slowest
        and seconds(template, "SETTLE_SECONDS") > slowest
        and 3 * seconds(template, "HEARTBEAT_SECONDS") <= 60
    )


def tasks_outlast_their_functions(template: Template) -> bool:
    """A Task outlasts its function, so that a slow function ends by itself; a run fits into what EXPRESS allows."""

    def tasks(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for state in machine["States"].values():
            if state["Type"] == "Task":
                yield state
            for branch in state.get("Branches", []):
                yield from tasks(branch)

    pairs = [(task["TimeoutSeconds"], task["Arguments"]["FunctionName"].strip("${}")) for task in tasks(DEFINITION)]
    return DEFINITION["TimeoutSeconds"] < 300 and all(
        limit > properties(template, name.removesuffix("Arn"))["Timeout"] for limit, name in pairs
    )


def attempts_stay_below_the_crash_bound(template: Template) -> bool:
    """A FAILED job is told before the queue gives its message up."""
    receives = properties(template, "UploadQueue")["RedrivePolicy"]["maxReceiveCount"]
    return bool(2 * template["Parameters"]["MaxAttempts"]["MaxValue"] <= receives)


def images_in_flight_are_bounded(template: Template) -> bool:
    (mapping,) = of_type(template, "Lambda::EventSourceMapping").values()
    bound = {"MaximumConcurrency": {"Ref": "MaximumConcurrency"}}
    return mapping.get("ScalingConfig") == bound and mapping["BatchSize"] == {"Ref": "BatchSize"}


def a_new_account_is_enough(template: Template) -> bool:
    """Each trigger and two branches of each image, within 10 concurrent executions."""
    batch, triggers = (template["Parameters"][name]["Default"] for name in ("BatchSize", "MaximumConcurrency"))
    return bool(triggers + 2 * batch * triggers <= 10)


def batches_fail_in_parts(template: Template) -> bool:
    (mapping,) = of_type(template, "Lambda::EventSourceMapping").values()
    return mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"]


def what_is_given_up_is_kept(template: Template) -> bool:
    policy = properties(template, "UploadQueue").get("RedrivePolicy", {})
    return policy.get("deadLetterTargetArn") == {"Fn::GetAtt": ["UploadDeadLetterQueue", "Arn"]}


def dead_letters_are_of_uploads_only(template: Template) -> bool:
    """And of our own queue: named in both places by the same words."""
    allowed = properties(template, "UploadDeadLetterQueue").get("RedriveAllowPolicy", {})
    (source,) = allowed.get("sourceQueueArns", [None])
    name, variables = properties(template, "UploadQueue")["QueueName"]["Fn::Sub"]
    arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:" + name
    return allowed.get("redrivePermission") == "byQueue" and source == {"Fn::Sub": [arn, variables]}


def messages_wait_longer_in_the_dead_letter_queue(template: Template) -> bool:
    upload, dead = (properties(template, name) for name in ("UploadQueue", "UploadDeadLetterQueue"))
    return bool(upload["MessageRetentionPeriod"] == 7 * 86400 and dead["MessageRetentionPeriod"] == 14 * 86400)


def dead_letters_ring_an_alarm(template: Template) -> bool:
    alarm = properties(template, "DeadLetterAlarm")
    queue = {"Name": "QueueName", "Value": {"Fn::GetAtt": ["UploadDeadLetterQueue", "QueueName"]}}
    return (alarm["MetricName"], alarm["Threshold"], alarm["Dimensions"], alarm["ComparisonOperator"]) == (
        "ApproximateNumberOfMessagesVisible",
        1,
        [queue],
        "GreaterThanOrEqualToThreshold",
    )


def the_alarm_tells_the_error_topic(template: Template) -> bool:
    return {"Ref": "ErrorTopic"} in properties(template, "DeadLetterAlarm")["AlarmActions"]


def the_alarm_reaches_the_mail(template: Template) -> bool:
    """ErrorTopic's filter would drop it: it has no attributes."""
    reached = {"Fn::If": ["HasAlertEmail", {"Ref": "AlarmTopic"}, {"Ref": "AWS::NoValue"}]}
    return reached in properties(template, "DeadLetterAlarm")["AlarmActions"]


def mails_are_for_failures_only(template: Template) -> bool:
    return properties(template, "AlertSubscription").get("FilterPolicy") == {"status": ["FAILED"]}


def _notifications(template: Template) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = properties(template, "SourceBucket")["NotificationConfiguration"][
        "QueueConfigurations"
    ]
    return found


def uploads_and_removals_are_told(template: Template) -> bool:
    """And nothing else: expiring originals by a lifecycle rule is no removal."""
    told = [each["Event"] for each in _notifications(template)]
    return sorted(told) == ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]


def only_raw_is_told(template: Template) -> bool:
    raw = {"S3Key": {"Rules": [{"Name": "prefix", "Value": "raw/"}]}}
    return all(each.get("Filter") == raw for each in _notifications(template))


def the_bucket_waits_for_its_permission(template: Template) -> bool:
    """S3 tries the queue when the notification is made."""
    return bool(template["Resources"]["SourceBucket"].get("DependsOn") == "UploadQueuePolicy")


def outputs_start_nothing(template: Template) -> bool:
    return "NotificationConfiguration" not in properties(template, "OutputBucket")


VARIABLES = "TriggerFunction.Properties.Environment.Variables"
MAPPING = "TriggerFunctionUploads.Properties"
ALARM = "DeadLetterAlarm.Properties"
TOLD = "SourceBucket.Properties.NotificationConfiguration.QueueConfigurations"
RULES: list[tuple[Rule, list[Weakening]]] = [
    (
        timeouts_nest,
        [
            put("TriggerFunction.Properties.Timeout", 250),
            put(f"{VARIABLES}.WAIT_SECONDS", "240"),
            put(f"{VARIABLES}.LEASE_SECONDS", "300"),
            put(f"{VARIABLES}.SETTLE_SECONDS", "60"),
            put(f"{VARIABLES}.HEARTBEAT_SECONDS", "60"),
            put("UploadQueue.Properties.VisibilityTimeout", 300),
            put("OptimizeFunction.Properties.Timeout", 90),
        ],
    ),
    (tasks_outlast_their_functions, [put("ResizeFunction.Properties.Timeout", 65)]),
    (attempts_stay_below_the_crash_bound, [put("UploadQueue.Properties.RedrivePolicy.maxReceiveCount", 5)]),
    (images_in_flight_are_bounded, [drop(f"{MAPPING}.ScalingConfig"), put(f"{MAPPING}.BatchSize", 10)]),
    (a_new_account_is_enough, [put("Parameters.BatchSize.Default", 10)]),
    (batches_fail_in_parts, [drop(f"{MAPPING}.FunctionResponseTypes")]),
    (what_is_given_up_is_kept, [drop("UploadQueue.Properties.RedrivePolicy")]),
    (
        dead_letters_are_of_uploads_only,
        [
            drop("UploadDeadLetterQueue.Properties.RedriveAllowPolicy"),
            put("UploadQueue.Properties.QueueName.Fn::Sub.0", "uploads-${Suffix}"),
        ],
    ),
    (
        messages_wait_longer_in_the_dead_letter_queue,
        [put("UploadDeadLetterQueue.Properties.MessageRetentionPeriod", 345600)],
    ),
    (
        dead_letters_ring_an_alarm,
        [put(f"{ALARM}.Threshold", 100), put(f"{ALARM}.Dimensions.0.Value.Fn::GetAtt.0", "UploadQueue")],
    ),
    (the_alarm_tells_the_error_topic, [drop(f"{ALARM}.AlarmActions.0")]),
    (the_alarm_reaches_the_mail, [drop(f"{ALARM}.AlarmActions.1")]),
    (mails_are_for_failures_only, [drop("AlertSubscription.Properties.FilterPolicy")]),
    (uploads_and_removals_are_told, [drop(f"{TOLD}.1"), put(f"{TOLD}.1.Event", "s3:LifecycleExpiration:*")]),
    (only_raw_is_told, [drop(f"{TOLD}.0.Filter")]),
    (the_bucket_waits_for_its_permission, [drop("SourceBucket.DependsOn")]),
    (outputs_start_nothing, [put("OutputBucket.Properties.NotificationConfiguration", {})]),
]
