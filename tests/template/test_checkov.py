"""checkov on the expanded template: each finding is fixed, or listed with a reason."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from darkroom.project import ROOT
from tests.template.expanded import DELIVERED, expand

CHECKOV = ROOT / ".darkroom/tools/checkov/bin/checkov"
# Check → the ending of the logical ids for which it may fail, and why.
LEFT = {
    "CKV_AWS_18": ("Bucket", "access logs need one more bucket; CloudTrail's data events have the same facts"),
    "CKV_AWS_21": ("OutputBucket", "what it holds can be made again from SourceBucket, which is versioned"),
    "CKV_AWS_27": ("Queue", "it knows KMS keys only; SqsManagedSseEnabled encrypts too, and S3 can use it"),
    "CKV_AWS_115": (
        "Function",
        "MaximumConcurrency bounds them; a reservation would take from the account's quota",
    ),
    "CKV_AWS_116": ("Function", "none is invoked asynchronously; what fails stays in UploadQueue"),
    "CKV_AWS_117": ("Function", "they talk to AWS's own endpoints only; a VPC would add endpoints and their cost"),
    "CKV_AWS_119": ("JobsTable", "AWS's own key encrypts it; a key of ours would protect it from nobody else"),
    "CKV_AWS_158": ("LogGroup", "CloudWatch encrypts by its own key; nothing secret is logged"),
    "CKV_AWS_173": ("Function", "the variables are names and numbers, no secrets"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """The checks that fail, each with the logical id of a resource."""
    if not CHECKOV.exists():
        pytest.skip("checkov is not installed: make test installs it")
    folder = tmp_path_factory.mktemp("checkov")
    (folder / "template.json").write_text(json.dumps(expand(DELIVERED)), encoding="utf-8")
    command = [str(CHECKOV), "--file", "template.json", "--framework", "cloudformation", "--output", "json"]
    run = subprocess.run(
        [*command, "--compact", "--quiet", "--skip-download"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"},  # no account, nothing of the user's
        capture_output=True,
        text=True,
        timeout=120,
    )
    report = json.loads(run.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 100, run.stderr
    return {(each["check_id"], Path(each["resource"]).suffix[1:]) for each in report["results"]["failed_checks"]}


def test_checkov_finds_nothing_without_a_reason(found: set[tuple[str, str]]) -> None:
    assert {(check, name) for check, name in found if check not in LEFT or not name.endswith(LEFT[check][0])} == set()


def test_no_reason_is_left_over(found: set[tuple[str, str]]) -> None:
    assert {check for check, _ in found} == LEFT.keys()
