"""What several tests share: the full published world, and a small project that DVC has run."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from mlproj.cli import app
from mlproj.data import create_world
from mlproj.simulator import World, simulate

ROOT = Path(__file__).parent.parent
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE") # as in the Makefile; read when XGBoost is loaded, by the tests
signal.signal(signal.SIGINT, signal.default_int_handler) # a shell's background jobs, and all that they start, would ignore Ctrl-C

# Summer only, and few enough cards for seconds rather than minutes.
SMALL = World(n_customers=400, n_terminals=300, n_days=80, start="2018-06-20", radius=12)
MODELS = ["logistic", "tree_depth_2"]

LOOKS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
ALONE = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that need the small project first: while one process makes it, another runs the others.

    Those of the published world come last, side by side, for each process that runs any of them simulates it. Among others the slowest
    come first, so that no process has a long one left when the other is done.
    """
    items.sort(key=lambda item: ("finished" not in item.fixturenames, "world" in item.fixturenames, -seconds(item)))


def seconds(item: pytest.Item) -> int:
    "Say about how long a test takes, by its marker."
    slow = item.get_closest_marker("slow")
    return next(iter(slow.args), 10) if slow else 0


class Project:
    "A folder with a project in it, and a shell there."

    def __init__(self, root: Path):
        self.root = root

    def run(self, command: str, fails: bool = False) -> subprocess.CompletedProcess:
        "Run a command as a user would, with the environment active; `fails` says which exit status is expected."
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_{what}": "reader" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        done = subprocess.run(command, shell=True, cwd=self.root, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert (done.returncode != 0) == fails, f"{command} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def here(self, command: str, fails: bool = False) -> Result:
        "Run a command of mlproj in this process, which has imported most of what it needs."
        name, *arguments = shlex.split(command)
        assert name == "mlproj"
        with chdir(self.root):
            done = CliRunner().invoke(app, arguments)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert (done.exit_code != 0) == fails, f"{command} exited {done.exit_code}:\n{done.output}"
        return done

    def make_results(self) -> str: # what DVC printed
        "Run what has to run, two stages at a time, in this environment."
        return self.run("make --silent --old-file .venv/ready results && dvc repro").stdout

    def params(self, change: Callable[[dict], None]) -> None:
        "Change params.yaml."
        yaml = YAML()
        params = yaml.load(self.root / "params.yaml")
        change(params)
        yaml.dump(params, self.root / "params.yaml")


def copy_project(source: Path, target: Path) -> Project:
    "Copy a project with everything in it."
    shutil.copytree(source, target, symlinks=True)
    return Project(target)


@pytest.fixture(scope="session")
def world() -> dict[str, pd.DataFrame]:
    "The published world, with its published constants."
    return simulate(World())


@pytest.fixture(scope="session")
def reference() -> Path:
    "The folder with the published table, where there is one."
    folder = os.environ.get("MLPROJ_REFERENCE")
    if not folder:
        pytest.skip("MLPROJ_REFERENCE names no folder with the published table; the digests are checked all the same")
    return Path(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Project:
    "A small world, its whole pipeline run by DVC and committed. Copied by tests that change it."
    return share_project(tmp_path_factory, worker_id, "finished", run_small_world)


def share_project(
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
    name: str,
    make: Callable[[Project], str], # what is printed meanwhile is kept beside the project
) -> Project:
    "Make a project once for all processes of a test run."
    shared = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    project, log = Project(shared / name), shared / f"{name}.log"
    with FileLock(shared / f"{name}.lock"):
        if not log.exists():
            log.write_text(make(project))
    return project


def run_small_world(project: Project) -> str: # what DVC printed
    "Copy this project, shrink it, and run it."
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        made = name.endswith("dvc.lock") or name.startswith(("metrics/", "plots/", "reports/")) and not name.startswith("metrics/sequence/")
        if not made and ((ROOT / name).is_symlink() or (ROOT / name).is_file()):
            (project.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project.root / name, follow_symlinks=False)

    def shrink(params: dict) -> None:
        params["compare"].update(models=MODELS, published={}, n_draws=50)
        params["features"]["windows"] = params["features"]["windows"][:4] # of every kind
        params["train"]["inputs"]["strongest"] = None # all of them
        params["backtest"]["top_k"] = 10
        params["explain"]["compared_with"] = MODELS[1]
        params["audit"].update(model=MODELS[0], n_permutations=3, ceilings={})

    project.params(shrink)
    project.run("git init --quiet")
    create_world(project.root, SMALL)
    printed = project.make_results()
    project.run("git add --all && git commit --quiet --message 'a small world'")
    return printed


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
        browser = tool.chromium.launch(executable_path=path, args=ALONE.split())
        yield browser
        browser.close()


class Visit:
    "A page that was opened, and what went wrong meanwhile."

    def __init__(self, browser, address: str, look: str):
        self.page = browser.new_context(**LOOKS[look]).new_page()
        self.address, self.wrong = address, []
        self.page.on("console", lambda said: self.wrong.append(f"console: {said.text}") if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        self.page.on("requestfailed", self.fails)
        self.page.on("response", lambda answer: self.wrong.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None)
        self.page.on("request", self.stays)

    def fails(self, request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the reader went on to another page before this one's icon had come
            self.wrong.append(f"not loaded: {request.url}: {request.failure}")

    def stays(self, request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.wrong.append(f"leaves the machine: {request.url}")

    def open(self, path: str):
        self.page.goto(f"{self.address}/{path}", wait_until="load")
        return self.page
