"""What each role may do, and nothing else: every role tries every act on a stack that enforces its policies."""

from __future__ import annotations

import http.client
import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from darkroom.local import deploy, state
from darkroom.stack import Stack

FUNCTIONS = ("Trigger", "Validate", "Resize", "Filter", "Optimize", "Notify", "Backfill")
ROLES = (*FUNCTIONS, "ImagePipeline", "BackfillMap")
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}


class Actors:
    """The roles of a deployed stack, each with clients of its own."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.outputs = stack, stack.outputs
        self.session = boto3.Session()
        found = stack.client("cloudformation").describe_stack_resources(StackName=stack.name)["StackResources"]
        self.ids = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}
        self.source, self.output = self.outputs["SourceBucketName"], self.outputs["OutputBucketName"]
        s3 = stack.client("s3")
        for key in ("raw/tom.jpg", "private/tom.jpg"):
            s3.put_object(Bucket=self.source, Key=key, Body=b"not an image")
        for key in ("work/job/sizes", "processed/tom.jpg/manifest.json", "processed/tom.jpg/large.avif", "other"):
            s3.put_object(Bucket=self.output, Key=key, Body=b"{}")

    @cache  # noqa: B019 - as long as the module's tests
    def client(self, role: str, service: str, *, claims: str = "https") -> Any:
        """A client with the credentials of a role, as its function has. It `claims` to have come by http or https."""
        keys = self.stack.client("sts").assume_role(
            RoleArn=self.stack.client("iam").get_role(RoleName=self.ids[f"{role}Role"])["Role"]["Arn"],
            RoleSessionName="test",
        )["Credentials"]
        client = self.session.client(
            service,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}),
        )
        # The emulator knows TLS only, but takes a proxy's word that a request had come without.
        client.meta.events.register(
            "before-send", lambda request, **_: request.headers.update({"X-Forwarded-Proto": claims}) or None
        )
        return client


def refused(act: Callable[[], Any]) -> bool:
    """True if the act is denied. Other errors do not count."""
    try:
        act()
    except ClientError as error:
        return error.response["Error"]["Code"] in DENIED or error.response["Error"]["Code"] == "403"
    return False


@pytest.fixture(scope="module")
def actors() -> Iterator[Actors]:
    """A stack whose roles may also be assumed by its administrator. What they may do is as in the template."""

    def assumable(template: dict[str, Any]) -> None:
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::IAM::Role":
                trust = json.loads(json.dumps(resource["Properties"]["AssumeRolePolicyDocument"]))
                administrator = {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}
                trust["Statement"].append({"Effect": "Allow", "Principal": administrator, "Action": "sts:AssumeRole"})
                resource["Properties"]["AssumeRolePolicyDocument"] = trust
        # The messages that the tests send must stay in the queues.
        for event in template["Resources"]["TriggerFunction"]["Properties"]["Events"].values():
            event["Properties"]["Enabled"] = False

    name = f"test-{os.getpid()}-roles"
    try:
        with (
            deploy.running(name, edit=assumable) as stack,
            mock.patch.dict(os.environ, stack.environment(), clear=True),
        ):
            yield Actors(stack)
    finally:
        shutil.rmtree(state.folder(name), ignore_errors=True)


Act = Callable[[Actors, Callable[[str], Any]], Any]
READERS = "Trigger Validate Resize Filter Optimize"
KEY = {"source_key": {"S": "raw/tom.jpg"}, "item": {"S": "lease"}}


def acts() -> dict[str, tuple[str, Act]]:
    """Act → the roles that may do it, and a function that tries it, given the stack and the role's clients."""

    def on_object(bucket: str, key: str, method: str, **more: Any) -> Act:
        return lambda at, as_: getattr(as_("s3"), method)(Bucket=getattr(at, bucket), Key=key, **more)

    def on_bucket(bucket: str, method: str, **more: Any) -> Act:
        return lambda at, as_: getattr(as_("s3"), method)(Bucket=getattr(at, bucket), **more)

    def on_queue(queue: str, method: str, **more: Any) -> Act:
        return lambda at, as_: getattr(as_("sqs"), method)(QueueUrl=at.outputs[f"{queue}Url"], **more)

    def on_topic(topic: str, method: str, **more: Any) -> Act:
        return lambda at, as_: getattr(as_("sns"), method)(TopicArn=at.outputs[f"{topic}Arn"], **more)

    def on_table(method: str, **more: Any) -> Act:
        return lambda at, as_: getattr(as_("dynamodb"), method)(TableName=at.outputs["JobsTableName"], **more)

    def on_function(function: str, method: str, **more: Any) -> Act:
        return lambda at, as_: getattr(as_("lambda"), method)(FunctionName=at.outputs[f"{function}Name"], **more)

    versioning = {"VersioningConfiguration": {"Status": "Suspended"}}
    return {
        "read a source": (READERS, on_object("source", "raw/tom.jpg", "get_object")),
        "look at a source": (READERS, on_object("source", "raw/tom.jpg", "head_object")),
        "read what is not under raw/": ("", on_object("source", "private/tom.jpg", "get_object")),
        "list sources": (READERS, on_bucket("source", "list_objects_v2")),
        "list sources by their prefix": (
            f"{READERS} BackfillMap",
            on_bucket("source", "list_objects_v2", Prefix="raw/cats/"),
        ),
        "list old versions": (READERS, on_bucket("source", "list_object_versions")),
        "write a source": ("", on_object("source", "raw/new.jpg", "put_object", Body=b"")),
        "overwrite a source": ("", on_object("source", "raw/tom.jpg", "put_object", Body=b"")),
        "delete a source": ("", on_object("source", "raw/tom.jpg", "delete_object")),
        "delete a version": ("", on_object("source", "raw/tom.jpg", "delete_object", VersionId="null")),
        "stop versioning": ("", on_bucket("source", "put_bucket_versioning", **versioning)),
        "open a bucket": ("", on_bucket("source", "delete_public_access_block")),
        "remove a bucket's policy": ("", on_bucket("output", "delete_bucket_policy")),
        "hand on intermediates": ("Resize Filter", on_object("output", "work/job/more", "put_object", Body=b"")),
        "take intermediates": ("Optimize", on_object("output", "work/job/sizes", "get_object")),
        "remove intermediates": ("Optimize", on_object("output", "work/job/gone", "delete_object")),
        "write an output": ("Optimize", on_object("output", "processed/x/large.avif", "put_object", Body=b"")),
        "renew a manifest": (
            "Trigger Optimize",
            on_object("output", "processed/x/manifest.json", "put_object", Body=b""),
        ),
        "remove an output": ("Trigger", on_object("output", "processed/x/large.avif", "delete_object")),
        "read a manifest": (
            "Trigger Optimize Notify Backfill",
            on_object("output", "processed/tom.jpg/manifest.json", "get_object"),
        ),
        "read an output": ("", on_object("output", "processed/tom.jpg/large.avif", "get_object")),
        "read elsewhere": ("", on_object("output", "other", "get_object")),
        "write elsewhere": ("", on_object("output", "index.html", "put_object", Body=b"")),
        "leave a listing's results": (
            "Resize Filter BackfillMap",
            on_object("output", "work/backfill/x.json", "put_object", Body=b""),
        ),
        "list outputs": ("Trigger Optimize Notify Backfill", on_bucket("output", "list_objects_v2")),
        "take an upload's message": ("Trigger", on_queue("UploadQueue", "receive_message")),
        "send a message anew": ("Trigger", on_queue("UploadQueue", "send_message", MessageBody="{}")),
        "take a backfill's message": ("Trigger", on_queue("BackfillQueue", "receive_message")),
        "ask for a set": ("Trigger Backfill", on_queue("BackfillQueue", "send_message", MessageBody="{}")),
        "empty the queue": ("", on_queue("UploadQueue", "purge_queue")),
        "park a message": ("Trigger", on_queue("UploadDeadLetterQueue", "send_message", MessageBody="{}")),
        "take a dead letter": ("", on_queue("UploadDeadLetterQueue", "receive_message")),
        "start a run": (
            "Trigger",
            lambda at, as_: as_("stepfunctions").start_execution(stateMachineArn=at.outputs["StateMachineArn"]),
        ),
        "start a listing": (
            "BackfillMap",
            lambda at, as_: as_("stepfunctions").start_execution(stateMachineArn=at.outputs["BackfillStateMachineArn"]),
        ),
        "look at a run": (
            "Trigger",
            lambda at, as_: as_("stepfunctions").describe_execution(executionArn=run_of(at)),
        ),
        "stop a run": ("", lambda at, as_: as_("stepfunctions").stop_execution(executionArn=run_of(at))),
        "tell of a success": ("Trigger Notify", on_topic("SuccessTopic", "publish", Message="x")),
        "tell of an error": ("Trigger Notify", on_topic("ErrorTopic", "publish", Message="x")),
        "subscribe": ("", on_topic("ErrorTopic", "subscribe", Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:0:x")),
        "read a record": ("Trigger Optimize Notify", on_table("get_item", Key=KEY)),
        "change a record": (
            "Trigger Notify Backfill",  # on AWS, Backfill may change its figures only: dynamodb:LeadingKeys
            on_table(
                "update_item", Key=KEY, UpdateExpression="SET a = :a", ExpressionAttributeValues={":a": {"S": "x"}}
            ),
        ),
        "write a record": ("Trigger", on_table("put_item", Item=KEY)),
        "remove a record": ("Trigger", on_table("delete_item", Key=KEY)),
        "read all records": ("", on_table("scan")),
        "remove the table": ("", on_table("delete_table")),
        "run a step": ("ImagePipeline", on_function("ValidateFunction", "invoke", Payload=b"{}")),
        "compare sources": ("BackfillMap", on_function("BackfillFunction", "invoke", Payload=b"{}")),
        "run the trigger": ("", on_function("TriggerFunction", "invoke", Payload=b"{}")),
        "change a function": ("", on_function("ValidateFunction", "update_function_configuration", Timeout=3)),
        "encrypt a message": (
            "Trigger Notify",
            lambda at, as_: as_("kms").generate_data_key(KeyId=at.ids["TopicKey"], KeySpec="AES_256"),
        ),
        "remove the key": ("", lambda at, as_: as_("kms").disable_key(KeyId=at.ids["TopicKey"])),
        "give itself more": (
            "",
            lambda at, as_: as_("iam").put_role_policy(
                RoleName=at.ids["ResizeRole"], PolicyName="More", PolicyDocument="{}"
            ),
        ),
        "be another": (
            "",
            lambda at, as_: as_("sts").assume_role(
                RoleArn=f"arn:aws:iam::000000000000:role/{at.ids['TriggerRole']}", RoleSessionName="another"
            ),
        ),
    }


def run_of(at: Actors) -> str:
    """The ARN of an execution that need not exist."""
    return at.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + ":none"


@pytest.mark.parametrize("act", acts())
def test_only_the_named_roles_may(actors: Actors, act: str) -> None:
    allowed, do = acts()[act]

    def may(role: str) -> bool:
        return not refused(lambda: do(actors, lambda service: actors.client(role, service)))

    assert {role for role in ROLES if may(role)} == set(allowed.split())


@pytest.mark.parametrize(
    ("role", "act"),
    [
        ("Validate", "read a source"),
        ("Resize", "hand on intermediates"),
        ("Optimize", "write an output"),
        ("Trigger", "take an upload's message"),
        ("Trigger", "park a message"),
        ("Notify", "tell of a success"),
        ("Notify", "tell of an error"),
    ],
)
def test_plain_http_is_refused(actors: Actors, role: str, act: str) -> None:
    do = acts()[act][1]
    assert not refused(lambda: do(actors, lambda service: actors.client(role, service)))
    assert refused(lambda: do(actors, lambda service: actors.client(role, service, claims="http")))


def test_the_stack_speaks_tls_only(actors: Actors) -> None:
    where = urlsplit(actors.stack.endpoint)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=5)
    connection.request("GET", "/")
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
