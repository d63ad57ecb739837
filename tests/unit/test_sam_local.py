"""What `sam local invoke` is given: events/env.json names what it cannot know, the stack's resources."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from darkroom.local.template import load_template
from darkroom.project import ROOT

NAMES: dict[str, dict[str, str]] = json.loads((ROOT / "events/env.json").read_text(encoding="utf-8"))
TEMPLATE = load_template()
FORMS = {
    "_BUCKET": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "_TABLE": r"[A-Za-z0-9_.-]{3,255}",
    "_QUEUE_URL": r"https://sqs\.[a-z0-9-]+\.amazonaws\.com/\d{12}/[\w-]{1,80}",
    "_ARN": r"arn:aws:(states|sns):[a-z0-9-]+:\d{12}:[\w:-]+",
    "_BASE_URL": r"(https://\S+[^/])?",
}


def names_a_resource(value: Any) -> bool:
    """True if the value of a variable may be a reference to a resource of the template."""
    text = json.dumps(value)
    found = re.findall(r'"Ref": "(\w+)"|"Fn::GetAtt": \["(\w+)"|\$\{(\w+)', text)
    return any(name in TEMPLATE["Resources"] for names in found for name in names)


def test_each_function_gets_the_names_of_the_resources_that_it_uses() -> None:
    functions = {
        name: each["Properties"].get("Environment", {}).get("Variables", {})
        for name, each in TEMPLATE["Resources"].items()
        if each["Type"] == "AWS::Serverless::Function"
    }
    assert len(functions) == 7
    wanted = {
        name: {variable for variable, value in variables.items() if names_a_resource(value)}
        for name, variables in functions.items()
    }
    assert {name: set(variables) for name, variables in NAMES.items()} == {k: v for k, v in wanted.items() if v}


@pytest.mark.parametrize(
    ("variable", "value"), sorted({each for variables in NAMES.values() for each in variables.items()})
)
def test_the_names_have_the_form_of_real_ones(variable: str, value: str) -> None:
    (form,) = (form for ending, form in FORMS.items() if variable.endswith(ending))
    assert re.fullmatch(form, value)


def test_the_source_is_that_of_the_sample_events() -> None:
    job = json.loads((ROOT / "events/validate.json").read_text(encoding="utf-8"))["job"]
    assert NAMES["TriggerFunction"]["SOURCE_BUCKET"] == job["source"]["bucket"]


def test_sam_finds_the_names_and_what_was_built() -> None:
    told = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]["local_invoke"]["parameters"]
    assert told == {"template": ".aws-sam/build/template.yaml", "env_vars": "events/env.json"}
