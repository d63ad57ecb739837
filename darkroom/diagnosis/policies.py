"""What a resource's policy lets a service do: no evaluation of IAM, but enough for the policies of the template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any


def allows(policy: str, service: str, action: str, source: str, account: str) -> bool:
    """Whether a policy, as JSON, allows `service` the `action` for the resource with the ARN `source` of `account`.

    A Deny counts if nothing but service, source and account decides about it. Conditions on other keys are not
    looked at: they make an Allow hold and a Deny not.
    """
    statements = json.loads(policy or "{}").get("Statement", [])
    asked = {"aws:sourcearn": source, "aws:sourceaccount": account}
    about = [
        statement
        for statement in ([statements] if isinstance(statements, dict) else statements)
        if _is_for(statement, service, action) and _holds(statement, asked)
    ]
    denied = any(each["Effect"] == "Deny" and _keys(each) <= asked.keys() for each in about)
    return not denied and any(each["Effect"] == "Allow" for each in about)


def _is_for(statement: Mapping[str, Any], service: str, action: str) -> bool:
    principal = statement.get("Principal", {})
    services = ["*"] if principal == "*" else [*_list(principal.get("Service", [])), *_list(principal.get("AWS", []))]
    actions = [each.lower() for each in _list(statement.get("Action", []))]
    return bool({service, "*"} & set(services)) and any(fnmatchcase(action.lower(), each) for each in actions)


def _holds(statement: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    conditions = [
        (key.lower(), _list(values))
        for operator in statement.get("Condition", {}).values()
        for key, values in operator.items()
    ]
    return all(any(fnmatchcase(asked[key], str(each)) for each in values) for key, values in conditions if key in asked)


def _keys(statement: Mapping[str, Any]) -> set[str]:
    return {key.lower() for operator in statement.get("Condition", {}).values() for key in operator}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
