"""The template as CloudFormation gets it, expanded by AWS's own SAM translator; ways to ask it, and to weaken it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from unittest import mock

from samtranslator.translator.transform import transform

from darkroom.local.template import load_template
from darkroom.project import ROOT

Template = dict[str, Any]
Rule = Callable[[Template], bool]
Weakening = Callable[[Template], None]

SOURCE, OUTPUT = "SourceBucket", "OutputBucket"
MACHINES = {"ImagePipeline": "process_image.asl.json", "BackfillMap": "backfill.asl.json"}
NO_VALUE = {"Ref": "AWS::NoValue"}
# What others made stands for what the stack would have made.
STANDS_FOR = {
    "ExistingSourceBucket": "SourceBucket",
    "RetainedOutputBucket": "OutputBucket",
    "RetainedJobsTable": "JobsTable",
}


class _NoManagedPolicies:
    """None is asked for: roles are written out."""

    def load(self) -> dict[str, str]:
        return {}


# What is weighed: a stack that makes its buckets, one that uses what is there already, and one that delivers.
OWN = {"AlertEmail": "you@example.com"}
EXISTING = {
    "AlertEmail": "you@example.com",
    "WorkflowType": "EXPRESS",
    "ExistingSourceBucket": "photos-of-mine",
    "SourcePrefix": "photos/",
    "SourceKmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/abc",
    "RetainedOutputBucket": "darkroom-output-5d8a0d3e-0000-11f1-8e1c-0a1b2c3d4e5f",
    "RetainedJobsTable": "darkroom-jobs-5d8a0d3e-0000-11f1-8e1c-0a1b2c3d4e5f",
}
DELIVERED = {
    "AlertEmail": "you@example.com",
    "SourceVersionDays": "30",
    "EnableCdn": "true",
    "DomainName": "images.example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/abc",
    "CorsOrigins": "https://example.com,https://www.example.com",
    "AccessLogBucket": "logs-of-mine",
    "DistributionArn": "arn:aws:cloudfront::123456789012:distribution/E123",
}


def expand(parameters: Mapping[str, str] = OWN) -> Template:
    """The CloudFormation template that template.yaml stands for, with the resources that these parameters lead to.

    What is not among `parameters` has its default. The state machine's definition stands in the template, as it would
    if it were not a file of its own. Works offline.
    """
    source = load_template()
    # The translator wants uploaded artifacts; which ones is all the same.
    source["Globals"]["Function"]["CodeUri"] = "s3://artifacts/code"
    for machine in MACHINES:
        source["Resources"][machine]["Properties"]["DefinitionUri"] = "s3://artifacts/definition"
    defaults = {name: each["Default"] for name, each in source["Parameters"].items()}
    # The translator asks boto3 for a region: nothing of the user's configuration has a say.
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1"}, clear=True):
        template = copied(transform(source, defaults, _NoManagedPolicies()))  # type: ignore[arg-type]
    for name, file in MACHINES.items():
        machine = template["Resources"][name]["Properties"]
        del machine["DefinitionS3Location"]
        machine["Definition"] = json.loads((ROOT / "statemachine" / file).read_text(encoding="utf-8"))
    return _resolved(
        template, {name: str(each["Default"]) for name, each in template["Parameters"].items()} | parameters
    )


def _resolved(template: Template, parameters: Mapping[str, str]) -> Template:
    """The template without the resources and outputs whose condition is false, and with each Fn::If decided."""

    def holds(condition: Any) -> bool:
        ((function, argument),) = condition.items()
        match function:
            case "Condition":
                return holds(template["Conditions"][argument])
            case "Fn::Not":
                return not holds(argument[0])
            case "Fn::Or":
                return any(holds(each) for each in argument)
            case "Fn::Equals":
                one, other = (parameters[each["Ref"]] if isinstance(each, dict) else str(each) for each in argument)
                return one == other
        raise ValueError(f"{function} in a condition")

    def decided(node: Any) -> Any:
        if isinstance(node, dict):
            if node.keys() == {"Fn::If"}:
                name, then, otherwise = node["Fn::If"]
                return decided(then if holds({"Condition": name}) else otherwise)
            fields = {key: decided(value) for key, value in node.items()}
            return {key: value for key, value in fields.items() if value != NO_VALUE}
        if isinstance(node, list):
            return [value for value in map(decided, node) if value != NO_VALUE]
        return node

    def present(section: str) -> dict[str, Any]:
        found = template[section].items()
        return {
            name: each for name, each in found if "Condition" not in each or holds({"Condition": each["Condition"]})
        }

    return template | {section: decided(present(section)) for section in ("Resources", "Outputs")}


def copied(template: Template) -> Template:
    """A copy in which no two places share an object, as YAML's anchors make them."""
    copy: Template = json.loads(json.dumps(template))
    return copy


# ---------------------------------------------------------------------------------------------- asking


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """The properties of each resource of a type, by logical id."""
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == f"AWS::{kind}"}


def properties(template: Template, name: str) -> Any:
    return template["Resources"][name]["Properties"]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(template: Template, name: str) -> list[dict[str, Any]]:
    """The statements of a role or of a policy that a resource has."""
    own = properties(template, name)
    documents = [each["PolicyDocument"] for each in own.get("Policies", [])] or [
        own.get("PolicyDocument") or own["KeyPolicy"]
    ]
    return [statement for document in documents for statement in document["Statement"]]


class Grant(NamedTuple):
    role: str
    action: str
    on: str  # a logical id, and what follows the resource's ARN: "OutputBucket/work/*"


def grants(template: Template) -> Iterator[Grant]:
    """What the roles may do: one action on one resource at a time."""
    for role in of_type(template, "IAM::Role"):
        for statement in statements(template, role):
            for action in as_list(statement["Action"]):
                for resource in as_list(statement["Resource"]):
                    yield Grant(role, action, place(resource))


def place(resource: Any) -> str:
    """A resource of a statement as text."""
    match resource:
        case {"Fn::GetAtt": [name, "Arn"]} | {"Ref": name}:
            return STANDS_FOR.get(name, str(name))
        case {"Fn::Sub": str(text)}:
            return text.replace("${", "").replace(".Arn}", "").replace("}", "")
        # The Map names itself: its role comes first.
        case {"Fn::Sub": [str(text), {"Suffix": _}]}:
            return re.sub(r"^.*:(stateMachine|execution):darkroom-backfill-\$\{Suffix\}", "BackfillMap", text)
        case {"Fn::Sub": [str(text), dict(variables)]}:
            (name,) = (STANDS_FOR.get(each["Ref"], each["Ref"]) for each in variables.values())
            path = text[text.index("${", text.rindex(":")) :]
            return name + re.sub(r"^\$\{\w+\}", "", path).replace("${", "").replace("}", "")
    return str(resource)


def holders(template: Template, *actions: str, on: str = "") -> set[str]:
    """The roles that may do one of the actions (the beginnings of their names) on a place that begins with `on`."""
    return {grant.role for grant in grants(template) if grant.action.startswith(actions) and grant.on.startswith(on)}


def covered(template: Template, policies: str, attribute: str) -> dict[str, list[dict[str, Any]]]:
    """The statements about each resource that policies of a type name in `attribute`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, own in of_type(template, policies).items():
        for target in as_list(own[attribute]):
            found.setdefault(place(target), []).extend(statements(template, name))
    return found


def refuses_plain_http(found: list[dict[str, Any]], action: str, *places: str) -> bool:
    """True if one of the statements denies all requests without TLS."""
    return any(
        (each["Effect"], each["Principal"], each["Action"]) == ("Deny", "*", action)
        and each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        and [place(resource) for resource in as_list(each["Resource"])] == list(places)
        for each in found
    )


# ------------------------------------------------------------------------------------------- weakening


def put(path: str, value: Any) -> Weakening:
    """Changes a resource at a path of keys separated by dots (numbers index lists)."""

    def weaken(template: Template) -> None:
        node, last = _parent(template, path)
        node[last] = value

    return weaken


def drop(path: str) -> Weakening:
    """Removes what stands at a path."""

    def weaken(template: Template) -> None:
        node, last = _parent(template, path)
        del node[last]

    return weaken


def _parent(template: Template, path: str) -> tuple[Any, Any]:
    *parents, last = path.split(".")
    node: Any = template if parents[0] in ("Parameters", "Resources") else template["Resources"]
    for name in parents:
        node = node[int(name)] if isinstance(node, list) else node[name]
    return node, int(last) if isinstance(node, list) else last


def change(name: str, sid: str, **changes: Any) -> Weakening:
    """Changes one statement of a role or policy."""

    def weaken(template: Template) -> None:
        (statement,) = (each for each in statements(template, name) if each["Sid"] == sid)
        statement |= changes

    return weaken


def forget(name: str, sid: str) -> Weakening:
    """Makes a statement of a role or policy say nothing."""
    return change(name, sid, Effect="Allow", Principal={"Service": "none.amazonaws.com"}, Action="none:None")


def allow(role: str, action: str, resource: Any) -> Weakening:
    """Lets a role do more."""

    def weaken(template: Template) -> None:
        more = {"Sid": "More", "Effect": "Allow", "Action": action, "Resource": resource}
        properties(template, role)["Policies"][0]["PolicyDocument"]["Statement"].append(more)

    return weaken
