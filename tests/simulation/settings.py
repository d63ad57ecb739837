"""What template.yaml says that a history depends on: times, sizes, and the functions' environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from darkroom.local.template import load_template

_ACCOUNT = "us-east-1:123456789012"
SOURCE, OUTPUT, TABLE = "darkroom-source", "darkroom-output", "jobs"
UPLOADS = "https://sqs.us-east-1.amazonaws.com/123456789012/uploads"
BACKFILLS = "https://sqs.us-east-1.amazonaws.com/123456789012/backfill"
DEAD_LETTERS = "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters"
MACHINE = f"arn:aws:states:{_ACCOUNT}:stateMachine:ImagePipeline"
SUCCESSES, ERRORS = f"arn:aws:sns:{_ACCOUNT}:successes", f"arn:aws:sns:{_ACCOUNT}:errors"

# Resources by their name in the template.
_REFERENCES = {
    "SourceBucket": SOURCE,
    "OutputBucket": OUTPUT,
    "JobsTable": TABLE,
    "UploadQueue": UPLOADS,
    "BackfillQueue": BACKFILLS,
    "UploadDeadLetterQueue": DEAD_LETTERS,
    "ImagePipeline": MACHINE,
    "SuccessTopic": SUCCESSES,
    "ErrorTopic": ERRORS,
    "AWS::StackName": "darkroom",
}


@dataclass(frozen=True)
class Function:
    handler: str
    timeout: float
    memory: int


class Settings:
    """template.yaml with default parameters."""

    def __init__(self) -> None:
        template = load_template()
        self._parameters = {name: each.get("Default", "") for name, each in template["Parameters"].items()}
        self._conditions = template.get("Conditions", {})
        resources = template["Resources"]
        default = template["Globals"]["Function"]
        self.environment: dict[str, str] = {}
        self.functions: dict[str, Function] = {}
        for name, resource in resources.items():
            if resource["Type"] == "AWS::Serverless::Function":
                properties = default | resource["Properties"]
                self.functions[name] = Function(
                    properties["Handler"], float(properties["Timeout"]), properties["MemorySize"]
                )
                variables = {**_variables(default), **_variables(resource["Properties"])}
                self.environment |= {variable: self.value(value) for variable, value in variables.items()}
        queue = resources["UploadQueue"]["Properties"]
        self.visibility = float(queue["VisibilityTimeout"])
        self.max_receives = int(queue["RedrivePolicy"]["maxReceiveCount"])
        self.batch_size = int(self._parameters["BatchSize"])
        self.concurrency = {
            UPLOADS: int(self._parameters["MaximumConcurrency"]),
            BACKFILLS: int(self._parameters["BackfillConcurrency"]),
        }
        self.max_attempts = int(self._parameters["MaxAttempts"])
        # Seconds after which a message that DailyImageLimit held is looked at again, once the limit is lifted.
        self.longest_brake = max(map(float, self.environment["BRAKE_SECONDS"].split(","))) + 900

    def value(self, value: Any) -> str:
        """The text of an environment variable: a literal, Ref, Fn::If or Fn::Sub of what is known here."""
        if not isinstance(value, dict):
            return str(value)
        ((function, argument),) = value.items()
        if function == "Fn::If":
            name, yes, no = argument
            return self.value(yes if self._holds({"Condition": name}) else no)
        if function == "Fn::Sub":
            text, given = argument if isinstance(argument, list) else (argument, {})
            return re.sub(r"\$\{([^}]+)\}", lambda match: self.value(given.get(match[1], {"Ref": match[1]})), text)
        if function != "Ref":
            raise NotImplementedError(f"{value} in an environment")
        name = argument
        return str(_REFERENCES[name] if name in _REFERENCES else self._parameters[name])

    def _holds(self, condition: Any) -> bool:
        """Whether a condition of the template holds."""
        ((function, argument),) = condition.items()
        if function == "Condition":
            return self._holds(self._conditions[argument])
        if function == "Fn::Equals":
            one, other = argument
            return self.value(one) == self.value(other)
        if function == "Fn::Not":
            return not self._holds(argument[0])
        return {"Fn::And": all, "Fn::Or": any}[function](map(self._holds, argument))


def _variables(properties: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return found


SETTINGS = Settings()
