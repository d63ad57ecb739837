"""What template.yaml says that a history depends on: times, sizes, and the functions' environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from darkroom.local.template import load_template

_ACCOUNT = "us-east-1:123456789012"
SOURCE, OUTPUT, TABLE = "darkroom-source", "darkroom-output", "jobs"
UPLOADS = "https://sqs.us-east-1.amazonaws.com/123456789012/uploads"
DEAD_LETTERS = "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters"
MACHINE = f"arn:aws:states:{_ACCOUNT}:stateMachine:ImagePipeline"
SUCCESSES, ERRORS = f"arn:aws:sns:{_ACCOUNT}:successes", f"arn:aws:sns:{_ACCOUNT}:errors"

# Resources by their name in the template.
_REFERENCES = {
    "SourceBucket": SOURCE,
    "OutputBucket": OUTPUT,
    "JobsTable": TABLE,
    "UploadQueue": UPLOADS,
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
        self._parameters = {name: each["Default"] for name, each in template["Parameters"].items()}
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
                variables = resource["Properties"].get("Environment", {}).get("Variables", {})
                self.environment |= {variable: self.value(value) for variable, value in variables.items()}
        queue = resources["UploadQueue"]["Properties"]
        self.visibility = float(queue["VisibilityTimeout"])
        self.max_receives = int(queue["RedrivePolicy"]["maxReceiveCount"])
        self.batch_size = int(self._parameters["BatchSize"])
        self.concurrency = int(self._parameters["MaximumConcurrency"])
        self.max_attempts = int(self._parameters["MaxAttempts"])

    def value(self, value: Any) -> str:
        """The text of an environment variable: a literal, or a Ref that is known here."""
        if not isinstance(value, dict):
            return str(value)
        name = value["Ref"]
        return str(_REFERENCES[name] if name in _REFERENCES else self._parameters[name])


SETTINGS = Settings()
