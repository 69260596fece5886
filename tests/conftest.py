"""What several tests share: the full published world, and a small project that DVC has run."""

import os
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import settings

from mlproj.data.simulator import World, simulate
from support import Project, copy_project, run_small_world, share_project

# As in the Makefile. XGBoost reads the variable when the tests load it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ALONE = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
] # of the browser, which asks no other machine for anything
# A background job of a shell, and each process that it starts, would ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    "Draw the same cases each time, so that a commit passes or fails by itself; `make long` draws others."
    settings.register_profile("same", derandomize=True, database=None)
    if "not long" in config.option.markexpr:
        settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that need the small project first: while one process makes it, another runs the others.

    Tests of the published world come last, side by side, because each process that runs any of them simulates
    the world. Among the other tests the slowest come first, so that no process has a long test left when the
    other is done.
    """
    items.sort(
        key=lambda item: ("finished" not in item.fixturenames, "world" in item.fixturenames, -seconds(item))
    )


def seconds(item: pytest.Item) -> int:
    "Read from its marker about how many seconds a test takes."
    slow = item.get_closest_marker("slow")
    return next(iter(slow.args), 10) if slow else 0


@pytest.fixture(scope="session")
def world() -> dict[str, pd.DataFrame]:
    "The published world, with its published constants."
    return simulate(World())


@pytest.fixture(scope="session")
def reference() -> Path:
    "The folder with the published table, if MLPROJ_REFERENCE names one."
    folder = os.environ.get("MLPROJ_REFERENCE")
    if not folder:
        pytest.skip(
            "MLPROJ_REFERENCE names no folder with the published table; the digests are checked all the same"
        )
    return Path(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Project:
    "A small world, its whole pipeline run by DVC and committed. Tests that change it copy it first."
    return share_project(tmp_path_factory, worker_id, "finished", run_small_world)


@pytest.fixture
def project(finished, tmp_path) -> Project:
    "A copy of the small project, to do anything with."
    return copy_project(finished.root, tmp_path / "project")


@pytest.fixture(scope="module")
def browser():
    "The system's browser."
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no Chromium: on Debian, `apt-get install chromium`")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=path, args=ALONE)
        yield browser
        browser.close()
