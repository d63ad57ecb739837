"""Checks the state machines for mistakes that cfn-lint does not find: `python -m statemachine.check`.

Transitions to missing states, unreachable states, paths that never end, ${…} that the template does not substitute,
unused substitutions, JSONPath fields in a JSONata definition, a Choice without Default, a Parallel without Catch, Tasks
without timeout, Retry or Catch, and a Retry that does not name its errors or whose jitter is not FULL. A definition may
say that it is JSONPath; it then must have no field that only JSONata has. The children of a Distributed Map need no
Catch: the Map counts those that fail, and must say how many it tolerates and where their results go.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from darkroom.local.template import load_template
from darkroom.project import ROOT

JSONPATH_FIELDS = {"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "ItemsPath", "Variable"}
JSONATA_FIELDS = {"Arguments", "Output", "Assign", "Items", "Condition"}
ENDS = {"Succeed", "Fail"}
# The failure path itself catches nothing: if it fails, the trigger finds that the record is still open.
LAST_RESORT = {"NotifyError"}

States = dict[str, Any]


def main() -> int:
    complaints = list(of_template(load_template(), ROOT))
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if not complaints:
        print("state machines: no complaints")
    return 1 if complaints else 0


def of_template(template: dict[str, Any], root: Path) -> Iterator[str]:
    """Complaints about the state machines of a SAM template, each with its file and state."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::StateMachine":
            properties = resource["Properties"]
            text = (root / properties["DefinitionUri"]).read_text(encoding="utf-8")
            for complaint in of_definition(text, set(properties.get("DefinitionSubstitutions", {}))):
                yield f"{properties['DefinitionUri']}: {complaint}"


def of_definition(text: str, substitutions: set[str]) -> Iterator[str]:
    """Complaints about a definition (JSON text); `substitutions` are the names that the template substitutes."""
    used = set(re.findall(r"\$\{(\w+)\}", text))
    yield from (f"${{{name}}} is not substituted by the template" for name in sorted(used - substitutions))
    yield from (f"the template substitutes {name}, which is not used" for name in sorted(substitutions - used))
    try:
        definition = json.loads(text)
    except ValueError as error:
        yield f"not JSON: {error}"
        return
    match definition.get("QueryLanguage"):
        case "JSONata":
            yield from (f"{where}: {name} is a JSONPath field" for where, name in _of_jsonpath(definition, "top level"))
        case "JSONPath":
            yield from (f"{where}: {name} is a JSONata field" for where, name in _of_jsonata(definition, "top level"))
        case _:
            yield "QueryLanguage is neither JSONata nor JSONPath"
    yield from _of_states(definition)


def _of_states(machine: dict[str, Any], *, is_child: bool = False) -> Iterator[str]:
    states: States = machine["States"]
    followers = {name: set(_next(state)) for name, state in states.items()}
    for name, targets in [("StartAt", {machine["StartAt"]}), *followers.items()]:
        yield from (f"{name}: leads to {target}, which does not exist" for target in sorted(targets - set(states)))
    unreachable = set(states) - _reachable(machine["StartAt"], followers)
    yield from (f"{name}: nothing leads here" for name in sorted(unreachable))
    for name, state in states.items():
        if state["Type"] not in ENDS | {"Choice"} and "Next" not in state and not state.get("End"):
            yield f"{name}: neither Next nor End"
        if state["Type"] == "Choice" and "Default" not in state:
            yield f"{name}: a Choice without Default fails where no rule matches"
        if not any(_is_end(states[target]) for target in _reachable(name, followers) if target in states):
            yield f"{name}: no path from here reaches an end"
        if state["Type"] == "Task":
            yield from _of_task(name, state, is_child=is_child)
        if state["Type"] == "Parallel" and "Catch" not in state:
            yield f"{name}: a Parallel without Catch"
        for inner in state.get("Branches", []):
            yield from _of_states(inner, is_child=is_child)
        if "ItemProcessor" in state:
            yield from _of_map(name, state)


def _of_map(name: str, state: dict[str, Any]) -> Iterator[str]:
    is_distributed = state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
    if is_distributed and not any(field.startswith("ToleratedFailure") for field in state):
        yield f"{name}: a Distributed Map that fails with its first child"
    if is_distributed and "ResultWriter" not in state:
        yield f"{name}: a Distributed Map without ResultWriter fails when its results are more than 256 KiB"
    yield from _of_states(state["ItemProcessor"], is_child=is_distributed)


def _of_task(name: str, state: dict[str, Any], *, is_child: bool) -> Iterator[str]:
    if "TimeoutSeconds" not in state:
        yield f"{name}: a Task without TimeoutSeconds waits for a year"
    if not state.get("Retry"):
        yield f"{name}: a Task without Retry"
    for retry in state.get("Retry", []):
        if "States.ALL" in retry["ErrorEquals"] or retry.get("JitterStrategy") != "FULL":
            yield f"{name}: Retry must name its errors and have JitterStrategy FULL"
    catches = any("States.ALL" in catch["ErrorEquals"] for catch in state.get("Catch", []))
    if not catches and name not in LAST_RESORT and not is_child:
        yield f"{name}: a Task that does not catch States.ALL"


def _next(state: dict[str, Any]) -> Iterator[str]:
    """The names of all states that can follow."""
    for place in [state, *state.get("Choices", []), *state.get("Catch", [])]:
        if "Next" in place:
            yield place["Next"]
    if "Default" in state:
        yield state["Default"]


def _is_end(state: dict[str, Any]) -> bool:
    return state["Type"] in ENDS or bool(state.get("End"))


def _reachable(start: str, followers: dict[str, set[str]]) -> set[str]:
    reachable, pending = set(), [start]
    while pending:
        name = pending.pop()
        if name in followers and name not in reachable:
            reachable.add(name)
            pending.extend(followers[name])
    return reachable


def _of_jsonpath(definition: Any, where: str) -> Iterator[tuple[str, str]]:
    """(state, field) of each field that only JSONPath has, or whose value only JSONPath evaluates."""
    for state, name, _ in _fields(definition, where):
        if name in JSONPATH_FIELDS or name.endswith(".$"):
            yield state, name


def _of_jsonata(definition: Any, where: str) -> Iterator[tuple[str, str]]:
    """(state, field) of each field that only JSONata has, or whose value only JSONata evaluates."""
    for state, name, value in _fields(definition, where):
        if name in JSONATA_FIELDS or (isinstance(value, str) and value.startswith("{%")):
            yield state, name


def _fields(node: Any, where: str) -> Iterator[tuple[str, str, Any]]:
    """(state, field, value) of each field of a definition, nested ones too."""
    if isinstance(node, list):
        for each in node:
            yield from _fields(each, where)
    elif isinstance(node, dict):
        for name, value in node.items():
            yield where, name, value
            if name == "States":
                for state, body in value.items():
                    yield from _fields(body, state)
            else:
                yield from _fields(value, where)


if __name__ == "__main__":
    sys.exit(main())
