"""deploy/deployer.yaml: what the deployer may do is what CloudFormation needs for template.yaml, and little more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from darkroom.local.template import load_template
from darkroom.project import ROOT
from tests.template.expanded import DELIVERED, EXISTING, OWN, as_list, copied, expand, of_type

# The resource types as AWS publishes them: each handler lists the permissions that it may need.
SCHEMAS = Path(cfnlint.__file__).parent / "data/schemas/resources"
POLICIES = ("StackPolicy", "ServicesPolicy")
LONGEST = {  # what makes the policies longest
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-2",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "x" * 128,
    "StackNames": "x" * 40,
}
# Permissions that a handler may need for a property that the template does not set, by type.
LEFT = {
    "DynamoDB::Table": (
        r"dynamodb:.*(Replica|Stream|Import).*|dynamodb:(Delete|Put)ResourcePolicy|kinesis:.*|iam:CreateServiceLinkedRole"
        r"|dynamodb:((Batch|Put|Get|Update|Delete)(Write)?Item|Query|Scan)|logs:.*|s3:.*|kms:.*",
        "replicas, streams, imports, resource policies and keys of ours",
    ),
    "IAM::Role": (
        r"iam:(Attach|Detach)RolePolicy|iam:.*RolePermissionsBoundary",
        "managed policies and boundaries: with these the deployer could give himself any right",
    ),
    "Lambda::EventSourceMapping": (r"kms:.*", "a key for the filter criteria"),
    "Lambda::Function": (
        r"(ec2|elasticfilesystem|s3files|kms):.*|lambda:.*(Signing|Layer|Capacity|Scaling).*"
        r"|lambda:(AssociateRuntimeAlias|PublishVersion)",
        "networks, file systems, keys, signing, layers, capacity and versions",
    ),
    "Logs::LogGroup": (
        r"firehose:.*|s3:.*|logs:.*(KmsKey|DataProtection|IndexPolicy|ResourcePolicy|BearerToken|DeletionProtection).*",
        "keys, data protection, indexes and deletion protection",
    ),
    "S3::Bucket": (
        r"s3tables:.*|s3:.*Metadata.*|s3:DeleteBucket(Analytics|Metrics).*|s3:DeleteBucket(Replication|Website)"
        # To take these away needs the permission to put them; their own are not among IAM's actions.
        r"|s3:DeleteBucket(Cors|Encryption|Lifecycle)|s3:DeleteObject|s3:PutObjectAcl",
        "tables, metrics, replication, websites and objects",
    ),
    "StepFunctions::StateMachine": (r"kms:.*", "a key for the workflow's data"),
}


@pytest.fixture(scope="module")
def deployer() -> dict[str, Any]:
    return copied(load_template(ROOT / "deploy/deployer.yaml"))


def statements(deployer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in POLICIES:
        yield from deployer["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]


def allows(deployer: dict[str, Any], permission: str) -> bool:
    return any(
        fnmatchcase(permission.lower(), pattern.lower())
        for statement in statements(deployer)
        if statement["Effect"] == "Allow"
        for pattern in as_list(statement["Action"])
    )


@cache
def stack() -> dict[str, Any]:
    """The resources that the stack can have, whatever its parameters are."""
    return {
        "Resources": {
            name: each for some in (EXISTING, DELIVERED, OWN) for name, each in expand(some)["Resources"].items()
        }
    }


@cache
def needed() -> dict[str, set[str]]:
    """The permissions that the handlers of each of the template's types list."""
    types = {each["Type"] for each in stack()["Resources"].values()}
    found: dict[str, set[str]] = {}
    for path in SCHEMAS.iterdir():
        schema = json.loads(path.read_text(encoding="utf-8"))
        if schema.get("typeName") in types:
            handlers = schema["handlers"].values()
            found.setdefault(schema["typeName"], set()).update(*(handler["permissions"] for handler in handlers))
    assert found.keys() == types
    return found


def missing(deployer: dict[str, Any]) -> set[tuple[str, str]]:
    """(type, permission) that the deployer has not."""
    return {
        (kind.removeprefix("AWS::"), permission)
        for kind, permissions in needed().items()
        for permission in permissions
        if not allows(deployer, permission)
    }


def explained(kind: str, permission: str) -> bool:
    return kind in LEFT and re.fullmatch(LEFT[kind][0], permission) is not None


def test_the_deployer_may_do_what_each_resource_type_needs(deployer: dict[str, Any]) -> None:
    assert {each for each in missing(deployer) if not explained(*each)} == set()


def test_no_reason_is_left_over(deployer: dict[str, Any]) -> None:
    assert {kind for kind, _ in missing(deployer)} == LEFT.keys()


@pytest.mark.parametrize(
    "action", ["sqs:SetQueueAttributes", "kms:CreateKey", "cloudfront:Update*", "iam:PutRolePolicy"]
)
def test_a_permission_that_is_taken_away_is_missed(deployer: dict[str, Any], action: str) -> None:
    weakened = copied(deployer)
    for statement in statements(weakened):
        statement["Action"] = [each for each in as_list(statement["Action"]) if each != action]
    assert not all(explained(*each) for each in missing(weakened))


def rendered(value: Any) -> Any:
    """A value with each Fn::Sub done."""
    if isinstance(value, dict):
        if "Fn::Sub" in value:
            return re.sub(r"\$\{([^}]+)\}", lambda found: LONGEST[found[1]], value["Fn::Sub"])
        return {name: rendered(each) for name, each in value.items()}
    return [rendered(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", POLICIES)
def test_iam_accepts_the_length(deployer: dict[str, Any], name: str) -> None:
    document = rendered(deployer["Resources"][name]["Properties"]["PolicyDocument"])
    assert len(json.dumps(document, separators=(",", ":"))) <= 6144


def test_what_changes_something_has_a_narrow_resource_or_a_condition(deployer: dict[str, Any]) -> None:
    harmless = (
        r"\w+:(Get|List|Describe|Validate).*|logs:\w*(LogDelivery|ResourcePolicy)|sns:(Unsub.*|SetSubscription.*)"
    )
    for statement in statements(deployer):
        if statement["Resource"] == "*" and "Condition" not in statement:
            assert [each for each in as_list(statement["Action"]) if not re.fullmatch(harmless, each)] == []


def test_roles_are_passed_to_the_services_that_may_assume_them_only(deployer: dict[str, Any]) -> None:
    (statement,) = (each for each in statements(deployer) if "iam:PassRole" in as_list(each["Action"]))
    roles = of_type(stack(), "IAM::Role").values()
    assumed = {each["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"] for each in roles}
    assert set(statement["Condition"]["StringEquals"]["iam:PassedToService"]) == assumed
    assert statement["Resource"]["Fn::Sub"].endswith(":role/${StackNames}-*")


def test_the_deployer_cannot_change_its_own_rights(deployer: dict[str, Any]) -> None:
    """Nor another deployer's: their stacks are called darkroom-deployer, which a stack of Darkroom might be."""
    (denied,) = (each for each in statements(deployer) if each["Effect"] == "Deny")
    assert {"cloudformation:*", "iam:*"} == set(denied["Action"])
    resources = [each["Fn::Sub"].partition("${AWS::AccountId}:")[2] for each in denied["Resource"]]
    assert resources == [
        "stack/${AWS::StackName}/*",
        "stack/${StackNames}-deployer*/*",
        "role/${AWS::StackName}-*",
        "role/${StackNames}-deployer*",
    ]
    assert not any("iam:" in action and "Policy" in action and "Role" not in action for action in actions(deployer))


def actions(deployer: dict[str, Any]) -> set[str]:
    return {action for statement in statements(deployer) for action in as_list(statement["Action"])}


@pytest.mark.parametrize(
    ("kind", "attribute", "sid"),
    [
        ("S3::Bucket", "BucketName", "Buckets"),
        ("SQS::Queue", "QueueName", "Queues"),
        ("DynamoDB::Table", "TableName", "Table"),
        ("Logs::LogGroup", "LogGroupName", "Logs"),
        ("StepFunctions::StateMachine", "StateMachineName", "Workflow"),
    ],
)
def test_names_that_the_template_gives_are_covered(
    deployer: dict[str, Any], kind: str, attribute: str, sid: str
) -> None:
    (statement,) = (each for each in statements(deployer) if each["Sid"] == sid)
    patterns = [each["Fn::Sub"] for each in as_list(statement["Resource"])]
    for each in of_type(stack(), kind).values():
        if attribute in each:
            name = as_list(each[attribute]["Fn::Sub"])[0].replace("${AWS::StackName}", "${StackNames}")
            prefix = name.partition("${Suffix}")[0]
            assert any(fnmatchcase(prefix, re.split(r":(?:table/)?", pattern)[-1]) for pattern in patterns), name


def test_one_environment_of_one_repository_gets_the_role(deployer: dict[str, Any]) -> None:
    (statement,) = deployer["Resources"]["GitHubRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {
                "Fn::Sub": "repo:${GitHubRepository}:environment:${GitHubEnvironment}"
            },
        }
    }


@pytest.mark.parametrize("name", ["owner/name", "own-er@123/na.me@456", ""])
def test_repositories_are_accepted_as_tokens_name_them(deployer: dict[str, Any], name: str) -> None:
    assert re.search(deployer["Parameters"]["GitHubRepository"]["AllowedPattern"], name)


@pytest.mark.parametrize("name", ["owner", "owner/*", "*/*", "owner/name/x", "https://github.com/owner/name", "o:x/n"])
def test_nothing_wider_than_a_repository_is_accepted(deployer: dict[str, Any], name: str) -> None:
    assert not re.search(deployer["Parameters"]["GitHubRepository"]["AllowedPattern"], name)
