"""The whole application, deployed on this computer from template.yaml, with its own roles, queue and workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.pipeline import Pipeline, deployed

RECIPES = Path(__file__).parents[2] / "functions/recipes.json"
FILMS = {
    "description": "Animations that move on.",
    "sizes": {"small": {"width": 160, "height": 160}, "square": {"width": 60, "height": 60, "fit": "cover"}},
    "filtered": {"gray": {"size": "small", "filters": [{"filter": "grayscale"}], "formats": ["webp"]}},
    "animation": "keep",
}


@pytest.fixture(scope="module")
def express(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    document = json.loads(RECIPES.read_text(encoding="utf-8"))
    document["recipes"]["films"] = FILMS
    document["routes"]["films/"] = "films"
    recipes = tmp_path_factory.mktemp("recipes") / "recipes.json"
    recipes.write_text(json.dumps(document), encoding="utf-8")
    faults = tmp_path_factory.mktemp("faults")
    yield from deployed(faults, recipes=recipes, WorkflowType="EXPRESS", MaxAttempts="2")
