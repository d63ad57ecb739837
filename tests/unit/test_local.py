"""The local stack without its emulator: the template that it deploys, and its errors."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from darkroom import cli
from darkroom.local import deploy, emulator, state
from darkroom.local.state import certificate
from darkroom.local.template import FUNCTIONS, TEMPLATE, load_template, localize
from darkroom.project import ROOT, CommandError
from darkroom.stack import Stack


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of .darkroom/."""
    monkeypatch.setattr(state, "STATE", tmp_path)
    return tmp_path


def differences(before: Any, after: Any, path: str = "") -> dict[str, Any]:
    """Path → new value of each difference."""
    if isinstance(before, dict) and isinstance(after, dict):
        changed: dict[str, Any] = {}
        for key in before.keys() | after.keys():
            changed |= differences(before.get(key), after.get(key), f"{path}/{key}")
        return changed
    return {} if before == after else {path: after}


def test_the_template_is_read_as_by_cfn_lint() -> None:
    assert load_template() == json.loads(json.dumps(cfn_yaml.load(str(TEMPLATE))))


def test_only_runtimes_code_and_an_event_sources_numbers_differ_from_the_template() -> None:
    template = load_template()
    original = copy.deepcopy(template)
    localize(template, {"MaximumConcurrency": "7"})
    changed = differences(original, template)
    assert {path.rsplit("/", 1)[-1] for path in changed} <= {
        "Runtime",
        "CodeUri",
        "BatchSize",
        "MaximumConcurrency",
    }
    assert changed["/Globals/Function/Runtime"] == "provided.al2023"
    assert 7 in changed.values()
    assert all("/Events/" in path for path, value in changed.items() if isinstance(value, int))


def test_a_function_with_its_own_runtime_is_changed_too() -> None:
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Runtime": "python3.13", "CodeUri": "x/"}}
    template = {"Resources": {"Own": function, "Table": {"Type": "AWS::DynamoDB::Table"}}}
    localize(template, {})
    assert function["Properties"]["Runtime"] == "provided.al2023"
    assert function["Properties"]["CodeUri"] != "x/"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Typo": "1"}, "no parameter Typo: it has WorkflowType, "),
        ({"BatchSize": "many"}, "BatchSize must be a whole number, not 'many'"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        localize(load_template(), parameters)


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", emulator.free_port()))


def test_nothing_of_the_user_reaches_the_emulator(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("SECRET", "of the user")
    environment = emulator.emulator_environment("own", 4000)
    assert "AWS_PROFILE" not in environment
    assert "SECRET" not in environment
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert environment["AUTH"] == "true"
    assert environment["AWS_ENDPOINT_URL"] == "https://127.0.0.1:4000"
    assert environment["AWS_CA_BUNDLE"] == environment["MINISTACK_SSL_CERT"] == str(folder / "own" / "certificate.pem")
    assert Path(environment["TMPDIR"]).is_relative_to(folder / "own")


def test_clients_trust_the_certificate_of_their_stack_and_no_other(folder: Path) -> None:
    certificates = []
    for name in ("own", "other"):
        (folder / name).mkdir()
        certificates.append(certificate(name))
        emulator.make_certificate(certificates[-1], folder / name / "key.pem")
        assert (folder / name / "key.pem").stat().st_mode & 0o777 == 0o600
    own, other = certificates
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(own, own.with_name("key.pem"))
    assert handshakes(server, ssl.create_default_context(cafile=own))
    assert not handshakes(server, ssl.create_default_context(cafile=other))
    assert not handshakes(server, ssl.create_default_context())


def handshakes(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    """Whether a client reaches 127.0.0.1 by TLS; both sides run in memory."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while sides:
        try:
            sides[0].do_handshake()
            sides.pop(0)
        except ssl.SSLWantReadError:
            sides.reverse()
        except ssl.SSLCertVerificationError:
            return False
    return True


def test_a_local_client_ignores_the_users_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_PROFILE", "absent")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    client = Stack("x", {}, "eu-central-1", "https://127.0.0.1:4001").client("s3")
    assert client.meta.endpoint_url == "https://127.0.0.1:4001"
    assert client.meta.region_name == "eu-central-1"


@pytest.mark.parametrize("name", ["a" * 128, "tools"])
def test_on_aws_a_stack_may_have_any_name_that_cloudformation_allows(name: str) -> None:
    assert Stack(name, {}, "eu-central-1").client("sqs").meta.region_name == "eu-central-1"


def test_threads_share_one_client() -> None:
    local = Stack("threads", {}, "us-east-1", "https://127.0.0.1:4001")
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(lambda _: local.client("sns"), range(8)))
    assert len({id(client) for client in clients}) == 1


def test_a_child_process_of_a_local_stack_sees_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    environment = Stack("x", {}, "us-east-1", "https://127.0.0.1:4001").environment()
    assert "AWS_PROFILE" not in environment
    assert environment["AWS_CONFIG_FILE"] == os.devnull
    assert environment["PATH"] == os.environ["PATH"]


def test_without_a_stack_the_error_says_how_to_start_it(folder: Path) -> None:
    with pytest.raises(CommandError, match="no local stack 'darkroom' is running: start it with `bin/darkroom up`"):
        Stack.open()


def test_a_stack_that_died_is_recognised(folder: Path) -> None:
    (folder / "old").mkdir()
    (folder / "old" / "lock").write_text(str(os.getpid()))  # an id that another process has now
    (folder / "old" / "stack.json").write_text('{"endpoint": "http://127.0.0.1:1", "region": "r", "outputs": {}}')
    assert not state.is_running("old")
    with pytest.raises(CommandError, match="has stopped: start it again"):
        Stack.open("old")
    assert not emulator.stop("old")
    assert not (folder / "old" / "stack.json").exists()


@pytest.mark.parametrize("name", ["tools", "../x", "a b", "", "1st"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="cannot be a stack's name"):
        Stack.open(name)


def test_without_an_emulator_the_error_says_how_to_install_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "PROGRAM", folder / "absent")
    with pytest.raises(CommandError, match="not installed: run `make install`"):
        emulator.start("x")


def test_a_failed_start_shows_the_end_of_the_log_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder / "ministack"
    program.write_text("#!/bin/sh\necho 'cannot bind: no luck'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(emulator, "PROGRAM", program)
    with pytest.raises(CommandError, match=r"did not start(?s:.*)cannot bind: no luck"):
        emulator.start("x")
    assert not state.is_running("x")


@pytest.mark.parametrize(("said", "starts"), [("OSError: [Errno 98] Address already in use", 2), ("no luck", 1)])
def test_a_port_that_was_taken_meanwhile_is_tried_again_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, said: str, starts: int
) -> None:
    program = folder / "ministack"
    program.write_text(f"#!/bin/sh\necho x >> {folder}/starts\necho '{said}'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(emulator, "PROGRAM", program)
    with pytest.raises(CommandError, match="did not start"):
        emulator.start("x")
    assert (folder / "starts").read_text().count("x") == starts
    assert not state.is_running("x")


@pytest.fixture
def idle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of the emulator, which only runs. Returns .darkroom/."""
    program = folder / "ministack"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(emulator, "PROGRAM", program)
    monkeypatch.setattr(emulator, "_wait_until_healthy", lambda *_: None)
    return folder


@contextlib.contextmanager
def locked_elsewhere(path: Path) -> Iterator[None]:
    with path.open("ab") as lock:
        assert state.try_lock(lock.fileno())
        yield


def test_a_stack_that_another_process_runs_or_starts_is_left_alone(idle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (idle / "own" / "tmp").mkdir(parents=True)
    names = ("stack.json", "certificate.pem", "key.pem", "emulator.log")
    (idle / "own" / "lock").write_text("1234")
    not_yet = iter([False, False])  # it takes the lock just after this process has looked
    monkeypatch.setattr(state, "is_running", lambda _: next(not_yet, True))
    for name in names:
        (idle / "own" / name).write_text("of the other process")
    monkeypatch.setattr(deploy, "_check_recipes", lambda: None)
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("it ends the other process"))
    with (
        locked_elsewhere(idle / "own" / "lock"),
        pytest.raises(CommandError, match="is in use: end it with"),
        deploy.running("own"),
    ):
        pytest.fail("it runs")
    assert {(idle / "own" / name).read_text() for name in names} == {"of the other process"}
    assert (idle / "own" / "tmp").exists()


def test_only_the_stack_that_this_process_started_is_ended(idle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.start("own")
    group = int((idle / "own" / "lock").read_text())
    os.killpg(group, signal.SIGKILL)  # as `down` in another process, which then starts its own
    while state.is_running("own"):
        time.sleep(0.01)
    (idle / "own" / "lock").write_text("1234")
    (idle / "own" / "stack.json").write_text("of the other process")
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("it ends the other process"))
    with locked_elsewhere(idle / "own" / "lock"):
        assert not emulator.stop("own")
    assert (idle / "own" / "stack.json").exists()


def test_the_id_of_an_earlier_stack_is_removed_before_a_new_one_starts(
    idle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (idle / "own").mkdir()
    (idle / "own" / "lock").write_text("1234")
    ids: list[str] = []
    popen = subprocess.Popen

    def start(*args: Any, **options: Any) -> Any:
        ids.append((idle / "own" / "lock").read_text())
        return popen(*args, **options)

    monkeypatch.setattr(emulator.subprocess, "Popen", start)
    emulator.start("own")
    ids.append((idle / "own" / "lock").read_text())
    assert ids == ["", str(emulator._started["own"].pid)]
    assert emulator.stop("own")
    assert not state.is_running("own")


def test_an_expected_failure_is_one_sentence_and_exit_code_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--stack", "absent", "logs"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        "darkroom: no local stack 'absent' is running: start it with `bin/darkroom --stack absent up`\n"
    )


def test_down_without_a_stack_is_no_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["down"]) == 0
    assert capsys.readouterr().out == "The local stack 'darkroom' was not running.\n"


def test_a_wrong_recipe_is_reported_before_anything_starts(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    functions = tmp_path / "functions"
    shutil.copytree(FUNCTIONS, functions)
    document = json.loads((functions / "recipes.json").read_text(encoding="utf-8"))
    document["recipes"]["default"]["sizes"]["large"]["width"] = "wide"
    (functions / "recipes.json").write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setattr(deploy, "FUNCTIONS", functions)
    monkeypatch.setattr(emulator, "start", lambda *_: pytest.fail("it has started"))
    assert cli.main(["up"]) == 1
    assert capsys.readouterr().err == "darkroom: recipes.json: recipes.default.sizes.large.width must be integer\n"


def test_a_running_stack_keeps_the_parameters_that_are_not_given_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {"WorkflowType": "EXPRESS", "BatchSize": "10", "Gone": "declared by an earlier template"}
    (folder / "own").mkdir()
    state.write("own", {"endpoint": "https://127.0.0.1:1", "region": "r", "outputs": {}, "parameters": before})
    monkeypatch.setattr(state, "is_running", lambda _: True)
    monkeypatch.setattr(deploy, "_check_recipes", lambda: None)
    monkeypatch.setattr(deploy, "_deploy", lambda _name, _endpoint, _template, parameters: parameters)
    assert deploy.up("own", parameters={"BatchSize": "5"}) == {"WorkflowType": "EXPRESS", "BatchSize": "5"}


@pytest.mark.parametrize("target", ["check", "build"])
def test_make_checks_the_recipes_before_a_deployment(target: str) -> None:
    commands = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "PYTHONPATH=functions .venv/bin/python -m pipeline.recipes" in commands
    run = subprocess.run(
        [sys.executable, "-m", "pipeline.recipes"], cwd=FUNCTIONS, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("recipes.json: no complaints (default")


def test_an_edit_is_live_on_the_next_call(tmp_path: Path) -> None:
    function = tmp_path / "hello"
    function.mkdir()
    (tmp_path / "greeting.py").write_text("WORD = 'hello'\n")
    (function / "app.py").write_text("import greeting\ndef lambda_handler(event, context): return greeting.WORD\n")
    calls = (
        "import hot_reload, pathlib\n"
        "print(hot_reload.handler({}, None))\n"
        "pathlib.Path('greeting.py').write_text('WORD = \"good morning\"\\n')\n"
        "print(hot_reload.handler({}, None), hot_reload.handler({}, None))\n"
    )
    environment = {
        "PYTHONPATH": f"{ROOT / 'darkroom' / 'local'}:{tmp_path}",
        "DARKROOM_HANDLER": "hello.app.lambda_handler",
        "LAMBDA_TASK_ROOT": str(tmp_path),
    }
    answer = subprocess.run(
        [sys.executable, "-c", calls], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines() == ["hello", "good morning good morning"]
