"""The way of an upload to the trigger: source bucket, events, queue, event source mapping."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from darkroom import intake
from darkroom.diagnosis.findings import Check, Finding, Patient, drifted, is_gone, ok, warning, wrong
from darkroom.diagnosis.policies import allows
from darkroom.project import CommandError
from darkroom.records import source_prefix
from darkroom.terminal import counted

# The functions that read photos.
READERS = ("TriggerRole", "ValidateRole", "ResizeRole", "FilterRole")


def mapping(patient: Patient) -> Iterator[Finding]:
    """The event source mapping, which hands the queue to the trigger."""
    what = "event source mapping"
    try:
        found = intake.mapping_of(patient.stack)
    except CommandError:
        yield drifted(f"{what}: deleted: uploads wait in the queue, and nothing takes them")
        return
    state = found["State"]
    if state in (intake.PAUSED, "Disabling"):
        yield wrong(f"{what}: the intake is paused, uploads wait in the queue", patient.type("resume"))
    elif state != intake.RUNNING:
        yield warning(f"{what}: {state}: look again in a minute")
    elif "PROBLEM" in (result := found.get("LastProcessingResult", "")):
        yield wrong(f"{what}: {result}", patient.type("logs TriggerFunction"))
    else:
        yield ok(f"{what}: enabled")


def queue(patient: Patient) -> Iterator[Finding]:
    """The upload queue: who may send, and where letters go that nobody can deliver."""
    url = patient.output("UploadQueueUrl")
    attributes = patient.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    service, source = "s3.amazonaws.com", f"arn:{patient.partition}:s3:::{patient.output('SourceBucketName')}"
    if rule := patient.output("SourceEventsRuleName"):
        service, source = "events.amazonaws.com", patient.arn("events", f"rule/{rule}")
    policy = attributes.get("Policy", "")
    if not allows(policy, service, "sqs:SendMessage", source, patient.account):
        yield drifted(f"upload queue: its policy does not let {service} send for {source}: events are lost")
    elif not attributes.get("RedrivePolicy"):
        yield drifted("upload queue: it has no dead-letter queue: what fails for ever is lost")
    else:
        yield ok(f"upload queue: {service} may send; {attributes['ApproximateNumberOfMessages']} wait")


def dead_letters(patient: Patient) -> Iterator[Finding]:
    """What the pipeline gave up on."""
    url = patient.output("UploadDeadLetterQueueUrl")
    attributes = patient.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    if count := int(attributes["ApproximateNumberOfMessages"]):
        yield warning(
            f"dead letters: {counted(count, 'waits', 'wait')} for somebody to look", patient.type("redrive --dry-run")
        )
    else:
        yield ok("dead letters: none")


def source(patient: Patient) -> Iterator[Finding]:
    """The source bucket, and that it tells of uploads."""
    bucket = patient.output("SourceBucketName")
    answer = patient.client("s3").head_bucket(Bucket=bucket)
    region = answer.get("BucketRegion") or patient.stack.region
    if region != patient.stack.region:
        yield wrong(
            f"source bucket: {bucket} is in {region}: its events do not reach {patient.stack.region}",
            f"deploy a stack in {region}",
        )
        return
    notifications = patient.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    if patient.output("SourceEventsRuleName"):
        yield from _existing(patient, bucket, notifications)
    else:
        yield from _own(patient, bucket, notifications)


def _own(patient: Patient, bucket: str, notifications: dict[str, Any]) -> Iterator[Finding]:
    prefix = source_prefix(patient.stack)
    told: set[str] = set()
    for each in notifications.get("QueueConfigurations", []):
        rules = {
            rule["Name"].lower(): rule["Value"] for rule in each.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        }
        if (
            each["QueueArn"] == patient.upload_queue
            and prefix.startswith(rules.get("prefix", ""))
            and not rules.get("suffix")
        ):
            told |= set(each["Events"])
    missing = {"s3:ObjectCreated:*", "s3:ObjectRemoved:*"} - told
    if missing:
        yield drifted(
            f"source bucket: {bucket} does not tell the queue of {' and '.join(sorted(missing))} below {prefix}"
        )
    else:
        yield ok(f"source bucket: {bucket} tells the queue of uploads and removals below {prefix}")


def _existing(patient: Patient, bucket: str, notifications: dict[str, Any]) -> Iterator[Finding]:
    if "EventBridgeConfiguration" in notifications:
        yield ok(f"source bucket: {bucket} sends its events to EventBridge")
    else:
        yield wrong(f"source bucket: {bucket} does not send its events to EventBridge", patient.type("attach"))


def rule(patient: Patient) -> Iterator[Finding]:
    """The EventBridge rule of an existing bucket. Yields nothing for a bucket of the stack's own."""
    name = patient.output("SourceEventsRuleName")
    if not name:
        return
    events = patient.client("events")
    found = events.describe_rule(Name=name)
    targets = [target["Arn"] for target in events.list_targets_by_rule(Rule=name)["Targets"]]
    sample = json.dumps(_sample_event(patient))
    if found["State"] == "DISABLED":
        yield wrong(
            f"EventBridge rule: {name} is disabled: events are lost", patient.aws(f"events enable-rule --name {name}")
        )
    elif patient.upload_queue not in targets:
        put = f"events put-targets --rule {name} --targets Id=UploadQueue,Arn={patient.upload_queue}"
        yield wrong(f"EventBridge rule: the upload queue is no target of {name}: events are lost", patient.aws(put))
    elif not events.test_event_pattern(EventPattern=found["EventPattern"], Event=sample)["Result"]:
        yield drifted(
            f"EventBridge rule: the pattern of {name} does not match an upload below {source_prefix(patient.stack)}"
        )
    else:
        yield ok(f"EventBridge rule: {name} hands the events to the upload queue")


def _sample_event(patient: Patient) -> dict[str, Any]:
    detail = {
        "bucket": {"name": patient.output("SourceBucketName")},
        "object": {"key": f"{source_prefix(patient.stack)}sample.jpg", "size": 1},
        "reason": "PutObject",
    }
    return {
        "id": "1",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "account": patient.account,
        "time": "2026-01-01T00:00:00Z",
        "region": patient.stack.region,
        "resources": [],
        "detail": detail,
    }


def key(patient: Patient) -> Iterator[Finding]:
    """The KMS key of an existing bucket: the functions must be allowed to decrypt with it."""
    if not patient.output("SourceEventsRuleName"):
        return
    bucket, given = patient.output("SourceBucketName"), patient.parameters.get("SourceKmsKeyArn", "")
    used = _default_key(patient, bucket)
    if used and used != given:
        text = f"KMS key: {bucket} is encrypted with {used}, which the functions may not use: photos cannot be read"
        yield wrong(text, f"deploy with SourceKmsKeyArn={used}")
        return
    if not given:
        return
    state = patient.client("kms").describe_key(KeyId=given)["KeyMetadata"]["KeyState"]
    without = [role for role in READERS if given not in _policies(patient, patient.resources[role])]
    if state != "Enabled":
        yield wrong(
            f"KMS key: {given} is {state}: photos cannot be read", patient.aws(f"kms enable-key --key-id {given}")
        )
    elif without:
        yield drifted(f"KMS key: the policy of {', '.join(without)} does not name {given}")
    else:
        yield ok(f"KMS key: {given} is enabled, and the functions may use it")


def _default_key(patient: Patient, bucket: str) -> str:
    """The ARN of the customer's key that encrypts new objects of a bucket; empty for S3's own keys."""
    try:
        answer = patient.client("s3").get_bucket_encryption(Bucket=bucket)
    except ClientError as error:
        if not is_gone(error):
            raise
        return ""  # no bucket, or none with a default
    for each in answer["ServerSideEncryptionConfiguration"]["Rules"]:
        if named := each.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID"):
            found = patient.client("kms").describe_key(KeyId=named)["KeyMetadata"]
            return str(found["Arn"]) if found.get("KeyManager") != "AWS" else ""
    return ""


def _policies(patient: Patient, role: str) -> str:
    iam = patient.client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return json.dumps([iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names])


INTAKE = (
    Check("source bucket", source, "s3:ListBucket, s3:GetBucketNotification"),
    Check(
        "EventBridge rule",
        rule,
        "events:DescribeRule, events:ListTargetsByRule, events:TestEventPattern",
    ),
    Check(
        "KMS key",
        key,
        "s3:GetEncryptionConfiguration, kms:DescribeKey, iam:ListRolePolicies, iam:GetRolePolicy, "
        "cloudformation:ListStackResources",
    ),
    Check("upload queue", queue, "sqs:GetQueueAttributes"),
    Check("event source mapping", mapping, "lambda:ListEventSourceMappings"),
    Check("dead letters", dead_letters, "sqs:GetQueueAttributes"),
)
