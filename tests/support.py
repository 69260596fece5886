"""What tests and their fixtures share: a small world, a project that DVC runs, a page in a browser."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from functools import cache
from pathlib import Path

import ibis
import pytest
from filelock import FileLock
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from mlproj.cli import app
from mlproj.core.engine import connect
from mlproj.core.files import read_json, write_json
from mlproj.data.ingest import create_world
from mlproj.data.simulator import World
from mlproj.features.definition import parse_definition
from mlproj.lifecycle.champion import model_identity
from mlproj.pipeline.parameters import read_parameters

ROOT = Path(__file__).parent.parent

# A summer of few cards, so that a run takes seconds rather than minutes.
SMALL = World(n_customers=400, n_terminals=300, n_days=80, start="2018-06-20", radius=12)
MODELS = ["logistic", "tree_depth_2"]

# The outputs of a run of the whole pipeline.
MADE = ("data", "prepared", "features", "models", "predictions", "reports", "spot_check", "metrics", "plots")

LOOKS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}


class Project:
    "A folder with a project, and a shell in this folder."

    def __init__(self, root: Path):
        self.root = root

    def run(self, command: str, fails: bool = False) -> subprocess.CompletedProcess:
        """Run a command as a user would, with the environment active.

        `fails` says whether the command is expected to fail.
        """
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{
                f"GIT_{who}_{what}": "reader" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
            },
        }
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert (done.returncode != 0) == fails, (
            f"{command} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
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

    def make_results(self) -> str: # what was printed
        "Run the stages that are stale, two at a time, in this environment."
        return self.run("mlproj repro").stdout

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


def message(done) -> str:
    "Read the one sentence on stderr, from `mlproj: ` on."
    assert "Traceback" not in done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("mlproj: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def share_project(
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
    name: str,
    make: Callable[[Project], str], # its output is kept beside the project
) -> Project:
    "Make a project once for all processes of a test run."
    shared = (
        tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    )
    project, log = Project(shared / name), shared / f"{name}.log"
    with FileLock(shared / f"{name}.lock"):
        if not log.exists():
            log.write_text(make(project))
    return project


def run_small_world(project: Project) -> str: # what was printed
    "Copy this project, shrink it, and run it."
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        is_output = (
            name.endswith("dvc.lock")
            or name.startswith(("metrics/", "plots/", "reports/"))
            and not name.startswith("metrics/sequence/")
        )
        if not is_output and ((ROOT / name).is_symlink() or (ROOT / name).is_file()):
            (project.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project.root / name, follow_symlinks=False)

    def shrink(params: dict) -> None:
        params["models"] = {name: params["models"][name] for name in MODELS}
        params["n_draws"] = 50
        params["compare"]["published"] = {}
        params["features"]["windows"] = params["features"]["windows"][:4] # windows of every kind
        params["inputs"]["strongest"] = None # all features
        params["top_k"] = 10
        params["explain"]["compared_with"] = MODELS[1]
        params["audit"].update(n_permutations=3, ceilings={})

    project.params(shrink)
    own_latency(project.root)
    project.run("git init --quiet")
    create_world(project.root, SMALL)
    printed = project.make_results()
    project.run("git add --all && git commit --quiet --message 'a small world'")
    return printed


def own_latency(root: Path, **slow: float) -> None:
    "Give each model of a project the time of the published world's, or the microseconds of `slow`."
    parameters, measured = read_parameters(root), read_json(ROOT / "records/latency.json")
    definition = parse_definition(**parameters["features"]).hash
    for name, recipe in parameters["models"].items():
        measured[name] |= {"identity": model_identity(recipe, definition)}
        measured[name] |= {"one_p50_us": slow.get(name, measured[name]["one_p50_us"])}
    write_json(root / "records/latency.json", measured)


class Visit:
    "An open page, and the errors since it was opened."

    def __init__(self, browser, address: str, look: str):
        self.page = browser.new_context(**LOOKS[look]).new_page()
        self.address, self.wrong = address, []
        self.page.on(
            "console",
            lambda said: self.wrong.append(f"console: {said.text}") if said.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        self.page.on("requestfailed", self.fails)
        self.page.on(
            "response",
            lambda answer: (
                self.wrong.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None
            ),
        )
        self.page.on("request", self.stays)

    def fails(self, request) -> None:
        # A reader who goes on to another page aborts the request for the page's icon.
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"not loaded: {request.url}: {request.failure}")

    def stays(self, request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.wrong.append(f"leaves the machine: {request.url}")

    def open(self, path: str):
        self.page.goto(f"{self.address}/{path}", wait_until="load")
        return self.page


@cache
def engine() -> ibis.BaseBackend:
    "The one engine of a test process, for tests that read many files."
    return connect()


def forget_tables() -> None:
    "Drop the tables that files were read into, and the views on them."
    views = "SELECT view_name FROM duckdb_views() WHERE temporary AND NOT internal"
    for (name,) in engine().raw_sql(views).fetchall():
        engine().raw_sql(f'DROP VIEW "{name}"')
    for (name,) in engine().raw_sql("SELECT table_name FROM duckdb_tables()").fetchall():
        engine().raw_sql(f'DROP TABLE "{name}"')
