"""What `sam build` left in .aws-sam/build, and whether it may be deployed.

    python -m deploy.built mark                  after `sam build`: let nobody deploy it as another Architecture, and
                                                 put bytecode beside its sources
    python -m deploy.built check [argument ...]  before `sam deploy` with the same arguments: complain, or stay silent

CloudFormation would accept each mistake that is looked for here, and every function of the stack would be broken.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from darkroom.local.template import load_template
from darkroom.project import ROOT, CommandError, is_loopback
from deploy import bytecode

# e_machine of an ELF file → the parameter's value.
MACHINES = {0x3E: "x86_64", 0xB7: "arm64"}
PRINTED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE")  # beside the endpoint
ARCHITECTURE = re.compile(r"""\bArchitecture["']?(?:,ParameterValue)?\s*[=:]\s*["']?(\w+)""")


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    what, *others = arguments
    try:
        if what == "mark":
            mark(ROOT)
            for function in functions(ROOT / ".aws-sam/build"):
                bytecode.add(function)
        else:
            check(ROOT, others, os.environ)
    except CommandError as error:
        print(f"make {'build' if what == 'mark' else 'deploy'}: {error}", file=sys.stderr)
        return 1
    return 0


def mark(root: Path) -> None:
    """Make the built template accept only the Architecture that its functions were built for.

    So CloudFormation refuses what `check` cannot see: an answer to --guided, and the value that a stack had before.
    """
    path = _built_template(root)
    template = load_template(path)
    built = architecture(path.parent)
    template["Parameters"]["Architecture"] |= {
        "Default": built,
        "AllowedValues": [built],
        "ConstraintDescription": f"must be {built}, for which this was built. For another, {_build(_other(built))}",
    }
    text = yaml.safe_dump(template, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(text, encoding="utf-8")


def check(root: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Raise CommandError if `sam deploy` with these arguments would deploy what cannot work, or to the wrong place."""
    if name := next(_local_endpoints(environment), None):
        raise CommandError(
            f"{name} points to this computer, to a local stack: type make deploy in a shell without the variables that "
            f"`bin/darkroom up` printed, or first: unset {name} {' '.join(PRINTED)}"
        )
    path = _built_template(root)
    if changed := _changed_since(root, path.stat().st_mtime):
        raise CommandError(f"{changed} changed after the last build: run make build")
    built = architecture(path.parent)
    wanted = _wanted(root, arguments)
    if wanted not in (None, built):
        raise CommandError(
            f"the functions were built for {built}, and would be deployed as {wanted}: {_build(wanted)}. "
            "Parameters that stand in samconfig.toml under [default.global.parameters] hold for both"
        )


def architecture(folder: Path) -> str:
    """What the compiled modules of all functions in a build were made for: arm64 or x86_64.

    Raises CommandError if they were made for several, or if a function was not built.
    """
    unbuilt = [each.name for each in functions(folder) if not (each / "requirements.txt").exists()]
    found = {_machine(path) for each in functions(folder) for path in each.rglob("*.so")}
    if unbuilt or len(found) != 1:
        what = f"{unbuilt[0]} was not built" if unbuilt else "the functions were not all built for one processor"
        raise CommandError(f"{what}: run make build, without the name of a function")
    return found.pop()


def functions(folder: Path) -> list[Path]:
    """Where the code of each function of a build lies."""
    resources = load_template(folder / "template.yaml")["Resources"].items()
    return [folder / name for name, each in resources if each["Type"] == "AWS::Serverless::Function"]


def _machine(library: Path) -> str:
    with library.open("rb") as file:
        header = file.read(20)
    return MACHINES.get(int.from_bytes(header[18:20], "little"), "an unknown processor")


def _built_template(root: Path) -> Path:
    path = root / ".aws-sam/build/template.yaml"
    if not path.exists():
        raise CommandError("nothing has been built: run make build")
    return path


def _changed_since(root: Path, built: float) -> Path | None:
    """The first file that has changed, relative to `root`. Caches of Python are not in a build."""
    files = [root / "template.yaml", *sorted((root / "functions").rglob("*"))]
    sources = (path for path in files if path.is_file() and path.suffix != ".pyc")
    return next((path.relative_to(root) for path in sources if path.stat().st_mtime > built), None)


def _local_endpoints(environment: Mapping[str, str]) -> Iterator[str]:
    """The variables that send the calls of `sam deploy` to this computer."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDFORMATION", "AWS_ENDPOINT_URL_S3"):
        if is_loopback(urlsplit(environment.get(name, "")).hostname or ""):
            yield name


def _wanted(root: Path, arguments: Sequence[str]) -> str | None:
    """The Architecture that `sam deploy` is told, by its arguments or else by samconfig.toml."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-env", default="default")
    parser.add_argument("--config-file", type=Path, default=Path("samconfig.toml"))
    parser.add_argument("--parameter-overrides", nargs="*", action="extend")
    known, _ = parser.parse_known_args(arguments)
    told: Any = known.parameter_overrides
    if told is None:  # arguments replace what the file says
        told = _configured(root / known.config_file, known.config_env).get("parameter_overrides", "")
    found = ARCHITECTURE.findall(str(told))
    return found[-1] if found else None


def _configured(path: Path, name: str) -> dict[str, Any]:
    """What a configuration file of the SAM CLI says about `sam deploy`; its other formats than TOML are not read."""
    if path.suffix != ".toml" or not path.exists():
        return {}
    commands = tomllib.loads(path.read_text(encoding="utf-8")).get(name, {})
    sections = [commands.get(command, {}).get("parameters", {}) for command in ("global", "deploy")]
    return {key: value for section in sections for key, value in section.items()}


def _build(wanted: str) -> str:
    return f"run make build ARGS='--parameter-overrides Architecture={wanted}'"


def _other(built: str) -> str:
    return next(name for name in MACHINES.values() if name != built)


if __name__ == "__main__":
    sys.exit(main())
