"""What serves is importable without what trains: no table engine and no training library comes along."""

import json
import subprocess
import sys

import pytest

from support import ROOT

SERVING = (
    "mlproj.core.checks",
    "mlproj.core.columns",
    "mlproj.core.files",
    "mlproj.core.settings",
    "mlproj.features.definition",
    "mlproj.features.state",
    "mlproj.features.places",
    "mlproj.features.event_store",
    "mlproj.features.online",
    "mlproj.models.encoding",
    "mlproj.evaluation.policy",
    "mlproj.evaluation.probabilities",
    "mlproj.explain.reasons",
)
FORBIDDEN = {
    "pandas", "pyarrow", "ibis", "duckdb", "sklearn", "scipy",
    "xgboost", "torch", "matplotlib", "typeguard", "fastcore",
}
CODE = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""


def loaded_by(module: str) -> set[str]: # names of modules
    "Import a module in a process of its own, and list everything that came along."
    command = [sys.executable, "-I", "-c", CODE, module]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", SERVING)
def test_what_serves_imports_nothing_that_trains(module):
    loaded = loaded_by(module)
    assert module in loaded and len(loaded) > 50
    assert not loaded.intersection(FORBIDDEN)


def test_an_import_of_something_that_trains_would_be_seen():
    assert loaded_by("mlproj.features.batch").issuperset({"ibis", "pyarrow"})
