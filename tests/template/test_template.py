"""House rules that no linter knows, on the template with all its defaults; each is shown to notice a weakened one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from darkroom.local import load_template
from darkroom.stack import ROOT

Template = dict[str, Any]
TEMPLATE = load_template()
DEFINITION = json.loads((ROOT / "statemachine/process_image.asl.json").read_text(encoding="utf-8"))


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}


def functions(template: Template) -> dict[str, dict[str, Any]]:
    return of_type(template, "AWS::Serverless::Function")


def statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def trigger_seconds(template: Template, name: str) -> float:
    return float(functions(template)["TriggerFunction"]["Environment"]["Variables"][name])


def timeouts_nest(template: Template) -> bool:
    """Execution < the trigger's wait < its timeout <= visibility / 6; lease > execution + slowest function."""
    execution = DEFINITION["TimeoutSeconds"]
    slowest = max(each["Timeout"] for name, each in functions(template).items() if name != "TriggerFunction")
    timeout = functions(template)["TriggerFunction"]["Timeout"]
    visibility = of_type(template, "AWS::SQS::Queue")["UploadQueue"]["VisibilityTimeout"]
    wait, lease = trigger_seconds(template, "WAIT_SECONDS"), trigger_seconds(template, "LEASE_SECONDS")
    return (
        execution < wait < timeout - 10
        and 6 * timeout <= visibility
        and lease > execution + slowest
        and trigger_seconds(template, "SETTLE_SECONDS") > slowest
        and 3 * trigger_seconds(template, "HEARTBEAT_SECONDS") <= 60
    )


def tasks_outlast_their_functions(template: Template) -> bool:
    """A Task outlasts its function, so that a slow function ends by itself; a run fits into what EXPRESS allows."""

    def tasks(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for state in machine["States"].values():
            if state["Type"] == "Task":
                yield state
            for branch in state.get("Branches", []):
                yield from tasks(branch)

    of = functions(template)
    pairs = [(task["TimeoutSeconds"], task["Arguments"]["FunctionName"].strip("${}")) for task in tasks(DEFINITION)]
    return DEFINITION["TimeoutSeconds"] < 300 and all(
        seconds > of[name.removesuffix("Arn")]["Timeout"] for seconds, name in pairs
    )


def attempts_stay_below_the_crash_bound(template: Template) -> bool:
    """A FAILED job is told before the queue gives its message up."""
    receives = of_type(template, "AWS::SQS::Queue")["UploadQueue"]["RedrivePolicy"]["maxReceiveCount"]
    return bool(2 * template["Parameters"]["MaxAttempts"]["MaxValue"] <= receives)


def images_in_flight_fit_a_new_account(template: Template) -> bool:
    """Each trigger and two branches of each image, within 10 concurrent executions."""
    batch, triggers = (template["Parameters"][name]["Default"] for name in ("BatchSize", "MaximumConcurrency"))
    mapping = functions(template)["TriggerFunction"]["Events"]["Uploads"]["Properties"]
    bounded = mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "MaximumConcurrency"}}
    return bounded and mapping["BatchSize"] == {"Ref": "BatchSize"} and triggers + 2 * batch * triggers <= 10


def batches_fail_in_parts(template: Template) -> bool:
    mapping = functions(template)["TriggerFunction"]["Events"]["Uploads"]["Properties"]
    return mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"]


def each_function_has_its_own_role_and_log_group(template: Template) -> bool:
    roles = [each["Role"]["Fn::GetAtt"][0] for each in functions(template).values() if "Role" in each]
    groups = [each["LoggingConfig"]["LogGroup"]["Ref"] for each in functions(template).values()]
    return len(set(roles)) == len(set(groups)) == len(functions(template)) == 6


def wildcards_are_for_log_delivery_only(template: Template) -> bool:
    return all(
        "*" not in json.dumps(statement["Action"]) and statement["Resource"] != "*"
        for _, statement in statements(template)
        if statement["Sid"] != "DeliverLogs"
    )


def nobody_can_write_sources(template: Template) -> bool:
    return not any(
        "SourceBucket" in json.dumps(statement["Resource"])
        and any(word in json.dumps(statement["Action"]) for word in ("Put", "Delete", "Abort", "Restore"))
        for _, statement in statements(template)
    )


def gone_is_told_from_forbidden(template: Template) -> bool:
    """Without s3:ListBucket, S3 answers 403 for an absent key. Only NotifyFunction reads what must be there."""
    lists = {role for role, each in statements(template) if "s3:ListBucket" in json.dumps(each["Action"])}
    reads = {role for role, each in statements(template) if "s3:GetObject" in json.dumps(each["Action"])}
    return lists == reads - {"NotifyRole"}


def only_the_trigger_starts_runs(template: Template) -> bool:
    return {role for role, each in statements(template) if "states:Start" in json.dumps(each["Action"])} == {
        "TriggerRole"
    }


def services_are_named_with_the_account(template: Template) -> bool:
    """What S3 and CloudWatch may send is bound to this account: no confused deputy."""
    policies = [
        *of_type(template, "AWS::SQS::QueuePolicy").values(),
        *of_type(template, "AWS::SNS::TopicPolicy").values(),
    ]
    found = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    return len(found) >= 3 and all("aws:SourceAccount" in json.dumps(each.get("Condition", {})) for each in found)


def buckets_are_private_and_encrypted(template: Template) -> bool:
    return all(
        set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        and "BucketEncryption" in bucket
        and bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        for bucket in of_type(template, "AWS::S3::Bucket").values()
    )


def data_outlives_the_stack(template: Template) -> bool:
    kept = [
        each for each in template["Resources"].values() if each["Type"] in ("AWS::S3::Bucket", "AWS::DynamoDB::Table")
    ]
    return len(kept) == 3 and all(
        (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy")) == ("RetainExceptOnCreate", "Retain")
        for each in kept
    )


def messages_wait_longer_in_the_dead_letter_queue(template: Template) -> bool:
    queues = of_type(template, "AWS::SQS::Queue")
    upload, dead = queues["UploadQueue"], queues["UploadDeadLetterQueue"]
    return bool(upload["MessageRetentionPeriod"] == 7 * 86400 and dead["MessageRetentionPeriod"] == 14 * 86400)


def dead_letters_are_told(template: Template) -> bool:
    alarm = of_type(template, "AWS::CloudWatch::Alarm")["DeadLetterAlarm"]
    return {"Ref": "ErrorTopic"} in alarm["AlarmActions"] and alarm["Threshold"] == 1


def mails_are_for_failures_only(template: Template) -> bool:
    return of_type(template, "AWS::SNS::Subscription")["AlertSubscription"].get("FilterPolicy") == {
        "status": ["FAILED"]
    }


def logs_do_not_pile_up(template: Template) -> bool:
    groups = of_type(template, "AWS::Logs::LogGroup").values()
    return len(groups) == 7 and all(group.get("RetentionInDays") == {"Ref": "LogRetentionDays"} for group in groups)


def every_parameter_is_explained(template: Template) -> bool:
    return all({"Type", "Default", "Description"} <= set(each) for each in template["Parameters"].values()) and {
        "WorkflowType",
        "Architecture",
        "AlertEmail",
        "BatchSize",
        "MaximumConcurrency",
        "MaxAttempts",
        "PublicBaseUrl",
        "LogRetentionDays",
    } <= set(template["Parameters"])


def the_runtime_is_ours(template: Template) -> bool:
    return bool(template["Globals"]["Function"]["Runtime"] == "python3.13")


def set_at(path: str, value: Any) -> Callable[[Template], None]:
    """Weakens a template at a path of keys separated by dots (numbers index lists)."""

    def weaken(template: Template) -> None:
        *parents, last = path.split(".")
        node: Any = template
        for name in parents:
            node = node[int(name)] if isinstance(node, list) else node[name]
        node[int(last) if isinstance(node, list) else last] = value

    return weaken


R = "Resources"
TRIGGER = f"{R}.TriggerFunction.Properties"
RULES: list[tuple[Callable[[Template], bool], Callable[[Template], None]]] = [
    (timeouts_nest, set_at(f"{TRIGGER}.Timeout", 250)),
    (timeouts_nest, set_at(f"{TRIGGER}.Environment.Variables.WAIT_SECONDS", "240")),
    (timeouts_nest, set_at(f"{TRIGGER}.Environment.Variables.LEASE_SECONDS", "300")),
    (timeouts_nest, set_at(f"{TRIGGER}.Environment.Variables.SETTLE_SECONDS", "60")),
    (timeouts_nest, set_at(f"{TRIGGER}.Environment.Variables.HEARTBEAT_SECONDS", "60")),
    (timeouts_nest, set_at(f"{R}.UploadQueue.Properties.VisibilityTimeout", 300)),
    (timeouts_nest, set_at(f"{R}.OptimizeFunction.Properties.Timeout", 90)),
    (tasks_outlast_their_functions, set_at(f"{R}.ResizeFunction.Properties.Timeout", 65)),
    (attempts_stay_below_the_crash_bound, set_at(f"{R}.UploadQueue.Properties.RedrivePolicy.maxReceiveCount", 5)),
    (images_in_flight_fit_a_new_account, set_at("Parameters.BatchSize.Default", 10)),
    (images_in_flight_fit_a_new_account, set_at(f"{TRIGGER}.Events.Uploads.Properties.ScalingConfig", {})),
    (batches_fail_in_parts, set_at(f"{TRIGGER}.Events.Uploads.Properties.FunctionResponseTypes", [])),
    (
        each_function_has_its_own_role_and_log_group,
        set_at(f"{R}.ResizeFunction.Properties.Role", {"Fn::GetAtt": ["OptimizeRole", "Arn"]}),
    ),
    (
        wildcards_are_for_log_delivery_only,
        set_at(f"{R}.ResizeRole.Properties.Policies.0.PolicyDocument.Statement.1.Resource", "*"),
    ),
    (
        wildcards_are_for_log_delivery_only,
        set_at(f"{R}.ResizeRole.Properties.Policies.0.PolicyDocument.Statement.1.Action", "s3:*"),
    ),
    (
        nobody_can_write_sources,
        set_at(f"{R}.ResizeRole.Properties.Policies.0.PolicyDocument.Statement.1.Action", ["s3:PutObject"]),
    ),
    (
        gone_is_told_from_forbidden,
        set_at(f"{R}.OptimizeRole.Properties.Policies.0.PolicyDocument.Statement.3.Action", "s3:GetObject"),
    ),
    (
        only_the_trigger_starts_runs,
        set_at(f"{R}.NotifyRole.Properties.Policies.0.PolicyDocument.Statement.1.Action", "states:StartExecution"),
    ),
    (
        services_are_named_with_the_account,
        set_at(f"{R}.UploadQueuePolicy.Properties.PolicyDocument.Statement.0.Condition", {}),
    ),
    (
        buckets_are_private_and_encrypted,
        set_at(f"{R}.OutputBucket.Properties.PublicAccessBlockConfiguration", {"BlockPublicAcls": False}),
    ),
    (data_outlives_the_stack, set_at(f"{R}.SourceBucket.DeletionPolicy", "Delete")),
    (
        messages_wait_longer_in_the_dead_letter_queue,
        set_at(f"{R}.UploadDeadLetterQueue.Properties.MessageRetentionPeriod", 345600),
    ),
    (dead_letters_are_told, set_at(f"{R}.DeadLetterAlarm.Properties.AlarmActions", [])),
    (mails_are_for_failures_only, set_at(f"{R}.AlertSubscription.Properties.FilterPolicy", {})),
    (logs_do_not_pile_up, set_at(f"{R}.ResizeLogGroup.Properties", {})),
    (every_parameter_is_explained, set_at("Parameters.BatchSize", {"Type": "Number"})),
    (the_runtime_is_ours, set_at("Globals.Function.Runtime", "python3.9")),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, _ in RULES), ids=lambda rule: rule.__name__)
def test_our_template_keeps_the_rule(rule: Callable[[Template], bool]) -> None:
    assert rule(TEMPLATE)


@pytest.mark.parametrize(("rule", "weaken"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_the_rule_notices_a_weakened_template(
    rule: Callable[[Template], bool], weaken: Callable[[Template], None]
) -> None:
    weakened = copy.deepcopy(TEMPLATE)
    weaken(weakened)
    assert not rule(weakened)
