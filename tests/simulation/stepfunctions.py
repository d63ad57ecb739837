"""Step Functions: runs the state machine's own definition."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.simulation.jsonata import evaluate
from tests.simulation.refusals import Refusal
from tests.simulation.scheduler import Process, Signal, Thread

if TYPE_CHECKING:
    from tests.simulation.world import World

_COMMON = {"Type", "Next", "End", "Output", "Assign", "Comment"}
# The fields that are simulated: a definition with others must not pass for simulated.
_FIELDS = {
    "Task": _COMMON | {"Resource", "Arguments", "TimeoutSeconds", "Retry", "Catch"},
    "Parallel": _COMMON | {"Branches", "Catch"},
    "Choice": {"Type", "Choices", "Default", "Comment"},
    "Succeed": {"Type", "Comment"},
    "Fail": {"Type", "Error", "Cause", "Comment"},
    "Pass": _COMMON,
    "Wait": _COMMON | {"Seconds"},
}


class StateError(Exception):
    def __init__(self, error: str | None, cause: str | None) -> None:
        super().__init__(error, cause)
        self.error, self.cause = error or "", cause or ""


class Execution:
    """One execution. `at`: the top-level state that it is in, with its input and variables. A redrive goes on there."""

    def __init__(self, world: World, name: str, input_: Any) -> None:
        self.world, self.name, self.input = world, name, input_
        self.status = "RUNNING"
        self.at: tuple[str, Any, dict[str, Any]] = (world.definition["StartAt"], input_, {})
        self._failure: dict[str, str] = {}
        self._started_at = datetime.fromtimestamp(world.scheduler.now, UTC)
        self.run()

    def run(self) -> None:
        """Run from the state `at`."""
        scheduler = self.world.scheduler
        self.status, self.ended = "RUNNING", Signal(scheduler)
        self.process = process = Process(scheduler, "execution")
        self.world.processes.append(process)
        process.thread(self._work)
        scheduler.after(self.world.definition["TimeoutSeconds"], lambda: self.end("TIMED_OUT", process))
        fault = self.world.faults.next("execution")
        if fault and fault.kind == "aborted":
            scheduler.after(fault.seconds, lambda: self.end("ABORTED", process))

    def end(self, status: str, process: Process | None = None) -> None:
        process = process or self.process
        if process.alive:
            process.kill()
            self.status = status
            self.ended.set()
            self.world.log(f"execution {self.name} {status} {self._failure or ''}")

    def described(self) -> dict[str, Any]:
        return {"status": self.status, "startDate": self._started_at, **self._failure}

    def _work(self) -> None:
        try:
            self._states(self.world.definition, *self.at, top=True)
            status = "SUCCEEDED"
        except StateError as error:
            self._failure = {"error": error.error, "cause": error.cause}
            status = "FAILED"
        process = self.process
        self.world.scheduler.after(0, lambda: self.end(status, process))

    def _states(self, machine: Any, name: str, input_: Any, variables: dict[str, Any], *, top: bool = False) -> Any:
        """Run the states of a machine or a branch from `name` on. Returns the last one's output, raises StateError."""
        while True:
            if top:
                self.at = (name, input_, dict(variables))
            state = machine["States"][name]
            if unknown := state.keys() - _FIELDS[state["Type"]]:
                raise NotImplementedError(f"{name}: {unknown}")
            self.process.sleep(0.02 + 0.1 * self.world.scheduler.chance("step"))
            scope = self._scope(variables, input=input_)
            if state["Type"] == "Succeed":
                return input_
            if state["Type"] == "Fail":
                raise StateError(evaluate(state["Error"], scope), evaluate(state["Cause"], scope))
            if state["Type"] == "Choice":
                rule = next((rule for rule in state["Choices"] if evaluate(rule["Condition"], scope)), None)
                variables |= evaluate(rule.get("Assign", {}), scope) if rule else {}
                name = rule["Next"] if rule else state["Default"]
                continue
            rule = state
            try:
                result = self._result(state, scope, variables, input_)
                scope = self._scope(variables, input=input_, result=result)
                output = evaluate(state["Output"], scope) if "Output" in state else result
            except StateError as error:
                rule = _matching(state.get("Catch", ()), error)
                if rule is None:
                    raise
                caught = {"Error": error.error, "Cause": error.cause}
                scope = self._scope(variables, input=input_, errorOutput=caught)
                output = evaluate(rule["Output"], scope) if "Output" in rule else caught
            variables |= evaluate(rule.get("Assign", {}), scope)
            if rule.get("End"):
                return output
            name, input_ = rule["Next"], output

    def _scope(self, variables: dict[str, Any], **states: Any) -> dict[str, Any]:
        context = {"Execution": {"Input": self.input, "Name": self.name}}
        return {**variables, "states": {"context": context, **states}}

    def _result(self, state: Any, scope: dict[str, Any], variables: dict[str, Any], input_: Any) -> Any:
        if state["Type"] == "Task":
            return self._task(state, scope)
        if state["Type"] == "Parallel":
            return self._parallel(state, input_, variables)
        if state["Type"] == "Wait":
            self.process.sleep(float(evaluate(state["Seconds"], scope)))
        return input_

    def _parallel(self, state: Any, input_: Any, variables: dict[str, Any]) -> list[Any]:
        outputs: list[Any] = [None] * len(state["Branches"])
        failures: list[StateError] = []
        changed = Signal(self.world.scheduler)
        left = len(outputs)

        def run(index: int, branch: Any) -> None:
            nonlocal left
            try:
                outputs[index] = self._states(branch, branch["StartAt"], input_, dict(variables))
            except StateError as error:
                failures.append(error)
            left -= 1
            if failures or not left:
                changed.set()

        threads = [
            self.process.thread(lambda index=index, branch=branch: run(index, branch))  # type: ignore[misc]
            for index, branch in enumerate(state["Branches"])
        ]
        self.process.wait(changed)
        if failures:
            for thread in threads:
                self._stop(thread)
            raise failures[0]
        return outputs

    def _stop(self, thread: Thread) -> None:
        self.world.scheduler.after(0, thread.stop)

    def _task(self, state: Any, scope: dict[str, Any]) -> Any:
        arguments = evaluate(state["Arguments"], scope)
        (function,) = re.findall(r"^\$\{(\w+)Arn\}$", arguments["FunctionName"])
        tried: Counter[int] = Counter()
        while True:
            invocation = self.world.lambdas.invoke(function, arguments["Payload"])
            if not self.process.wait(invocation.answered, state["TimeoutSeconds"]):
                error = StateError("States.Timeout", "")
            elif invocation.error is None:
                return {"Payload": invocation.result}
            else:
                name, message = invocation.error
                cause = (
                    message if name.startswith("Lambda.") else json.dumps({"errorType": name, "errorMessage": message})
                )
                error = StateError(name, cause)
            rule = _matching(state.get("Retry", ()), error)
            if rule is None or tried[id(rule)] >= rule["MaxAttempts"]:
                raise error
            assert rule["JitterStrategy"] == "FULL"
            longest = min(rule["IntervalSeconds"] * rule["BackoffRate"] ** tried[id(rule)], rule["MaxDelaySeconds"])
            tried[id(rule)] += 1
            self.process.sleep(longest * self.world.scheduler.chance("jitter"))


def _matching(rules: Any, error: StateError) -> Any:
    return next((rule for rule in rules if {error.error, "States.ALL"} & set(rule["ErrorEquals"])), None)


class StepFunctions:
    """The API's side of the executions."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.executions: list[Execution] = []

    def call(self, operation: str, params: dict[str, Any]) -> Any:
        if operation == "DescribeExecution":
            name = params["executionArn"].rpartition(":")[2]
            found = next((each for each in self.executions if each.name == name), None)
            if found is None:
                raise Refusal("ExecutionDoesNotExist")
            return found.described()
        name, input_ = params["name"], json.loads(params["input"])
        if operation == "StartExecution":
            standing = next((each for each in self.executions if each.name == name), None)
            if standing is None:
                self._start(name, input_)
            elif standing.status != "RUNNING" or standing.input != input_:
                raise Refusal("ExecutionAlreadyExists")
            return {"executionArn": name}
        if operation == "StartSyncExecution":
            return self._start(name, input_)
        raise NotImplementedError(f"Step Functions {operation}")

    def _start(self, name: str, input_: Any) -> Execution:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name)
        self._world.started(name, input_)
        execution = Execution(self._world, name, input_)
        self.executions.append(execution)
        return execution
