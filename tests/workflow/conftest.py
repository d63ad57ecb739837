"""The whole application, deployed on this computer from template.yaml, with its own roles, queue and workflow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.workflow.pipeline import Pipeline, deployed


@pytest.fixture(scope="module")
def express(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    yield from deployed(tmp_path_factory.mktemp("faults"), WorkflowType="EXPRESS", MaxAttempts="2")
