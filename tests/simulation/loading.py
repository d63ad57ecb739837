"""Loads the functions' real modules, apart from those that other tests have imported.

They get the template's environment, stand-ins for time, threads and pixels and, for a mutant, an edited source.
"""

from __future__ import annotations

import copy
import importlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any
from unittest import mock

import boto3

from darkroom.project import ROOT
from tests.simulation import pixels, shims
from tests.simulation.scheduler import current
from tests.simulation.settings import SETTINGS

FUNCTIONS, MACHINE = ROOT / "functions", ROOT / "statemachine/process_image.asl.json"
Code = Mapping[str, ModuleType]


@dataclass(frozen=True)
class Edit:
    """`old`, which occurs once in the module's source, becomes `new`. The module "statemachine": the definition."""

    module: str
    old: str
    new: str


class EditError(Exception):
    """An edit does not fit the module: it has changed."""


def edited(text: str, edits: Sequence[Edit]) -> str:
    for edit in edits:
        if text.count(edit.old) != 1:
            raise EditError(f"{edit.module}: {edit.old!r} occurs {text.count(edit.old)} times")
        text = text.replace(edit.old, edit.new)
    return text


class MissingStandInError(BaseException):
    """The functions use something of the engine that pixels.MODULES does not have. No function may catch this."""


class CurrentRecipes(dict[str, Any]):
    """recipes.json as the running function's package has it: a deployment reaches one function after the other."""

    def __getitem__(self, name: str) -> Any:
        return current().recipes[name]  # type: ignore[attr-defined]


@lru_cache(maxsize=16)
def load(express: bool, edits: tuple[Edit, ...] = ()) -> Code:
    """All modules under functions/ by name."""
    environment = SETTINGS.environment | {
        "WORKFLOW_TYPE": "EXPRESS" if express else "STANDARD",
        "AWS_ACCESS_KEY_ID": "simulated",
        "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with _apart(), mock.patch.dict(os.environ, environment), mock.patch.object(boto3, "client", _client):
        finder = _Finder(edits)
        sys.meta_path.insert(0, finder)
        try:
            sys.modules.update(shims.powertools())
            importlib.import_module("pipeline.recipes").load = CurrentRecipes
            for function in SETTINGS.functions.values():
                importlib.import_module(function.handler.rpartition(".")[0])
        finally:
            sys.meta_path.remove(finder)
        code = {name: module for name, module in sys.modules.items() if _is_ours(name)}
    for module in code.values():
        shims.install(module)
    code["statemachine"] = machine = ModuleType("statemachine")
    text = edited(MACHINE.read_text("utf-8"), [edit for edit in edits if edit.module == machine.__name__])
    vars(machine)["definition"] = json.loads(text)
    return code


@lru_cache
def resolved(recipe: str) -> dict[str, Any]:
    """recipes.json with this one recipe, with all defaults: see history.RECIPES."""
    with _apart():
        sys.meta_path.insert(0, finder := _Finder(()))
        try:
            recipes = importlib.import_module("pipeline.recipes")
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "recipes.json")
                path.write_text(json.dumps({"recipes": {"default": json.loads(recipe)}}))
                return copy.deepcopy(dict(recipes.load(path)))
        finally:
            sys.meta_path.remove(finder)


def _is_ours(name: str) -> bool:
    top = name.partition(".")[0]
    return (FUNCTIONS / top).is_dir() or (FUNCTIONS / f"{top}.py").is_file()


@contextmanager
def _apart() -> Iterator[None]:
    """Forget the imported modules of functions/ for a while."""
    hidden = {name: module for name, module in sys.modules.items() if _is_ours(name) or "powertools" in name}
    for name in hidden:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if _is_ours(name) or "powertools" in name]:
            del sys.modules[name]
        sys.modules.update(hidden)


_clients: dict[str, Any] = {}


def _client(service: str, config: Any = None) -> Any:
    """One client per service and configuration: making one takes longer than a history."""
    name = f"{service} {sorted(vars(config).items(), key=str) if config else ''}"
    if name not in _clients:
        _clients[name] = boto3.session.Session().client(service, config=config)
    return _clients[name]


class _Finder:
    """Finds modules in functions/, whatever sys.path says."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if not _is_ours(name):
            return None
        if name in pixels.MODULES:
            return importlib.machinery.ModuleSpec(name, _StandIn(name))
        file = FUNCTIONS.joinpath(*name.split("."))
        if file.is_dir():
            init = file / "__init__.py"
            if not init.exists():
                return importlib.machinery.PathFinder.find_spec(name, [str(file.parent)])
            return importlib.util.spec_from_file_location(name, init, submodule_search_locations=[str(file)])
        edits = [edit for edit in self._edits if edit.module == name]
        source = str(file.with_suffix(".py"))
        loader = _Edited(name, source, edits) if edits else importlib.machinery.SourceFileLoader(name, source)
        return importlib.util.spec_from_file_location(name, source, loader=loader)


class _StandIn:
    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(pixels.MODULES[self._name])
        vars(module)["__getattr__"] = self._missing

    def _missing(self, name: str) -> None:
        if not name.startswith("__"):
            raise MissingStandInError(f"{self._name}.{name}")
        raise AttributeError(name)


class _Edited(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, edits: Sequence[Edit]) -> None:
        super().__init__(name, path)
        self._edits = edits

    def get_code(self, fullname: str) -> CodeType:
        return compile(edited(self.get_data(self.path).decode(), self._edits), self.path, "exec", dont_inherit=True)
