"""What the doctor says where only AWS can be wrong: answers that the local stack never gives."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from darkroom.commands import doctor
from darkroom.diagnosis import computer
from darkroom.diagnosis.account import concurrency
from darkroom.diagnosis.findings import Check, Finding, Patient, drifted, examine, ok
from darkroom.diagnosis.intake import key, mapping, source
from darkroom.diagnosis.pipeline import functions, state_machine
from darkroom.diagnosis.policies import allows
from darkroom.diagnosis.results import alarms, distribution, output_bucket, readers, table, topic_key, topics
from darkroom.project import ROOT
from darkroom.stack import OWN_OUTPUTS, Stack

ACCOUNT, REGION = "123456789012", "eu-west-1"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
OUTPUTS = {
    "SourceBucketName": "photos",
    "SourcePrefix": "raw/",
    "OutputBucketName": "output",
    "JobsTableName": "jobs",
    "UploadQueueUrl": f"https://sqs/{ACCOUNT}/uploads",
    "UploadDeadLetterQueueUrl": f"https://sqs/{ACCOUNT}/dead",
    "StateMachineArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:p",
    "TriggerFunctionName": "trigger",
    "ResizeFunctionName": "resize",
}
PARAMETERS = {"BatchSize": "2", "MaximumConcurrency": "2", "Architecture": "arm64", "AlertEmail": "me@example.com"}


def refusal(code: str, message: str = "no", status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")


class Service:
    """A client: each request is answered by the value of its name, or by its result, or by raising it."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def answer(**request: Any) -> Any:
            given = self.answers[name]
            if isinstance(given, Exception):
                raise given
            return given(**request) if callable(given) else given

        return answer

    def get_paginator(self, name: str) -> Any:
        return Service(paginate=lambda **request: [getattr(self, name)(**request)])


def patient(services: dict[str, Service], outputs: dict[str, str] | None = None, **parameters: str) -> Patient:
    stack = Stack("darkroom", OUTPUTS | (outputs or {}), REGION, None, PARAMETERS | parameters)
    object.__setattr__(stack, "client", services.__getitem__)
    return Patient(stack)


def told(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in findings]


# ------------------------------------------------------------------------------------------------ this computer


@pytest.mark.parametrize(
    ("version", "on_path", "level"),
    [((3, 13, 2), False, "ok"), ((3, 12, 0), True, "ok"), ((3, 12, 0), False, "warning"), ((3, 15, 0), True, "wrong")],
)
def test_the_python_of_the_build(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], on_path: bool, level: str
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/python3.13" if on_path else None)
    (finding,) = computer.python()
    assert (finding.level, ".".join(map(str, version)) in finding.text) == (level, True)


@pytest.mark.parametrize(
    ("script", "level"),
    [
        ("echo 'SAM CLI, version 1.143.0'", "ok"),
        ("echo 'SAM CLI, version 1.142.1'", "warning"),
        ("echo 'SAM CLI, version 1.99.9'", "warning"),
        ("exit 1", "warning"),
        (None, "note"),
    ],
)
def test_the_sam_cli_must_be_able_to_build_for_another_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str | None, level: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if script:
        (tmp_path / "sam").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "sam").chmod(stat.S_IRWXU)
    (finding,) = computer.sam_cli()
    assert finding.level == level
    assert level == "ok" or "bring their own" in finding.text


def test_the_documents_ask_for_the_same_sam_cli() -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/DEPLOY.md")]
    named = [set(re.findall(r"(?<![\d.])1\.1\d\d\.\d+", text)) for text in texts]
    assert named == [{".".join(map(str, computer.SAM_CLI))}] * 2


def test_the_region_is_shown_and_that_the_sam_cli_does_not_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert computer.region("us-east-1") == ok("region: us-east-1")
    finding = computer.region("eu-west-1")
    assert (finding.level, finding.remedy) == ("warning", "`export AWS_DEFAULT_REGION=eu-west-1`")


# ------------------------------------------------------------------------------------------------ single checks


@pytest.mark.parametrize(("limit", "level"), [(10, "ok"), (9, "wrong")])
def test_the_default_fits_a_new_account_exactly(limit: int, level: str) -> None:
    answer = {"AccountLimit": {"UnreservedConcurrentExecutions": limit, "ConcurrentExecutions": 1000}}
    (finding,) = concurrency(patient({"lambda": Service(get_account_settings=answer)}))
    assert finding.level == level
    assert "take 10 functions at once" in finding.text


def test_what_to_do_about_a_small_account_or_computer() -> None:
    answer = {"AccountLimit": {"UnreservedConcurrentExecutions": 5}}
    one = patient({"lambda": Service(get_account_settings=answer)})
    (finding,) = concurrency(one)
    assert finding.remedy.endswith(f"--quota-code L-B99A9384 --desired-value 1000 --region {REGION}`")
    object.__setattr__(one.stack, "endpoint", "https://127.0.0.1:1")
    (finding,) = concurrency(one)
    assert finding.remedy.startswith("`bin/darkroom up -p BatchSize=2 -p MaximumConcurrency=2`, or")
    assert "aws" not in finding.remedy


def test_a_command_for_a_local_stack_does_not_reach_the_users_account() -> None:
    one = patient({})
    assert one.aws("x y", "z") == f"`aws x y --region {REGION}`, `aws z --region {REGION}`"
    object.__setattr__(one.stack, "endpoint", "https://127.0.0.1:1")
    assert one.aws("x y", "z") == "`aws x y`, `aws z` (in a shell with the variables that `up` printed)"


WHOLE = {
    "State": "Active",
    "LastUpdateStatus": "Successful",
    "CodeSha256": "same",
    "CodeSize": 20_000_000,
    "Architectures": ["arm64"],
}


@pytest.mark.parametrize(
    ("resize", "level", "words"),
    [
        ({}, "ok", "2 active, from the same code, for arm64"),
        ({"State": "Inactive"}, "ok", "2 active"),
        ({"State": "Pending"}, "warning", "ResizeFunction is being updated"),
        ({"State": "Failed", "StateReason": "no key"}, "wrong", "ResizeFunction is Failed: no key"),
        ({"LastUpdateStatus": "InProgress"}, "warning", "ResizeFunction is being updated"),
        (
            {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "too big"},
            "wrong",
            "the last update of ResizeFunction failed: too big",
        ),
        ({"CodeSha256": "other"}, "wrong", "they do not run the same code"),
        ({"CodeSize": 200_000}, "wrong", "deployed without a build"),
        ({"Architectures": ["x86_64"]}, "wrong", "they are for arm64 and x86_64; Architecture is arm64"),
    ],
)
def test_functions(resize: dict[str, Any], level: str, words: str) -> None:
    def configuration(FunctionName: str) -> dict[str, Any]:  # noqa: N803
        return WHOLE | (resize if FunctionName == "resize" else {})

    (finding,) = functions(patient({"lambda": Service(get_function_configuration=configuration)}))
    assert finding.level == level
    assert words in finding.text


def test_functions_that_were_all_built_for_another_processor_than_deployed() -> None:
    service = Service(get_function_configuration=WHOLE)
    (finding,) = functions(patient({"lambda": service}, Architecture="x86_64"))
    assert (finding.level, "make build" in finding.remedy) == ("wrong", True)


@pytest.mark.parametrize(
    ("state", "result", "level"),
    [
        ("Enabled", "OK", "ok"),
        ("Enabled", "No records processed", "ok"),
        ("Enabled", "PROBLEM: Function call failed", "wrong"),
        ("Disabling", "", "wrong"),
        ("Updating", "", "warning"),
    ],
)
def test_the_event_source_mapping(state: str, result: str, level: str) -> None:
    ours = {"EventSourceArn": "arn:aws:sqs:eu-west-1:1:uploads", "State": state, "LastProcessingResult": result}
    (finding,) = mapping(patient({"lambda": Service(list_event_source_mappings={"EventSourceMappings": [ours]})}))
    assert finding.level == level


def test_a_bucket_in_another_region_sends_no_events() -> None:
    s3 = Service(head_bucket={"BucketRegion": "us-west-2"})
    (finding,) = source(patient({"s3": s3}))
    assert (finding.level, "photos is in us-west-2" in finding.text) == ("wrong", True)


def test_an_existing_bucket_that_is_gone_is_named() -> None:
    services = {"s3": Service(head_bucket=refusal("404"))}
    (finding,) = source(patient(services, {"SourceEventsRuleName": "rule"}))
    assert finding.text == "source bucket: there is no bucket photos"
    assert finding.remedy == "deploy with ExistingSourceBucket=<a bucket that exists>"
    (finding,) = examine([Check("source bucket", source, "")], patient(services))
    assert finding == drifted("source bucket: deleted")


def with_key(default: Any, state: str = "Enabled", policy: str = KEY_ARN) -> dict[str, Service]:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": default}}
    encryption = (
        {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}
        if default
        else refusal("ServerSideEncryptionConfigurationNotFoundError")
    )

    def describe(KeyId: str) -> dict[str, Any]:  # noqa: N803
        manager = "AWS" if KeyId == "alias/aws/s3" else "CUSTOMER"
        return {"KeyMetadata": {"Arn": KEY_ARN, "KeyState": state, "KeyManager": manager}}

    roles = [{"LogicalResourceId": f"{name}Role"} for name in ("Trigger", "Validate", "Resize", "Filter")]
    return {
        "s3": Service(get_bucket_encryption=encryption),
        "kms": Service(describe_key=describe),
        "iam": Service(list_role_policies={"PolicyNames": ["p"]}, get_role_policy={"PolicyDocument": {"a": policy}}),
        "cloudformation": Service(list_stack_resources={"StackResourceSummaries": roles}),
    }


@pytest.mark.parametrize(
    ("default", "given", "state", "policy", "found"),
    [
        ("", "", "Enabled", "", []),
        ("alias/aws/s3", "", "Enabled", "", []),
        ("alias/mine", KEY_ARN, "Enabled", KEY_ARN, ["ok"]),
        ("alias/mine", "", "Enabled", "", ["wrong"]),
        ("alias/mine", KEY_ARN, "Disabled", KEY_ARN, ["wrong"]),
        ("alias/mine", KEY_ARN, "Enabled", "another", ["wrong"]),
    ],
)
def test_the_key_of_an_existing_bucket(default: str, given: str, state: str, policy: str, found: list[str]) -> None:
    one = patient(with_key(default, state, policy), {"SourceEventsRuleName": "rule"}, SourceKmsKeyArn=given)
    assert [level for level, _ in told(key(one))] == found


@pytest.mark.parametrize(
    ("arn", "level", "words"),
    [
        ("arn:aws:sns:eu-west-1:1:t:2", "ok", "me@example.com gets mails about FAILED jobs"),
        ("PendingConfirmation", "wrong", "gets no mails about FAILED jobs until the subscription is confirmed"),
        ("Deleted", "wrong", "until the subscription is confirmed"),
        (None, "wrong", "the subscription was never confirmed, or has ended"),
    ],
)
def test_an_unconfirmed_mail_address(arn: str | None, level: str, words: str) -> None:
    found = [] if arn is None else [{"Endpoint": "me@example.com", "SubscriptionArn": arn}]
    resources = [{"LogicalResourceId": "ErrorTopic", "PhysicalResourceId": "arn:aws:sns:t"}]
    services = {
        "sns": Service(list_subscriptions_by_topic={"Subscriptions": found}),
        "cloudformation": Service(list_stack_resources={"StackResourceSummaries": resources}),
    }
    (finding,) = topics(patient(services))
    assert finding.level == level
    assert words in finding.text
    assert arn != "PendingConfirmation" or "sns subscribe --topic-arn arn:aws:sns:t" in finding.remedy


def test_somebody_elses_unconfirmed_subscription_is_a_warning() -> None:
    found = [{"Endpoint": "https://example.com", "SubscriptionArn": "PendingConfirmation"}]
    resources = [{"LogicalResourceId": "ErrorTopic", "PhysicalResourceId": "arn:aws:sns:t"}]
    services = {
        "sns": Service(list_subscriptions_by_topic={"Subscriptions": found}),
        "cloudformation": Service(list_stack_resources={"StackResourceSummaries": resources}),
    }
    levels = [level for level, _ in told(topics(patient(services, AlertEmail="")))]
    assert levels == ["warning", "ok"]


@pytest.mark.parametrize(
    ("status", "enabled", "level"), [("Deployed", 1, "ok"), ("InProgress", 1, "warning"), ("Deployed", 0, "wrong")]
)
def test_the_distribution(status: str, enabled: int, level: str) -> None:
    answer = {"Status": status, "DomainName": "d.cloudfront.net", "DistributionConfig": {"Enabled": bool(enabled)}}
    one = patient({"cloudfront": Service(get_distribution={"Distribution": answer})}, {"DistributionId": "E1"})
    assert [level for level, _ in told(distribution(one))] == [level]


def test_each_distribution_must_be_let_in() -> None:
    own = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::output/processed/*",
        "Condition": {"ArnEquals": {"aws:SourceArn": [own]}},
    }
    s3 = Service(get_bucket_policy={"Policy": json.dumps({"Statement": [allowed]})})
    one = patient({"s3": s3}, {"DistributionId": "E1"}, DistributionArn="arn:aws:cloudfront::9:distribution/E2")
    first, second = told(readers(one))
    assert first == ("ok", "output bucket: E1 may read it")
    assert second[0] == "wrong"
    assert "does not let arn:aws:cloudfront::9:distribution/E2 read" in second[1]


def test_a_policy_that_was_removed_lets_nobody_in() -> None:
    one = patient({"s3": Service(get_bucket_policy=refusal("NoSuchBucketPolicy"))}, {"DistributionId": "E1"})
    (finding,) = readers(one)
    assert (finding.level, "does not let" in finding.text) == ("wrong", True)


@pytest.mark.parametrize(("state", "level"), [("Enabled", "ok"), ("PendingDeletion", "wrong"), ("Disabled", "wrong")])
def test_the_key_of_the_topics(state: str, level: str) -> None:
    resources = [{"LogicalResourceId": "TopicKey", "PhysicalResourceId": "k"}]
    services = {
        "kms": Service(describe_key={"KeyMetadata": {"KeyState": state}}),
        "cloudformation": Service(list_stack_resources={"StackResourceSummaries": resources}),
    }
    (finding,) = topic_key(patient(services))
    assert finding.level == level
    assert ("cancel-key-deletion" in finding.remedy) == (state == "PendingDeletion")


@pytest.mark.parametrize(
    ("alarm", "level"), [("TriggerAlarm", "wrong"), ("DeadLetterAlarm", "warning"), ("BrakeAlarm", "warning")]
)
def test_an_alarm_about_dead_letters_does_not_say_that_the_pipeline_is_ill(alarm: str, level: str) -> None:
    resources = [{"LogicalResourceId": alarm, "PhysicalResourceId": "a"}]
    found = {"AlarmName": "a", "StateValue": "ALARM", "StateUpdatedTimestamp": datetime(2026, 1, 2, tzinfo=UTC)}
    services = {
        "cloudwatch": Service(describe_alarms={"MetricAlarms": [found]}),
        "cloudformation": Service(list_stack_resources={"StackResourceSummaries": resources}),
    }
    assert told(alarms(patient(services))) == [(level, f"alarms: {alarm} is on since 2026-01-02 00:00 UTC")]


@pytest.mark.parametrize(("status", "level"), [("ACTIVE", "ok"), ("UPDATING", "ok"), ("ARCHIVED", "wrong")])
def test_the_table(status: str, level: str) -> None:
    answer = {"Table": {"TableStatus": status, "GlobalSecondaryIndexes": [{"IndexStatus": "ACTIVE"}]}}
    (finding,) = table(patient({"dynamodb": Service(describe_table=answer)}))
    assert finding.level == level


def test_a_table_without_its_index_and_a_state_machine_that_is_being_deleted() -> None:
    (finding,) = table(patient({"dynamodb": Service(describe_table={"Table": {"TableStatus": "ACTIVE"}})}))
    assert (finding.level, finding.drift) == ("wrong", True)
    (finding,) = state_machine(patient({"stepfunctions": Service(describe_state_machine={"status": "DELETING"})}))
    assert (finding.level, finding.drift) == ("wrong", True)


def test_a_bucket_without_a_block_of_public_access() -> None:
    s3 = Service(head_bucket={}, get_public_access_block=refusal("NoSuchPublicAccessBlockConfiguration"))
    (finding,) = output_bucket(patient({"s3": s3}))
    assert (finding.level, f"--region {REGION}" in finding.remedy) == ("wrong", True)


# ------------------------------------------------------------------------------------------------ failing looks


@pytest.mark.parametrize(
    ("error", "finding"),
    [
        (refusal("AccessDeniedException"), Finding("warning", "thing: not looked at: your credentials may not x:Look")),
        (refusal("AccessDenied"), Finding("warning", "thing: not looked at: your credentials may not x:Look")),
        (refusal("403"), Finding("warning", "thing: not looked at: your credentials may not x:Look")),
        (refusal("AuthorizationError"), Finding("warning", "thing: not looked at: your credentials may not x:Look")),
        (refusal("ResourceNotFoundException"), drifted("thing: deleted")),
        (refusal("NoSuchBucket"), drifted("thing: deleted")),
        (refusal("404"), drifted("thing: deleted")),
        (refusal("AWS.SimpleQueueService.NonExistentQueue"), drifted("thing: deleted")),
        (refusal("QueueDoesNotExist"), drifted("thing: deleted")),
        (refusal("StateMachineDoesNotExist"), drifted("thing: deleted")),
    ],
)
def test_a_look_that_fails_is_a_finding_and_the_others_go_on(error: Exception, finding: Finding) -> None:
    def fail(_: Patient) -> Iterable[Finding]:
        raise error

    checks = [Check("thing", fail, "x:Look"), Check("other", lambda _: [ok("other: fine")], "")]
    assert list(examine(checks, patient({}))) == [finding, ok("other: fine")]


LATER, WHO = "run the doctor again in a minute", "`aws sts get-caller-identity`"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (refusal("Throttling"), LATER),
        (refusal("TooManyRequestsException"), LATER),
        (refusal("InternalError", status=500), LATER),
        (refusal("503", status=503), LATER),
        (refusal("ValidationException", status=400), ""),
        (refusal("IllegalLocationConstraintException"), ""),
        (EndpointConnectionError(endpoint_url="https://x"), WHO),
    ],
)
def test_any_other_failure_is_wrong_and_some_pass(error: Exception, remedy: str) -> None:
    def fail(_: Patient) -> Iterable[Finding]:
        raise error

    (finding,) = examine([Check("thing", fail, "x:Look")], patient({}))
    assert finding.level == "wrong"
    assert finding.text.startswith("thing: ")
    assert finding.remedy == remedy


# ------------------------------------------------------------------------------------------------ policies

SOURCE = "arn:aws:s3:::photos"


def statement(**changes: Any) -> dict[str, Any]:
    condition = {"ArnEquals": {"aws:SourceArn": SOURCE}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}
    principal = {"Service": "s3.amazonaws.com"}
    return {"Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Condition": condition} | changes


TLS = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([statement()], True),
        ([statement(), TLS], True),
        ([statement(Condition={})], True),
        ([statement(Action=["sqs:Receive*", "SQS:Send*"])], True),
        ([statement(Condition={"ArnLike": {"AWS:SourceArn": ["arn:aws:s3:::other", "arn:aws:s3:::pho*"]}})], True),
        ([statement(Principal="*")], True),
        ([], False),
        ([TLS], False),
        ([statement(Principal={"Service": "sns.amazonaws.com"})], False),
        ([statement(Principal={"AWS": "arn:aws:iam::1:root"})], False),
        ([statement(Action="sqs:ReceiveMessage")], False),
        ([statement(Condition={"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::other"}})], False),
        ([statement(Condition={"StringEquals": {"aws:SourceAccount": "999999999999"}})], False),
        ([statement(), statement(Effect="Deny")], False),
        ([statement(), statement(Effect="Deny", Principal="*", Action="*", Condition={})], False),
    ],
)
def test_what_a_policy_allows(statements: list[dict[str, Any]], allowed: bool) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    assert allows(policy, "s3.amazonaws.com", "sqs:SendMessage", SOURCE, ACCOUNT) is allowed


def test_no_policy_allows_nothing() -> None:
    assert not allows("", "s3.amazonaws.com", "sqs:SendMessage", SOURCE, ACCOUNT)


# ------------------------------------------------------------------------------------------------ the command

IDENTITY = {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/me"}
SETTINGS = {"AccountLimit": {"UnreservedConcurrentExecutions": 10}}


def on_aws(monkeypatch: pytest.MonkeyPatch, **services: Service) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setattr(computer, "sam_cli", list)
    monkeypatch.setattr(Stack, "place", lambda name, aws: Stack(name, {}, REGION))
    known = {"sts": Service(get_caller_identity=IDENTITY), "lambda": Service(get_account_settings=SETTINGS)} | services
    monkeypatch.setattr(Stack, "client", lambda _self, service: known[service])


def report(capsys: pytest.CaptureFixture[str], name: str = "darkroom") -> tuple[int, list[str]]:
    code = doctor.run(argparse.Namespace(stack=name, aws=True, send=False, json=False))
    return code, capsys.readouterr().out.splitlines()


def test_before_the_first_deployment_the_last_line_says_how_to_deploy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = Service(describe_stacks=refusal("ValidationError", "Stack with id darkroom does not exist"))
    on_aws(monkeypatch, cloudformation=absent)
    code, lines = report(capsys)
    assert code == 0
    assert any(line.startswith("ok       concurrency: BatchSize 2 x MaximumConcurrency 2 take 10") for line in lines)
    assert lines[-1].startswith(
        "note     there is no stack 'darkroom' in eu-west-1 yet: deploy it with `make build && "
    )


def test_an_account_that_is_too_small_is_told_before_the_first_deployment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = Service(describe_stacks=refusal("ValidationError", "Stack with id darkroom does not exist"))
    small = Service(get_account_settings={"AccountLimit": {"UnreservedConcurrentExecutions": 5}})
    on_aws(monkeypatch, cloudformation=absent, **{"lambda": small})
    code, lines = report(capsys)
    assert (code, lines[-1]) == (1, "1 thing is wrong, 0 warnings.")


@pytest.mark.parametrize("error", [NoCredentialsError(), refusal("InvalidClientTokenId"), refusal("ExpiredToken")])
def test_without_credentials_nothing_else_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    on_aws(monkeypatch, sts=Service(get_caller_identity=error))
    code, lines = report(capsys)
    assert code == 1
    assert lines[-2].startswith("wrong    credentials: AWS does not know who you are: ")


def test_the_trap_of_pasted_exports_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from darkroom import stack

    monkeypatch.setattr(computer, "sam_cli", list)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:21234")
    stack._client.cache_clear()
    code, lines = report(capsys)
    stack._client.cache_clear()
    assert code == 1
    assert lines[-2].startswith("wrong    --aws would reach https://127.0.0.1:21234, which is this computer")


@pytest.mark.parametrize(
    ("status", "outputs", "line"),
    [
        ("ROLLBACK_COMPLETE", {}, "wrong    the stack 'darkroom' in eu-west-1 is ROLLBACK_COMPLETE"),
        (
            "UPDATE_ROLLBACK_COMPLETE",
            OUTPUTS,
            "warning  stack: the last deployment of 'darkroom' failed and was taken back, because of OutputBucket: ",
        ),
        (
            "UPDATE_ROLLBACK_FAILED",
            OUTPUTS,
            "wrong    stack: 'darkroom' is UPDATE_ROLLBACK_FAILED: no further deployment is possible. Mend it: "
            "`aws cloudformation continue-update-rollback --stack-name darkroom --region eu-west-1`",
        ),
        (
            "UPDATE_FAILED",
            OUTPUTS,
            "wrong    stack: 'darkroom' is UPDATE_FAILED, because of OutputBucket: taken. Mend it: deploy again, or "
            "`aws cloudformation rollback-stack --stack-name darkroom --region eu-west-1`",
        ),
        (
            "DELETE_FAILED",
            OUTPUTS,
            "wrong    stack: 'darkroom' is DELETE_FAILED, because of OutputBucket: taken. Mend it: "
            "`bin/darkroom --aws teardown --delete-data`",
        ),
        (
            "ROLLBACK_FAILED",
            OUTPUTS,
            "wrong    stack: 'darkroom' is ROLLBACK_FAILED, because of OutputBucket: taken",
        ),
        ("UPDATE_IN_PROGRESS", OUTPUTS, "warning  stack: 'darkroom' is UPDATE_IN_PROGRESS"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", OUTPUTS, "warning  stack: "),
        ("CREATE_COMPLETE", OUTPUTS, "ok       stack: 'darkroom' is CREATE_COMPLETE"),
    ],
)
def test_the_stacks_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: str,
    outputs: dict[str, str],
    line: str,
) -> None:
    assert outputs.keys() >= OWN_OUTPUTS or not outputs
    items = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
    described = {"Stacks": [{"StackStatus": status, "Outputs": items}]}
    failed = {"StackId": "1", "LogicalResourceId": "OutputBucket", "ResourceStatus": "UPDATE_FAILED"}
    events = {"StackEvents": [failed | {"ResourceStatusReason": "taken"}]}
    on_aws(monkeypatch, cloudformation=Service(describe_stacks=described, describe_stack_events=events))
    monkeypatch.setattr(doctor, "_of_stack", lambda *_args, **_options: [])
    _, lines = report(capsys)
    assert any(each.startswith(line) for each in lines), lines
    assert "ok       region: eu-west-1" in lines
    assert ("continue-update-rollback" in "".join(lines)) == (status == "UPDATE_ROLLBACK_FAILED")


def test_drift_on_aws_ends_with_commands_that_cloudformation_understands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [{"OutputKey": name, "OutputValue": value} for name, value in OUTPUTS.items()]
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()]
    described = {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": items, "Parameters": parameters}]}
    on_aws(monkeypatch, cloudformation=Service(describe_stacks=described))
    monkeypatch.setattr(doctor, "_of_stack", lambda *_args, **_options: [drifted("jobs table: deleted")])
    code, lines = report(capsys)
    text = "\n".join(lines)
    assert code == 1
    assert "wrong    jobs table: deleted. Mend it: as the last lines say" in lines
    for name in PARAMETERS:
        assert f"ParameterKey={name},UsePreviousValue=true" in text, "a parameter left out would get its default"
    client = boto3.client("cloudformation", REGION)
    members = client.meta.service_model.operation_model("CreateChangeSet").input_shape.members
    assert "REVERT_DRIFT" in members["DeploymentMode"].enum
    assert "--deployment-mode REVERT_DRIFT" in text


@pytest.mark.parametrize("gone", ["bucket", "table", "function", "existing bucket"])
def test_no_photo_is_sent_into_a_stack_that_lacks_what_it_would_pass(
    monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    from darkroom.diagnosis import intake, pipeline, results, trial

    found = drifted(f"{gone}: deleted")
    if gone == "existing bucket":
        one = patient({"s3": Service(head_bucket=refusal("404"))}, {"SourceEventsRuleName": "rule"})
        (found,) = source(one)
    looks = {"bucket": source, "table": table, "function": functions, "existing bucket": source}

    def check(each: Check) -> Check:
        return each._replace(look=lambda _: [found if each.look is looks[gone] else ok(each.what)])

    for module, name in ((doctor, "ACCOUNT"), (intake, "INTAKE"), (pipeline, "PIPELINE"), (results, "RESULTS")):
        monkeypatch.setattr(module, name, tuple(check(each) for each in getattr(module, name)))
    monkeypatch.setattr(trial, "TRIAL", Check("trial", lambda _: [ok("trial: sent")], ""))
    *_, last = doctor._of_stack(patient({}), send=True)
    assert (last.level, last.text) == ("warning", "trial: no photo was sent: mend what is above first")
    found = drifted("an alarm was deleted")
    monkeypatch.setattr(results, "RESULTS", (Check("alarms", lambda _: [found], ""),))
    monkeypatch.setattr(intake, "INTAKE", ())
    monkeypatch.setattr(pipeline, "PIPELINE", ())
    *_, last = doctor._of_stack(patient({}), send=True)
    assert last == ok("trial: sent")


@pytest.mark.parametrize(("rule", "again"), [("", False), ("rule", True)])
def test_a_bucket_that_was_just_attached_may_be_silent_for_some_minutes(rule: str, again: bool) -> None:
    from darkroom.diagnosis import trial

    remedy = trial._where_it_is(patient({}, {"SourceEventsRuleName": rule}))
    assert ("less than five minutes ago" in remedy) == again
