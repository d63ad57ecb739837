"""The way of an upload to the trigger: source bucket, events, queue, event source mapping."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from darkroom import intake, notifications
from darkroom.diagnosis.findings import Check, Finding, Patient, drifted, ok, warning, wrong
from darkroom.diagnosis.policies import allows
from darkroom.project import CommandError
from darkroom.records import source_prefix
from darkroom.stack import is_gone
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
    if state in (intake.PAUSED, intake.PAUSING):
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
    service, source = "s3.amazonaws.com", f"arn:{patient.stack.partition}:s3:::{patient.output('SourceBucketName')}"
    if rule := patient.output("SourceEventsRuleName"):
        service, source = "events.amazonaws.com", patient.arn("events", f"rule/{rule}")
    policy = attributes.get("Policy", "")
    if not allows(policy, service, "sqs:SendMessage", source, patient.stack.account):
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
    bucket, is_existing = patient.output("SourceBucketName"), bool(patient.output("SourceEventsRuleName"))
    try:
        answer = patient.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if not (is_gone(error) and is_existing):
            raise
        another = "ExistingSourceBucket=<a bucket that exists>"
        remedy = patient.type(f"up -p '{another}'") if patient.stack.endpoint else f"deploy with {another}"
        yield Finding("wrong", f"source bucket: there is no bucket {bucket}", remedy, drift=True)
        return
    region = answer.get("BucketRegion") or patient.stack.region
    if region != patient.stack.region:
        yield wrong(
            f"source bucket: {bucket} is in {region}: its events do not reach {patient.stack.region}",
            f"deploy a stack in {region}",
        )
        return
    told = patient.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    if is_existing:
        yield from _existing(patient, bucket, told)
    else:
        yield from _own(patient, bucket, told)


def _own(patient: Patient, bucket: str, configuration: dict[str, Any]) -> Iterator[Finding]:
    prefix = source_prefix(patient.stack)
    told: set[str] = set()
    for each in configuration.get("QueueConfigurations", []):
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


def _existing(patient: Patient, bucket: str, configuration: dict[str, Any]) -> Iterator[Finding]:
    if notifications.EVENTBRIDGE in configuration:
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
    bucket, sample = patient.output("SourceBucketName"), f"{source_prefix(patient.stack)}sample.jpg"
    if found["State"] == "DISABLED":
        yield wrong(
            f"EventBridge rule: {name} is disabled: events are lost", patient.aws(f"events enable-rule --name {name}")
        )
    elif patient.upload_queue not in targets:
        put = f"events put-targets --rule {name} --targets Id=UploadQueue,Arn={patient.upload_queue}"
        yield wrong(f"EventBridge rule: the upload queue is no target of {name}: events are lost", patient.aws(put))
    elif not notifications.matches(patient.stack, found["EventPattern"], bucket, key=sample):
        yield drifted(
            f"EventBridge rule: the pattern of {name} does not match an upload below {source_prefix(patient.stack)}"
        )
    else:
        yield ok(f"EventBridge rule: {name} hands the events to the upload queue")


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
    Check("source bucket", source, "s3:ListBucket, s3:GetBucketNotification", on_the_way=True),
    Check(
        "EventBridge rule",
        rule,
        "events:DescribeRule, events:ListTargetsByRule, events:TestEventPattern",
        on_the_way=True,
    ),
    Check(
        "KMS key",
        key,
        "s3:GetEncryptionConfiguration, kms:DescribeKey, iam:ListRolePolicies, iam:GetRolePolicy, "
        "cloudformation:ListStackResources",
    ),
    Check("upload queue", queue, "sqs:GetQueueAttributes", on_the_way=True),
    Check("event source mapping", mapping, "lambda:ListEventSourceMappings", on_the_way=True),
    Check("dead letters", dead_letters, "sqs:GetQueueAttributes"),
)
