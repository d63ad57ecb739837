"""House rules that no linter knows, on the expanded template: weakened templates prove that each one works.

The rules and their weakenings stand in the modules rules_*. Those about a stack with buckets of its own hold for the
others too, but for what these do not have.
"""

from __future__ import annotations

import re

import pytest

from darkroom.local.template import TEMPLATE as TEMPLATE_FILE
from tests.template import rules_access, rules_backfill, rules_cdn, rules_data, rules_delivery, rules_existing
from tests.template.expanded import DELIVERED, EXISTING, OWN, Rule, Template, Weakening, copied, expand

OF_OWN = [*rules_access.RULES, *rules_backfill.RULES, *rules_data.RULES, *rules_delivery.RULES]
STACKS: dict[str, tuple[Template, list[tuple[Rule, list[Weakening]]]]] = {
    "own": (expand(OWN), OF_OWN),
    "existing": (expand(EXISTING), rules_existing.RULES),
    "delivered": (expand(DELIVERED), rules_cdn.RULES),
}
RULES = [rule for _, rules in STACKS.values() for rule in rules]
KEPT = [
    pytest.param(stack, rule, id=f"{stack}-{rule.__name__}") for stack, (_, own) in STACKS.items() for rule, _ in own
]
WEAKENINGS = [
    pytest.param(stack, rule, weaken, id=f"{stack}-{rule.__name__}-{number}")
    for stack, (_, own) in STACKS.items()
    for rule, weakenings in own
    for number, weaken in enumerate(weakenings)
]
# About the buckets and the table that a stack makes: where it makes none they have nothing to say.
ABOUT_WHAT_IS_MADE = {
    rules_access.the_queue_is_for_the_source_bucket,
    rules_data.sources_are_versioned,
    rules_data.intermediates_expire,
    rules_data.the_table_can_be_brought_back,
    rules_data.the_table_lets_old_items_go,
    rules_data.the_table_is_encrypted,
    rules_data.the_table_takes_any_load,
    rules_data.the_index_is_sparse,
    rules_delivery.uploads_and_removals_are_notified,
    rules_delivery.only_sources_are_notified,
    rules_delivery.the_bucket_waits_for_its_permission,
    rules_delivery.outputs_start_nothing,
}
SHARED = [
    pytest.param(stack, rule, id=f"{stack}-{rule.__name__}")
    for stack in ("existing", "delivered")
    for rule, _ in OF_OWN
    if stack == "delivered" or rule not in ABOUT_WHAT_IS_MADE
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


@pytest.mark.parametrize(("stack", "rule"), [*KEPT, *SHARED])
def test_our_template_keeps_the_rule(stack: str, rule: Rule) -> None:
    template, _ = STACKS[stack]
    assert rule(template)


@pytest.mark.parametrize(("stack", "rule", "weaken"), WEAKENINGS)
def test_the_rule_notices_a_weakened_template(stack: str, rule: Rule, weaken: Weakening) -> None:
    template, _ = STACKS[stack]
    weakened = copied(template)
    weaken(weakened)
    assert weakened != template
    assert not rule(weakened)
