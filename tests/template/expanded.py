"""The template as CloudFormation gets it, expanded by AWS's own SAM translator; ways to ask it, and to weaken it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

from samtranslator.translator.transform import transform

from darkroom.local.template import load_template
from darkroom.project import ROOT

Template = dict[str, Any]
Rule = Callable[[Template], bool]
Weakening = Callable[[Template], None]

SOURCE, OUTPUT = "SourceBucket", "OutputBucket"


class _NoManagedPolicies:
    """None is asked for: roles are written out."""

    def load(self) -> dict[str, str]:
        return {}


def expand() -> Template:
    """The CloudFormation template that template.yaml stands for, with each parameter's default. Works offline.

    The state machine's definition stands in it, as it would if it were not a file of its own.
    """
    source = load_template()
    # The translator wants uploaded artifacts; which ones is all the same.
    source["Globals"]["Function"]["CodeUri"] = "s3://artifacts/code"
    source["Resources"]["ImagePipeline"]["Properties"]["DefinitionUri"] = "s3://artifacts/definition"
    defaults = {name: each["Default"] for name, each in source["Parameters"].items()}
    # The translator asks boto3 for a region: nothing of the user's configuration has a say.
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1"}, clear=True):
        template = copied(transform(source, defaults, _NoManagedPolicies()))  # type: ignore[arg-type]
    machine = template["Resources"]["ImagePipeline"]["Properties"]
    del machine["DefinitionS3Location"]
    machine["Definition"] = json.loads((ROOT / "statemachine/process_image.asl.json").read_text(encoding="utf-8"))
    return template


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
                for one in action["Fn::If"][1:] if isinstance(action, dict) else [action]:
                    for resource in as_list(statement["Resource"]):
                        yield Grant(role, one, place(resource))


def place(resource: Any) -> str:
    """A resource of a statement as text."""
    match resource:
        case {"Fn::GetAtt": [name, "Arn"]} | {"Ref": name}:
            return str(name)
        case {"Fn::Sub": str(text)}:
            return text.replace("${", "").replace(".Arn}", "").replace("}", "")
    return str(resource)


def holders(template: Template, *actions: str, on: str = "") -> set[str]:
    """The roles that may do one of the actions (the beginnings of their names) on a place that begins with `on`."""
    return {grant.role for grant in grants(template) if grant.action.startswith(actions) and grant.on.startswith(on)}


def covered(template: Template, policies: str, attribute: str) -> dict[str, list[dict[str, Any]]]:
    """The statements about each resource that policies of a type name in `attribute`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, own in of_type(template, policies).items():
        for target in as_list(own[attribute]):
            found.setdefault(target["Ref"], []).extend(statements(template, name))
    return found


def refuses_plain_http(found: list[dict[str, Any]], action: str, resource: Any) -> bool:
    """True if one of the statements denies all requests without TLS."""
    return any(
        (each["Effect"], each["Principal"], each["Action"]) == ("Deny", "*", action)
        and each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        and each["Resource"] == resource
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
