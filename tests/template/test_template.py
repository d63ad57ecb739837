"""House rules that no linter knows, on the expanded template; each is shown to notice every way of breaking it.

The rules and their weakenings stand in rules_access, rules_data and rules_delivery.
"""

from __future__ import annotations

import pytest

from tests.template import rules_access, rules_data, rules_delivery
from tests.template.expanded import Rule, Weakening, copied, expand

TEMPLATE = expand()
RULES = [*rules_access.RULES, *rules_data.RULES, *rules_delivery.RULES]
WEAKENINGS = [
    pytest.param(rule, weaken, id=f"{rule.__name__}-{number}")
    for rule, weakenings in RULES
    for number, weaken in enumerate(weakenings)
]


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.__name__) for rule, _ in RULES])
def test_our_template_keeps_the_rule(rule: Rule) -> None:
    assert rule(TEMPLATE)


@pytest.mark.parametrize(("rule", "weaken"), WEAKENINGS)
def test_the_rule_notices_a_weakened_template(rule: Rule, weaken: Weakening) -> None:
    weakened = copied(TEMPLATE)
    weaken(weakened)
    assert weakened != TEMPLATE
    assert not rule(weakened)
