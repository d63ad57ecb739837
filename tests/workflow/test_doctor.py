"""The doctor on a deployed local stack: whole, and broken in each of many ways."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from darkroom import cli, intake
from darkroom.commands.doctor import diagnosis
from darkroom.diagnosis import trial
from darkroom.diagnosis.account import ACCOUNT
from darkroom.diagnosis.findings import Check, Finding, Patient
from darkroom.diagnosis.intake import INTAKE
from darkroom.diagnosis.pipeline import PIPELINE
from darkroom.diagnosis.results import RESULTS
from darkroom.local import deploy, state
from darkroom.stack import Stack

NAME, MAIL, THEIRS = f"test-{os.getpid()}", "operator@example.com", "photos-of-somebody-else"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    try:
        with deploy.running(NAME, parameters={"AlertEmail": MAIL}) as running:
            yield running
    finally:
        shutil.rmtree(state.folder(NAME), ignore_errors=True)


def bad(*, send: bool = False) -> list[Finding]:
    """What the doctor does not like about the stack."""
    return [each for each in diagnosis(NAME, aws=False, send=send) if each.level in ("warning", "wrong")]


def resource(stack: Stack, logical: str) -> str:
    answer = stack.client("cloudformation").describe_stack_resource(StackName=NAME, LogicalResourceId=logical)
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def until_active(stack: Stack) -> None:
    """Wait until no function is being updated."""
    names = [name for output, name in stack.outputs.items() if output.endswith("FunctionName")]
    client = stack.client("lambda")
    while any(client.get_function_configuration(FunctionName=name)["State"] != "Active" for name in names):
        time.sleep(0.05)


def test_a_whole_stack_has_nothing_wrong_and_a_photo_leaves_nothing(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--stack", NAME, "doctor", "--send"]) == 0
    text = capsys.readouterr().out
    assert "trial: a photo became 13 files and their manifest in" in text
    assert "its set went with it" in text
    assert text.endswith("Nothing is wrong.\n")
    s3 = stack.client("s3")
    for bucket in ("SourceBucketName", "OutputBucketName"):
        assert not s3.list_object_versions(Bucket=stack.outputs[bucket], Prefix="").get("Versions")


# Each breaks a stack for the length of a block.
@contextmanager
def paused(stack: Stack) -> Iterator[None]:
    assert cli.main(["--stack", NAME, "pause"]) == 0
    yield
    assert cli.main(["--stack", NAME, "resume"]) == 0


@contextmanager
def without_a_queue_policy(stack: Stack) -> Iterator[None]:
    sqs, url = stack.client("sqs"), stack.outputs["UploadQueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


@contextmanager
def with_another_buckets_policy(stack: Stack) -> Iterator[None]:
    sqs, url = stack.client("sqs"), stack.outputs["UploadQueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    other = policy.replace(stack.outputs["SourceBucketName"], "another-bucket")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": other})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def notifications(stack: Stack, change: Callable[[dict[str, Any]], None]) -> AbstractContextManager[None]:
    @contextmanager
    def changed() -> Iterator[None]:
        s3, bucket = stack.client("s3"), stack.outputs["SourceBucketName"]
        before = s3.get_bucket_notification_configuration(Bucket=bucket)
        before.pop("ResponseMetadata")
        after = json.loads(json.dumps(before))
        change(after)
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=after)
        yield
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=before)

    return changed()


def without_notifications(stack: Stack) -> AbstractContextManager[None]:
    return notifications(stack, dict.clear)


def deaf_to_removals(stack: Stack) -> AbstractContextManager[None]:
    def change(configuration: dict[str, Any]) -> None:
        kept = [each for each in configuration["QueueConfigurations"] if "s3:ObjectRemoved:*" not in each["Events"]]
        configuration["QueueConfigurations"] = kept

    return notifications(stack, change)


@contextmanager
def too_large_for_the_account(stack: Stack) -> Iterator[None]:
    deploy.up(NAME, parameters={"BatchSize": "10", "MaximumConcurrency": "1000"})
    yield
    deploy.up(NAME, parameters={"BatchSize": "2", "MaximumConcurrency": "2"})


@contextmanager
def unsubscribed(stack: Stack) -> Iterator[None]:
    sns, topic = stack.client("sns"), stack.outputs["ErrorTopicArn"]
    found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    (arn,) = (each["SubscriptionArn"] for each in found if each["Endpoint"] == MAIL)
    sns.unsubscribe(SubscriptionArn=arn)
    yield
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=MAIL)


@contextmanager
def throttled(stack: Stack) -> Iterator[None]:
    client, name = stack.client("lambda"), stack.outputs["OptimizeFunctionName"]
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    yield
    client.delete_function_concurrency(FunctionName=name)


@contextmanager
def without_the_key(stack: Stack) -> Iterator[None]:
    kms, key = stack.client("kms"), resource(stack, "TopicKey")
    kms.disable_key(KeyId=key)
    yield
    kms.enable_key(KeyId=key)


@contextmanager
def alarmed(stack: Stack) -> Iterator[None]:
    cloudwatch, name = stack.client("cloudwatch"), resource(stack, "TriggerAlarm")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    yield
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="a test")


@contextmanager
def public(stack: Stack) -> Iterator[None]:
    s3, bucket = stack.client("s3"), stack.outputs["OutputBucketName"]
    before = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    s3.delete_public_access_block(Bucket=bucket)
    yield
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=before)


@contextmanager
def given_up(stack: Stack) -> Iterator[None]:
    sqs, url = stack.client("sqs"), stack.outputs["UploadDeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="an upload")
    yield
    sqs.purge_queue(QueueUrl=url)


@contextmanager
def of_two_deployments(stack: Stack) -> Iterator[None]:
    client, name = stack.client("lambda"), stack.outputs["NotifyFunctionName"]
    client.update_function_code(FunctionName=name, ZipFile=deploy.code_package() + b"\n")
    until_active(stack)
    yield
    client.update_function_code(FunctionName=name, ZipFile=deploy.code_package())
    until_active(stack)


BROKEN: list[tuple[Callable[[Stack], AbstractContextManager[None]], str, str, str]] = [
    (paused, "wrong", "the intake is paused", " resume`"),
    (without_a_queue_policy, "wrong", "upload queue: its policy does not let s3.amazonaws.com send", ""),
    (with_another_buckets_policy, "wrong", "upload queue: its policy does not let s3.amazonaws.com send", ""),
    (without_notifications, "wrong", "does not tell the queue of s3:ObjectCreated:* and s3:ObjectRemoved:*", ""),
    (deaf_to_removals, "wrong", "does not tell the queue of s3:ObjectRemoved:* below raw/", ""),
    (too_large_for_the_account, "wrong", "take 21000 functions at once, but only", " up -p BatchSize=2 "),
    (unsubscribed, "wrong", f"{MAIL} gets no mails about FAILED jobs", "aws sns subscribe --topic-arn arn:"),
    (throttled, "wrong", "OptimizeFunction may not run: its reserved concurrency is 0", "delete-function-concurrency"),
    (without_the_key, "wrong", "no message can be published", "aws kms enable-key --key-id "),
    (alarmed, "wrong", "TriggerAlarm is on since 20", "docs/OPERATIONS.md"),
    (public, "wrong", "may become public: BlockPublicAcls, ", "aws s3api put-public-access-block --bucket "),
    (given_up, "warning", "dead letters: 1 waits", " redrive --dry-run`"),
    (of_two_deployments, "wrong", "they do not run the same code", " up`"),
]


@pytest.mark.parametrize(("breaking", "level", "words", "remedy"), BROKEN, ids=[each[0].__name__ for each in BROKEN])
def test_what_is_broken_is_named_and_nothing_else(
    stack: Stack,
    breaking: Callable[[Stack], AbstractContextManager[None]],
    level: str,
    words: str,
    remedy: str,
) -> None:
    with breaking(stack):
        found = bad()
        assert len(found) == 1, found
        (finding,) = found
        assert (finding.level, words in finding.text, remedy in finding.remedy) == (level, True, True), finding
        assert finding.remedy or finding.drift
    assert bad() == []


def test_the_actions_that_checks_name_are_those_that_they_need(stack: Stack) -> None:
    described = stack.describe()
    assert described
    for check in (*ACCOUNT, *INTAKE, *PIPELINE, *RESULTS):
        assert needed(stack, check, described) <= set(actions(check)), check.what


# Requests whose action has another name.
ACTIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
}
PREFIXES = {"stepfunctions": "states"}


def needed(stack: Stack, check: Check, described: dict[str, Any]) -> set[str]:
    """The actions that a check asks for when it looks at a whole stack."""
    seen: set[str] = set()
    patient = Patient(stack.described(described))

    def client(service: str) -> Any:
        made = stack.client(service)

        def note(model: Any, **_: Any) -> None:
            name = f"{PREFIXES.get(service, service)}:{model.name}"
            seen.add(ACTIONS.get(name, name))

        made.meta.events.register("before-call", note, unique_id="needed")
        return made

    object.__setattr__(patient.stack, "client", client)
    assert [each for each in check.look(patient) if each.level != "ok"] == []
    for service in ("s3", "sqs", "sns", "kms", "lambda", "dynamodb", "stepfunctions", "cloudwatch", "cloudformation"):
        stack.client(service).meta.events.unregister("before-call", unique_id="needed")
    assert seen or check.what in ("EventBridge rule", "KMS key", "distribution", "output bucket")
    return seen


def actions(check: Check) -> list[str]:
    return [word.strip(",") for word in check.actions.split() if ":" in word]


@pytest.fixture(scope="module")
def existing(stack: Stack) -> Stack:
    """The stack, updated to work with a bucket that others made."""
    stack.client("s3").create_bucket(Bucket=THEIRS)
    updated = deploy.up(NAME, parameters={"ExistingSourceBucket": THEIRS, "SourcePrefix": "photos/2026/"})
    until_active(updated)
    return updated


def test_an_existing_bucket_must_be_attached(existing: Stack) -> None:
    (finding,) = bad()
    assert finding.text == f"source bucket: {THEIRS} does not send its events to EventBridge"
    assert finding.remedy.endswith(" attach`")
    assert cli.main(["--stack", NAME, "attach", "--yes"]) == 0
    assert bad(send=True) == []


@contextmanager
def rule_disabled(stack: Stack) -> Iterator[None]:
    events, rule = stack.client("events"), stack.outputs["SourceEventsRuleName"]
    events.disable_rule(Name=rule)
    yield
    events.enable_rule(Name=rule)


@contextmanager
def rule_without_target(stack: Stack) -> Iterator[None]:
    events, rule = stack.client("events"), stack.outputs["SourceEventsRuleName"]
    targets = events.list_targets_by_rule(Rule=rule)["Targets"]
    events.remove_targets(Rule=rule, Ids=[each["Id"] for each in targets])
    yield
    events.put_targets(Rule=rule, Targets=targets)


@contextmanager
def rule_for_another_folder(stack: Stack) -> Iterator[None]:
    events, rule = stack.client("events"), stack.outputs["SourceEventsRuleName"]
    pattern = events.describe_rule(Name=rule)["EventPattern"]
    events.put_rule(Name=rule, EventPattern=pattern.replace("photos/2026/", "raw/"))
    yield
    events.put_rule(Name=rule, EventPattern=pattern)


@contextmanager
def encrypted_by_a_key(stack: Stack) -> Iterator[None]:
    s3, kms = stack.client("s3"), stack.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    configuration = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    s3.put_bucket_encryption(Bucket=THEIRS, ServerSideEncryptionConfiguration=configuration)
    yield
    s3.delete_bucket_encryption(Bucket=THEIRS)


BROKEN_RULES: list[tuple[Callable[[Stack], AbstractContextManager[None]], str, str]] = [
    (rule_disabled, "is disabled: events are lost", "aws events enable-rule --name "),
    (rule_without_target, "the upload queue is no target of", "aws events put-targets --rule "),
    (rule_for_another_folder, "does not match an upload below photos/2026/", ""),
    (encrypted_by_a_key, "which the functions may not use", "deploy with SourceKmsKeyArn=arn:aws:kms:"),
]


@pytest.mark.parametrize(("breaking", "words", "remedy"), BROKEN_RULES, ids=[each[0].__name__ for each in BROKEN_RULES])
def test_what_is_broken_about_an_existing_bucket_is_named(
    existing: Stack, breaking: Callable[[Stack], AbstractContextManager[None]], words: str, remedy: str
) -> None:
    with breaking(existing):
        found = bad()
        assert len(found) == 1, found
        (finding,) = found
        assert (finding.level, words in finding.text, remedy in finding.remedy) == ("wrong", True, True), finding
    assert bad() == []


def test_a_photo_that_nobody_takes_up_is_removed_again(existing: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "PATIENCE_SECONDS", 2.0)
    with rule_disabled(existing):
        assert "trial: no job after 2 s" in bad(send=True)[1].text
    assert not existing.client("s3").list_objects_v2(Bucket=THEIRS).get("Contents")


def test_a_role_without_a_right_is_shown_by_a_photo(existing: Stack) -> None:
    iam, role = existing.client("iam"), resource(existing, "FilterRole")
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    rest = [each for each in document["Statement"] if each["Sid"] != "HandOnIntermediates"]
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document | {"Statement": rest}))
    assert bad() == []
    (finding, *_) = bad(send=True)
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
    assert finding.level == "wrong"
    assert "in ApplyFilters: " in finding.text
    assert "AccessDenied" in finding.text
    assert not existing.client("s3").list_objects_v2(Bucket=THEIRS).get("Contents"), "the photo was left behind"


def test_what_was_deleted_is_named(existing: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    functions = existing.client("lambda")
    functions.delete_event_source_mapping(UUID=intake.mapping_of(existing)["UUID"])
    functions.delete_function(FunctionName=existing.outputs["ResizeFunctionName"])
    existing.client("stepfunctions").delete_state_machine(stateMachineArn=existing.outputs["StateMachineArn"])
    existing.client("dynamodb").delete_table(TableName=existing.outputs["JobsTableName"])
    existing.client("cloudwatch").delete_alarms(AlarmNames=[resource(existing, "WaitingAlarm")])
    existing.client("events").remove_targets(Rule=existing.outputs["SourceEventsRuleName"], Ids=["UploadQueue"])
    existing.client("events").delete_rule(Name=existing.outputs["SourceEventsRuleName"])
    existing.client("s3").delete_bucket(Bucket=THEIRS)
    existing.client("sqs").delete_queue(QueueUrl=existing.outputs["UploadQueueUrl"])
    existing.client("sqs").delete_queue(QueueUrl=existing.outputs["UploadDeadLetterQueueUrl"])
    existing.client("sns").delete_topic(TopicArn=existing.outputs["SuccessTopicArn"])
    time.sleep(0.5)
    assert cli.main(["--stack", NAME, "doctor", "--send"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.removeprefix("wrong    ").partition(" as the last")[0] for line in lines if "wrong    " in line] == [
        f"source bucket: there is no bucket {THEIRS}. Mend it: `bin/darkroom --stack {NAME} up -p "
        "'ExistingSourceBucket=<a bucket that exists>'`",
        "EventBridge rule: deleted. Mend it:",
        "upload queue: deleted. Mend it:",
        "event source mapping: deleted: uploads wait in the queue, and nothing takes them. Mend it:",
        "dead letters: deleted. Mend it:",
        "functions: ResizeFunction was deleted. Mend it:",
        "state machine: deleted. Mend it:",
        "jobs table: deleted. Mend it:",
        "messages: SuccessTopic was deleted: no job can be closed. Mend it:",
        "alarms: WaitingAlarm was deleted. Mend it:",
    ]
    assert f"starting it anew, without its data: `bin/darkroom --stack {NAME} down && " in lines[-2]
    assert "warning  trial: no photo was sent: mend what is above first" in lines
    assert lines[-1] == "10 things are wrong, 1 warning."


def test_without_a_stack_the_last_line_says_how_to_start_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--stack", "absent", "doctor"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "note     no local stack 'absent' is running: start it with `bin/darkroom --stack absent up`"
