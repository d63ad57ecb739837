"""The emulator's process: started on loopback, and ended with everything that it started.

`start` runs this module as a supervisor in a process group of its own; the supervisor runs MiniStack, which
runs the functions' workers: one group, ended by one signal. Supervisor and MiniStack hold a lock on a file as
long as they live, and the file names their group: so a live stack is told from a stale one, and no process that
merely inherited an old id is ever taken for it.
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
from darkroom.project import ROOT, CommandError

PROGRAM = state.STATE / "tools" / "ministack" / "bin" / "ministack"
HEALTH = "/_ministack/health"
KEEP = b"k"  # tells the supervisor that its standard input will close, and means nothing
START_SECONDS = 60  # a cold disk on a busy machine; 2 s is usual


def start(name: str, settings: dict[str, str] | None = None) -> str:
    """Start the emulator of the stack `name`, wait until it answers, and return its endpoint.

    It ends when this process does, however that happens, unless `keep` lets it live on. `settings` are added to
    its environment. Raises CommandError, with the end of the log, when it does not come up; nothing runs then.
    """
    if not PROGRAM.exists():
        raise CommandError("the local AWS emulator is not installed: run `make install`")
    folder = state.folder(name)
    _clear(folder)
    (folder / "tmp").mkdir(parents=True)
    make_certificate(certificate(name), folder / "key.pem")
    port = free_port()
    endpoint = f"https://127.0.0.1:{port}"
    with (folder / "lock").open("ab") as lock, (folder / "emulator.log").open("wb") as log:
        if not state.locked(lock.fileno()):
            raise CommandError(f"another process is starting the local stack {name!r}: try again in a moment")
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
    _started[name] = process
    try:
        _wait_until_healthy(process, port, name)
    except BaseException:
        stop(name)
        raise
    return endpoint


def keep(name: str) -> None:
    """Let the emulator that this process started live on after it."""
    pipe = _started[name].stdin
    assert pipe is not None
    with pipe:
        pipe.write(KEEP)


def stop(name: str) -> bool:
    """End the emulator of the stack `name` with all it started, and say whether there was one."""
    folder = state.folder(name)
    process = _started.pop(name, None)
    ran = state.is_running(name)
    while state.is_running(name):
        _kill_group(process.pid if process else int((folder / "lock").read_text() or 0))
        time.sleep(0.01)
    if process is not None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
    _clear(folder)
    return ran


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now.

    Below those that systems give to outgoing connections: one of these might take it before the emulator does.
    """
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise CommandError("no port of 127.0.0.1 is free for the local stack: end what listens there")


def make_certificate(path: Path, key_path: Path) -> None:
    """Write a new certificate for 127.0.0.1 to `path` and its private key to `key_path`, both PEM.

    It signs itself and no other, so trusting it trusts one local stack and nothing else.
    """
    # Here, because it takes longer to import than `darkroom down` to run.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Darkroom on this computer")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    now = datetime.datetime.now(datetime.UTC)
    made = (
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
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_path.touch(mode=0o600, exist_ok=False)
    key_path.write_bytes(secret)
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))


def emulator_environment(name: str, port: int) -> dict[str, str]:
    """All that MiniStack, and so every function, finds in its environment: nothing of the user's."""
    folder, endpoint = state.folder(name), f"https://127.0.0.1:{port}"
    aws = {key: value for key, value in state.environment(name, endpoint).items() if key.startswith("AWS_")}
    return {
        **aws,
        "PATH": os.defpath,
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
        "IOT_MTLS_ENABLED": "0",  # these two would listen on every interface
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder / 'no-docker'}",  # the user's containers are none of its business
        "LAMBDA_WARM_TTL_SECONDS": "60",  # 80 MB a worker; the first of each function stays anyway
        "LOG_LEVEL": "INFO",
    }


# What this process started. The standard inputs stay open: their end is how supervisors learn of ours.
_started: dict[str, subprocess.Popen[bytes]] = {}


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    trust = ssl.create_default_context(cafile=certificate(name))
    log = state.folder(name) / "emulator.log"
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=trust)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", HEALTH)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise CommandError(f"the local AWS emulator did not start; the end of {log} says why:\n{_tail(log)}")


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _kill_group(group: int) -> None:
    """Kill a process group; 0, not yet written by the supervisor, is none.

    No gentler signal: what the emulator knows is in memory and temporary files, there is nothing to save.
    """
    if group:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def _clear(folder: Path) -> None:
    """Forget what an ended stack left behind, except its logs."""
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    for name in ("stack.json", "certificate.pem", "key.pem"):
        (folder / name).unlink(missing_ok=True)


def _supervise(lock: int, program: str) -> None:
    """Run MiniStack; when it ends, a signal comes, or our starter is gone without KEEP, end the whole group."""

    def end(*_: object) -> None:
        os.killpg(0, signal.SIGKILL)

    def end_with_starter() -> None:
        if sys.stdin.buffer.read(1) != KEEP:
            end()

    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    threading.Thread(target=end_with_starter, daemon=True).start()
    subprocess.run([program], stdin=subprocess.DEVNULL, pass_fds=[lock], check=False)  # noqa: S603
    end()


if __name__ == "__main__":
    _supervise(int(sys.argv[1]), sys.argv[2])
