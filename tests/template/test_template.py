"""House rules that no linter knows, on the expanded template: weakened templates prove that each one works.

The rules and their weakenings stand in rules_access, rules_data and rules_delivery.
"""

from __future__ import annotations

import re

import pytest

from darkroom.local.template import TEMPLATE as TEMPLATE_FILE
from tests.template import rules_access, rules_data, rules_delivery
from tests.template.expanded import Rule, Weakening, copied, expand

TEMPLATE = expand()
RULES = [*rules_access.RULES, *rules_data.RULES, *rules_delivery.RULES]
WEAKENINGS = [
    pytest.param(rule, weaken, id=f"{rule.__name__}-{number}")
    for rule, weakenings in RULES
    for number, weaken in enumerate(weakenings)
]


def test_every_rule_has_a_weakening() -> None:
    assert len({rule for rule, _ in RULES}) == len(RULES)
    assert [rule.__name__ for rule, weakenings in RULES if not weakenings] == []


def unexplained(text: str) -> list[str]:
    """Lines of a template that name every resource and do not say why."""
    return [line for line in text.splitlines() if re.search(r"Resource: .*[\"']\*[\"']", line) and "#" not in line]


def test_a_star_for_a_resource_has_a_comment() -> None:
    text = TEMPLATE_FILE.read_text(encoding="utf-8")
    assert unexplained(text) == []
    weakened = re.sub(r'(Resource: "\*") #.*', r"\1", text)
    assert len(unexplained(weakened)) == 3


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.__name__) for rule, _ in RULES])
def test_our_template_keeps_the_rule(rule: Rule) -> None:
    assert rule(TEMPLATE)


@pytest.mark.parametrize(("rule", "weaken"), WEAKENINGS)
def test_the_rule_notices_a_weakened_template(rule: Rule, weaken: Weakening) -> None:
    weakened = copied(TEMPLATE)
    weaken(weakened)
    assert weakened != TEMPLATE
    assert not rule(weakened)
