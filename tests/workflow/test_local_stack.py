"""The local stack as processes: who listens where, and that nothing of it outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom import intake
from darkroom.local import deploy, state
from darkroom.local.template import Template
from darkroom.project import ROOT, CommandError
from darkroom.stack import Stack

SAM = ROOT / ".darkroom/tools/sam/bin/sam"
NAME = f"test-{os.getpid()}"


@pytest.fixture(scope="module", autouse=True)
def _folders() -> Iterator[None]:
    yield
    for folder in (ROOT / ".darkroom").glob(f"{NAME}*"):
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with deploy.running(NAME) as running:
        yield running


def group_of(name: str) -> int:
    return int((ROOT / ".darkroom" / name / "lock").read_text())


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in listing.stdout.splitlines())
    return [int(pid) for pid, pgid, state in rows if int(pgid) == group and not state.startswith("Z")]


def listening_addresses(pids: list[int]) -> set[str]:
    """The addresses, in /proc's hexadecimal, that these processes listen on for TCP."""
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                inodes.add(str(descriptor.readlink()))
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


def invoke(stack: Stack, function: str) -> dict[str, object]:
    answer = stack.client("lambda").invoke(FunctionName=stack.outputs[f"{function}Name"], Payload=b"{}")
    result: dict[str, object] = json.load(answer["Payload"])
    return result


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
def test_it_listens_on_loopback_only(stack: Stack) -> None:
    invoke(stack, "ValidateFunction")  # so that a worker is among them
    pids = members(group_of(NAME))
    assert len(pids) >= 3  # supervisor, emulator, worker
    assert listening_addresses(pids) == {"0100007F"}


def test_a_running_stack_is_opened_by_name(stack: Stack) -> None:
    assert Stack.open(NAME) == stack
    assert stack.outputs["StateMachineArn"].startswith("arn:aws:states:us-east-1:")


def test_functions_raise_as_on_lambda(stack: Stack) -> None:
    assert invoke(stack, "ValidateFunction")["errorType"] == "KeyError"


def test_an_update_keeps_the_stack_and_its_data(stack: Stack) -> None:
    bucket = stack.outputs["OutputBucketName"]
    stack.client("s3").put_object(Bucket=bucket, Key="kept", Body=b"")
    updated = deploy.up(NAME, parameters={"MaximumConcurrency": "3"})
    mapping = intake.mapping_of(updated)
    assert updated.endpoint == stack.endpoint
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 3}
    assert stack.client("s3").head_object(Bucket=bucket, Key="kept")["ContentLength"] == 0


def test_the_same_name_cannot_run_twice(stack: Stack) -> None:
    with pytest.raises(CommandError, match="is in use: end it with"), deploy.running(NAME):
        pass


def test_two_stacks_run_side_by_side_and_down_leaves_no_process(stack: Stack) -> None:
    name = f"{NAME}-second"
    with deploy.running(name, parameters={"WorkflowType": "EXPRESS"}) as second:
        invoke(second, "ValidateFunction")
        group = group_of(name)
        assert members(group)
        assert second.endpoint != stack.endpoint
        arns = [running.outputs["StateMachineArn"] for running in (stack, second)]
        types = [
            running.client("stepfunctions").describe_state_machine(stateMachineArn=arn)["type"]
            for running, arn in zip((stack, second), arns, strict=True)
        ]
        assert types == ["STANDARD", "EXPRESS"]
    assert members(group) == []
    assert not (ROOT / ".darkroom" / name / "tmp").exists()
    assert state.is_running(NAME)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_up_leaves_no_process(number: signal.Signals) -> None:
    name = f"{NAME}-cut-{number.name}"
    starting = subprocess.Popen([ROOT / "bin" / "darkroom", "--stack", name, "up"], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not state.is_running(name) or not (ROOT / ".darkroom" / name / "lock").read_text():
        assert starting.poll() is None
        time.sleep(0.01)
    group = group_of(name)
    starting.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        starting.wait(3)
    if starting.poll() is None:  # Python drops an interrupt that falls into a finalizer: a user presses Ctrl-C again
        starting.send_signal(number)
    assert starting.wait(10) in {130, 143, -9}
    deadline = time.monotonic() + 5
    while members(group) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert members(group) == []


def test_a_template_that_fails_leaves_no_process() -> None:
    def spoil(template: Template) -> None:
        template["Resources"]["UploadQueue"]["Type"] = "AWS::No::Such"

    name = f"{NAME}-spoilt"
    with pytest.raises(CommandError, match=r"template\.yaml"), deploy.running(name, edit=spoil):
        pass
    assert not state.is_running(name)


@pytest.mark.skipif(not SAM.exists(), reason="the SAM CLI is not installed")
def test_the_sam_cli_deploys_the_template_as_it_is(stack: Stack, tmp_path: Path) -> None:
    stack.client("s3").create_bucket(Bucket="sam-artifacts")
    settings = {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.1", "HOME": str(tmp_path)}
    command = [str(SAM), "deploy", "--template-file", "template.yaml", "--stack-name", "by-sam"]
    deployed = subprocess.run(
        [*command, "--s3-bucket", "sam-artifacts", "--no-resolve-s3", "--no-progressbar"],
        cwd=ROOT,
        env=stack.environment() | settings,
        capture_output=True,
        text=True,
    )
    assert deployed.returncode == 0, deployed.stderr
    found = stack.client("cloudformation").describe_stacks(StackName="by-sam")["Stacks"][0]
    assert {item["OutputKey"] for item in found["Outputs"]} == stack.outputs.keys()
