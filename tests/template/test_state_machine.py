"""statemachine/check.py accepts our definition, and notices each way of breaking it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest

import contracts
from darkroom.local.template import load_template
from darkroom.project import ROOT
from statemachine import check

DEFINITION = (ROOT / "statemachine/process_image.asl.json").read_text(encoding="utf-8")
BACKFILL = (ROOT / "statemachine/backfill.asl.json").read_text(encoding="utf-8")
SUBSTITUTIONS = set(load_template()["Resources"]["ImagePipeline"]["Properties"]["DefinitionSubstitutions"])
MISSION = {
    "ValidateImage",
    "ImageValid?",
    "ProcessImage",
    "ResizeImage",
    "ApplyFilters",
    "OptimizeImage",
    "NotifySuccess",
    "NotifyError",
}


def all_states(machine: dict[str, Any]) -> dict[str, Any]:
    found = dict(machine["States"])
    for state in machine["States"].values():
        for branch in state.get("Branches", []):
            found |= all_states(branch)
    return found


def test_our_definition_is_accepted() -> None:
    assert list(check.of_template(load_template(), ROOT)) == []


def test_it_has_the_eight_states_and_beyond_them_only_ends() -> None:
    states = all_states(json.loads(DEFINITION))
    assert set(states) >= MISSION
    assert {states[name]["Type"] for name in set(states) - MISSION} == {"Choice", "Succeed", "Fail"}


@pytest.mark.parametrize(
    ("state", "event"),
    [
        ("ValidateImage", contracts.JobEvent),
        ("ResizeImage", contracts.BranchEvent),
        ("ApplyFilters", contracts.BranchEvent),
        ("OptimizeImage", contracts.OptimizeEvent),
        ("NotifySuccess", contracts.NotifyEvent),
        ("NotifyError", contracts.NotifyEvent),
    ],
)
def test_each_function_is_handed_what_its_contract_says(state: str, event: Any) -> None:
    payload = all_states(json.loads(DEFINITION))[state]["Arguments"]["Payload"]
    assert set(payload) == set(get_type_hints(event))


def test_success_takes_seven_transitions() -> None:
    machine = json.loads(DEFINITION)
    name, taken = machine["StartAt"], 0
    while name:
        state = machine["States"][name]
        taken += 1
        if state["Type"] == "Parallel":
            taken += sum(
                len([inner for inner in branch["States"].values() if inner["Type"] != "Fail"])
                for branch in state["Branches"]
            )
        name = state["Choices"][0]["Next"] if state["Type"] == "Choice" else state.get("Next")
    assert taken == 7


def dangle(machine: dict[str, Any]) -> None:
    machine["States"]["ValidateImage"]["Next"] = "Nowhere"


def dangle_in_catch(machine: dict[str, Any]) -> None:
    machine["States"]["OptimizeImage"]["Catch"][0]["Next"] = "Nowhere"


def dangle_in_branch(machine: dict[str, Any]) -> None:
    machine["States"]["ProcessImage"]["Branches"][0]["StartAt"] = "Nowhere"


def orphan(machine: dict[str, Any]) -> None:
    machine["States"]["Forgotten"] = {"Type": "Succeed"}


def endless(machine: dict[str, Any]) -> None:
    state = machine["States"]["NotifySuccess"]
    del state["End"]
    state["Next"] = "NotifySuccess"
    state["Catch"][0]["Next"] = "NotifySuccess"


def stop_short(machine: dict[str, Any]) -> None:
    del machine["States"]["NotifySuccess"]["End"]


def choose_nothing(machine: dict[str, Any]) -> None:
    del machine["States"]["ImageValid?"]["Default"]


def use_jsonpath(machine: dict[str, Any]) -> None:
    machine["States"]["ValidateImage"]["ResultPath"] = "$.image"


def use_jsonpath_value(machine: dict[str, Any]) -> None:
    machine["States"]["OptimizeImage"]["Arguments"]["Payload"]["key.$"] = "$.key"


def substitute_nothing(machine: dict[str, Any]) -> None:
    machine["States"]["NotifyError"]["Arguments"]["FunctionName"] = "${NotifyFunction}"


def wait_for_ever(machine: dict[str, Any]) -> None:
    del machine["States"]["OptimizeImage"]["TimeoutSeconds"]


def never_retry(machine: dict[str, Any]) -> None:
    del machine["States"]["ProcessImage"]["Branches"][1]["States"]["ApplyFilters"]["Retry"]


def retry_everything(machine: dict[str, Any]) -> None:
    machine["States"]["ValidateImage"]["Retry"][0]["ErrorEquals"] = ["States.ALL"]


def let_through(machine: dict[str, Any]) -> None:
    del machine["States"]["NotifySuccess"]["Catch"]


def let_parallel_through(machine: dict[str, Any]) -> None:
    del machine["States"]["ProcessImage"]["Catch"]


def tolerate_nothing(machine: dict[str, Any]) -> None:
    del machine["States"]["EachBatch"]["ToleratedFailurePercentage"]


def keep_results(machine: dict[str, Any]) -> None:
    del machine["States"]["EachBatch"]["ResultWriter"]


def retry_no_batch(machine: dict[str, Any]) -> None:
    del machine["States"]["EachBatch"]["ItemProcessor"]["States"]["CompareSources"]["Retry"]


def use_jsonata(machine: dict[str, Any]) -> None:
    machine["States"]["EachBatch"]["ItemSelector"]["object"] = "{% $states.context.Map.Item.Value %}"


def use_jsonata_field(machine: dict[str, Any]) -> None:
    machine["States"]["EachBatch"]["Items"] = []


def forget_jsonata(machine: dict[str, Any]) -> None:
    del machine["QueryLanguage"]


@pytest.mark.parametrize(
    ("weaken", "complaint"),
    [
        (dangle, "ValidateImage: leads to Nowhere"),
        (dangle_in_catch, "OptimizeImage: leads to Nowhere"),
        (dangle_in_branch, "StartAt: leads to Nowhere"),
        (orphan, "Forgotten: nothing leads here"),
        (endless, "NotifySuccess: no path from here reaches an end"),
        (stop_short, "NotifySuccess: neither Next nor End"),
        (choose_nothing, "ImageValid?: a Choice without Default"),
        (use_jsonpath, "ValidateImage: ResultPath is a JSONPath field"),
        (use_jsonpath_value, "OptimizeImage: key.$ is a JSONPath field"),
        (substitute_nothing, "${NotifyFunction} is not substituted"),
        (wait_for_ever, "OptimizeImage: a Task without TimeoutSeconds"),
        (never_retry, "ApplyFilters: a Task without Retry"),
        (retry_everything, "ValidateImage: Retry must name its errors"),
        (let_through, "NotifySuccess: a Task that does not catch"),
        (let_parallel_through, "ProcessImage: a Parallel without Catch"),
        (forget_jsonata, "QueryLanguage is neither JSONata nor JSONPath"),
    ],
)
def test_each_weakness_is_noticed(weaken: Callable[[dict[str, Any]], None], complaint: str) -> None:
    machine = json.loads(DEFINITION)
    weaken(machine)
    assert [found for found in check.of_definition(json.dumps(machine), SUBSTITUTIONS) if complaint in found]


@pytest.mark.parametrize(
    ("weaken", "complaint"),
    [
        (tolerate_nothing, "EachBatch: a Distributed Map that fails with its first child"),
        (keep_results, "EachBatch: a Distributed Map without ResultWriter"),
        (retry_no_batch, "CompareSources: a Task without Retry"),
        (use_jsonata, "EachBatch: object is a JSONata field"),
        (use_jsonata_field, "EachBatch: Items is a JSONata field"),
    ],
)
def test_each_weakness_of_a_distributed_map_is_noticed(
    weaken: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    machine = json.loads(BACKFILL)
    weaken(machine)
    substitutions = {"Partition", "SourceBucket", "OutputBucket", "BackfillFunctionArn"}
    assert [found for found in check.of_definition(json.dumps(machine), substitutions) if complaint in found]


def test_an_unused_substitution_and_broken_json_are_noticed() -> None:
    assert list(check.of_definition(DEFINITION, SUBSTITUTIONS | {"Old"})) == [
        "the template substitutes Old, which is not used"
    ]
    assert "not JSON" in next(check.of_definition("{", set()))
