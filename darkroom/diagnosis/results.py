"""What the pipeline writes to, and how readers and operators learn of it: table, output bucket, CDN, topics, alarms."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from darkroom.diagnosis.findings import Check, Finding, Patient, drifted, ok, warning, wrong
from darkroom.diagnosis.policies import allows
from darkroom.stack import is_gone

# Topic → what AlertEmail gets mails about, and the filter of its subscription.
# Alarms about jobs that somebody has to look at, or that wait: the pipeline itself may be well.
OF_JOBS = {"DeadLetterAlarm", "MoreDeadLettersAlarm", "FailureAlarm", "SlowAlarm", "BrakeAlarm"}
MAILED = {"ErrorTopic": ("FAILED jobs", '{"status": ["FAILED"]}'), "AlarmTopic": ("alarms", "")}


def table(patient: Patient) -> Iterator[Finding]:
    """The jobs table and its index."""
    name = patient.output("JobsTableName")
    found = patient.client("dynamodb").describe_table(TableName=name)["Table"]
    states = {
        found["TableStatus"],
        *(index.get("IndexStatus", "ACTIVE") for index in found.get("GlobalSecondaryIndexes", [])),
    }
    if states - {"ACTIVE", "UPDATING"}:
        yield wrong(f"jobs table: {name} is {' and '.join(sorted(states))}: wait, then look again")
    elif not found.get("GlobalSecondaryIndexes"):
        yield drifted(f"jobs table: {name} has lost its index by_status")
    else:
        yield ok(f"jobs table: {name} is active")


def output_bucket(patient: Patient) -> Iterator[Finding]:
    """The output bucket: private, whatever serves it."""
    bucket = patient.output("OutputBucketName")
    patient.client("s3").head_bucket(Bucket=bucket)
    try:
        answer = patient.client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if "NoSuchPublicAccessBlockConfiguration" not in str(error):
            raise
        answer = {}
    settings = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    if missing := [name for name in settings if not answer.get(name)]:
        block = ",".join(f"{name}=true" for name in settings)
        mend = f"s3api put-public-access-block --bucket {bucket} --public-access-block-configuration {block}"
        yield wrong(f"output bucket: {bucket} may become public: {', '.join(missing)} are off", patient.aws(mend))
    else:
        yield ok(f"output bucket: {bucket} is private")


def distribution(patient: Patient) -> Iterator[Finding]:
    """The stack's own CloudFront distribution. Yields nothing if it has none."""
    identifier = patient.output("DistributionId")
    if not identifier:
        return
    found = patient.client("cloudfront").get_distribution(Id=identifier)["Distribution"]
    if not found["DistributionConfig"]["Enabled"]:
        yield drifted(f"distribution: {identifier} is disabled: readers get nothing")
    elif found["Status"] != "Deployed":
        yield warning(f"distribution: {identifier} is {found['Status']}: look again in some minutes")
    else:
        yield ok(f"distribution: {identifier} is deployed at {found['DomainName']}")


def readers(patient: Patient) -> Iterator[Finding]:
    """Whether the output bucket lets the distributions read. Yields nothing if there are none."""
    arns = [arn for arn in (_own_distribution(patient), patient.parameters.get("DistributionArn", "")) if arn]
    if not arns:
        return
    bucket = patient.output("OutputBucketName")
    try:
        policy = patient.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]
    except ClientError as error:
        if "NoSuchBucketPolicy" not in str(error):
            raise
        policy = ""
    for arn in arns:
        if allows(policy, "cloudfront.amazonaws.com", "s3:GetObject", arn, patient.stack.account):
            yield ok(f"output bucket: {arn.rpartition('/')[2]} may read it")
        else:
            yield drifted(f"output bucket: the policy of {bucket} does not let {arn} read: readers get 403")


def _own_distribution(patient: Patient) -> str:
    identifier = patient.output("DistributionId")
    return identifier and f"arn:{patient.stack.partition}:cloudfront::{patient.stack.account}:distribution/{identifier}"


def topics(patient: Patient) -> Iterator[Finding]:
    """Whether the topics are there, AlertEmail gets its mails, and who else has not confirmed."""
    mail = patient.parameters.get("AlertEmail", "")
    for topic in ("SuccessTopic", *MAILED):
        if arn := patient.resources.get(topic):
            yield from _of_topic(patient, topic, arn, mail)
    if not mail:
        yield ok("messages: nobody gets mails (AlertEmail is empty)")


def _of_topic(patient: Patient, topic: str, arn: str, mail: str) -> Iterator[Finding]:
    pages = patient.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    try:
        found = [each for page in pages for each in page["Subscriptions"]]
    except ClientError as error:
        if not is_gone(error):
            raise
        yield drifted(f"messages: {topic} was deleted: no job can be closed")
        return
    mails = [each for each in found if mail and each["Endpoint"] == mail and topic in MAILED]
    if mail and topic in MAILED:
        yield _mail(patient, topic, arn, mails)
    for each in found:
        if each not in mails and _is_pending(each):
            yield warning(f"messages: {each['Endpoint']} has not confirmed its subscription to {topic}")


def _mail(patient: Patient, topic: str, arn: str, subscriptions: list[dict[str, Any]]) -> Finding:
    (subject, only), mail = MAILED[topic], patient.parameters["AlertEmail"]
    subscribe = f"sns subscribe --topic-arn {arn} --protocol email --notification-endpoint {shlex.quote(mail)}"
    if only:
        subscribe += f" --attributes {shlex.quote(json.dumps({'FilterPolicy': only}))}"
    again = patient.aws(subscribe)
    if not subscriptions:
        # SNS forgets after two days what nobody has confirmed.
        text = f"messages: {mail} gets no mails about {subject}: the subscription was never confirmed, or has ended"
        return wrong(text, f"{again}, and confirm it")
    if any(_is_pending(each) for each in subscriptions):
        text = f"messages: {mail} gets no mails about {subject} until the subscription is confirmed"
        return wrong(text, f"follow the link in SNS's mail; {again} sends it again")
    return ok(f"messages: {mail} gets mails about {subject}")


def _is_pending(subscription: dict[str, Any]) -> bool:
    return not str(subscription["SubscriptionArn"]).startswith("arn:")


def topic_key(patient: Patient) -> Iterator[Finding]:
    """The key that encrypts messages: without it, no job can be closed."""
    identifier = patient.resources["TopicKey"]
    state = patient.client("kms").describe_key(KeyId=identifier)["KeyMetadata"]["KeyState"]
    if state == "PendingDeletion":
        cancel, enable = (f"kms {verb} --key-id {identifier}" for verb in ("cancel-key-deletion", "enable-key"))
        yield wrong(f"key of the topics: {identifier} is about to be deleted", patient.aws(cancel, enable))
    elif state != "Enabled":
        enable = patient.aws(f"kms enable-key --key-id {identifier}")
        yield wrong(f"key of the topics: {identifier} is {state}: no message can be published", enable)
    else:
        yield ok("key of the topics: enabled")


def alarms(patient: Patient) -> Iterator[Finding]:
    """Alarms: there, and quiet."""
    names = {name: logical for logical, name in patient.resources.items() if logical.endswith("Alarm")}
    found = {
        each["AlarmName"]: each
        for each in patient.client("cloudwatch").describe_alarms(AlarmNames=sorted(names))["MetricAlarms"]
    }
    quiet = True
    for name, logical in sorted(names.items(), key=lambda item: item[1]):
        if name not in found:
            quiet = False
            yield drifted(f"alarms: {logical} was deleted")
        elif found[name]["StateValue"] == "ALARM":
            quiet = False
            text = f"alarms: {logical} is on since {found[name]['StateUpdatedTimestamp']:%Y-%m-%d %H:%M} UTC"
            yield Finding("warning" if logical in OF_JOBS else "wrong", text, "see docs/OPERATIONS.md, Alarms")
    if quiet:
        yield ok(f"alarms: {len(names)}, all quiet")


RESULTS = (
    Check("jobs table", table, "dynamodb:DescribeTable", on_the_way=True),
    Check("output bucket", output_bucket, "s3:ListBucket and s3:GetBucketPublicAccessBlock on it", on_the_way=True),
    Check("distribution", distribution, "cloudfront:GetDistribution"),
    Check("output bucket", readers, "s3:GetBucketPolicy on it"),
    Check("messages", topics, "cloudformation:ListStackResources, sns:ListSubscriptionsByTopic"),
    Check("key of the topics", topic_key, "cloudformation:ListStackResources, kms:DescribeKey"),
    Check("alarms", alarms, "cloudformation:ListStackResources, cloudwatch:DescribeAlarms"),
)
