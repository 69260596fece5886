"""`mlproj verify` and `make verify`: results that are those of the commit, and results that are not, on the small world."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pytest
from conftest import Project
from dvc.api import DVCFileSystem
from numpy._core._multiarray_umath import __cpu_dispatch__ as processor_features

from mlproj.verify import DIFFERENT, EQUAL, IDENTICAL, clone_commit, compare_output, compare_with_commit
from mlproj.versions import hash_folder

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning") # of DVC, about its trees of paths


def commit(project: Project) -> None:
    project.run("git add --all && git commit --quiet --message 'changed'")


def use_this_environment(project: Project) -> None:
    "Let `make` take the environment of these tests, where it would make one of its own from the lock."
    path = project.root / "Makefile"
    rule, recipe = re.search(r"^(\$\(READY\):.*\n)((?:\t.*\n)+)", path.read_text(), re.MULTILINE).groups()
    path.write_text(path.read_text().replace(rule + recipe, f"{rule}\t@ln -sfn {sys.prefix} .venv\n"))
    commit(project)


def plant_a_random_cell(project: Project, stage: str) -> None:
    path = project.root / f"nbs/pipeline/{stage}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("__import__('random').random()", id="planted"))
    nbformat.write(notebook, path)


def summary(done: subprocess.CompletedProcess) -> str:
    return done.stdout.strip().splitlines()[-1]


def test_results_of_the_commit_are_identical(finished):
    assert summary(finished.run("mlproj verify")).startswith("identical: ")


def test_other_bytes_with_the_same_figures_are_equal(project):
    path = project.root / "metrics/model_card.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    done = project.here("mlproj verify")
    assert re.search("^model_card +equal in figures$", done.stdout, re.MULTILINE)
    assert summary(done).startswith("equal in figures: ") and "no figure differs" in summary(done)


def test_a_model_of_other_bytes_is_equal_where_its_sums_are_its_own(project):
    folder, committed = project.root / "models/tree_depth_2", DVCFileSystem(str(project.root), rev="HEAD")
    md5, names = hash_folder(folder), sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS")
    model, meta = folder / "model.onnx", folder / "meta.json"
    before = hashlib.sha256(model.read_bytes()).hexdigest()
    model.write_bytes(model.read_bytes() + b"\0")
    assert compare_output(committed, project.root, "models/tree_depth_2", md5)[0] == DIFFERENT
    meta.write_text(meta.read_text().replace(before, hashlib.sha256(model.read_bytes()).hexdigest()))
    project.run(f"cd models/tree_depth_2 && sha256sum {' '.join(names)} > SHA256SUMS")
    assert compare_output(committed, project.root, "models/tree_depth_2", md5)[0] == EQUAL


def test_what_was_changed_by_hand_is_different(project):
    path = project.root / "metrics/alarms.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps(metrics | {"planted": 1}))
    (project.root / "reports/judge.ipynb").unlink()
    said = project.here("mlproj verify", fails=True).stdout
    assert "judge is the first that is different:\nreports/judge.ipynb: it is absent" in said
    assert re.search("^audit +different$", said, re.MULTILINE)


def test_a_parameter_that_was_changed_and_not_run_is_no_result(project):
    project.params(lambda params: params["judge"].update(capacity=7))
    said = project.here("mlproj verify", fails=True).stdout
    assert "judge is the first that is different:\nit would run again here: judge.capacity in params.yaml was" in said


@pytest.mark.slow
def test_a_random_cell_is_found(project):
    plant_a_random_cell(project, "score")
    project.run("dvc repro --single-item score")
    commit(project)
    assert summary(project.here("mlproj verify")).startswith("identical: ")
    project.run("dvc repro --force --single-item score")
    said = project.here("mlproj verify", fails=True).stdout
    found = re.search(r"score is the first that is different:\nreports/score.ipynb: cell \d+ has another output: (.*)", said)
    assert found[1] == "`__import__('random').random()`"


@pytest.mark.slow
def test_another_version_of_a_package_is_found(project, tmp_path):
    version = json.loads((project.root / "environment.json").read_text())["jinja2"]
    (tmp_path / "jinja2-2.0.dist-info").mkdir()
    (tmp_path / "jinja2-2.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: jinja2\nVersion: 2.0\n")
    there = f"PYTHONPATH={tmp_path}"
    assert f"jinja2 2.0 is installed, and environment.json names {version}" in project.run(f"{there} mlproj run explain", fails=True).stderr
    ran = project.run(f"{there} mlproj environment && {there} dvc repro").stdout
    assert re.findall("Running stage '(.*)'", ran) == ["explain"]
    said = project.here("mlproj verify", fails=True).stdout
    assert f"explain is the first that is different:\npackage jinja2: 2.0 here, committed with {version}" in said


@pytest.mark.slow(90)
def test_a_clean_clone_is_identical(project):
    use_this_environment(project)
    (project.root / "mine.txt").write_text("mine")
    done = project.run("make --silent verify")
    assert summary(done).startswith("identical: ") and "no part of what is verified: .venv, mine.txt" in done.stderr
    kept = json.loads((project.root / "benchmarks/verify.json").read_text())
    assert kept["verdict"] == IDENTICAL and set(kept["stages"].values()) == {IDENTICAL}
    assert str(project.root) not in json.dumps(kept)
    assert not list(project.root.glob(".verify-*"))


def processes_in(folder: Path) -> list[str]: # process ids
    "Find the processes that work in a folder, one that was removed included."
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found += [process.name] if os.readlink(process / "cwd").startswith(str(folder)) else []
        except OSError: # it has ended, or is another's
            pass
    return found


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)], ids=["ctrl-c", "terminated"])
def test_an_interruption_leaves_nothing_behind(project, sign):
    use_this_environment(project)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    quiet = {"stdout": subprocess.DEVNULL, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} # a shell's & ignores it
    command = subprocess.Popen(["mlproj", "verify", "--clone"], cwd=project.root, env=environment, **quiet)
    deadline = time.monotonic() + 300
    while not list(project.root.glob(".verify-*/prepared/transactions.parquet")): # a stage is at work
        assert command.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    command.send_signal(sign)
    assert command.wait(180) != 0
    assert not list(project.root.glob(".verify-*"))
    while left := processes_in(project.root): # a kernel looks every second whether its parent is there
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert not list(project.root.glob(".verify-*"))


# The matrix: the small world made anew, each time in another surrounding.

SURROUNDINGS = {
    "one thread": {"MLPROJ_ENGINE_THREADS": "1"},
    "two threads": {"MLPROJ_ENGINE_THREADS": "2"},
    "another time zone and locale": {"TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "another hash seed": {"PYTHONHASHSEED": "4711"},
}
PROCESSORS = {
    "linear algebra of a Nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "linear algebra of a Prescott, arrays without vectors": {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": " ".join(processor_features),
    },
}


def made_anew(project: Project, place: Path, given: dict[str, str], command: str = "make --silent repro") -> str: # the verdict
    "Run everything in a clone, in other surroundings."
    clone_commit(project.root, "HEAD", place)
    variables = " ".join(f"{name}='{value}'" for name, value in given.items())
    Project(place).run(f"export {variables}; {command}" if variables else command)
    return compare_with_commit(project.root, place).verdict


@pytest.mark.long
@pytest.mark.parametrize("given", SURROUNDINGS.values(), ids=list(SURROUNDINGS))
def test_other_surroundings_give_identical_results(project, tmp_path, given):
    use_this_environment(project)
    assert made_anew(project, tmp_path / "another" / "folder", given) == IDENTICAL


@pytest.mark.long
@pytest.mark.parametrize("given", PROCESSORS.values(), ids=list(PROCESSORS))
def test_another_processor_gives_equal_figures(project, tmp_path, given):
    use_this_environment(project)
    assert made_anew(project, tmp_path / "clone", given) in (IDENTICAL, EQUAL)


@pytest.mark.long
def test_another_user_gets_identical_results(project):
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can be another user")
    use_this_environment(project)
    may_read = "--inh-caps +dac_read_search --ambient-caps +dac_read_search" # an interpreter that root keeps at home
    nobody = f"setpriv --reuid 65534 --regid 65534 --clear-groups {may_read}"
    with tempfile.TemporaryDirectory() as folder: # not in the folder of the tests, which is root's alone
        os.chmod(folder, 0o755)
        theirs = f"chown -R 65534:65534 {folder} && HOME={folder} {nobody} make --silent repro && chown -R 0:0 {folder}"
        assert made_anew(project, Path(folder) / "clone", {}, theirs) == IDENTICAL


@pytest.mark.long
def test_a_clone_that_differs_is_kept_and_named(project):
    plant_a_random_cell(project, "features")
    use_this_environment(project)
    project.run("dvc repro")
    commit(project)
    said = project.run("make --silent verify", fails=True).stdout
    assert "features is the first that is different:\nreports/features.ipynb: cell" in said
    (kept,) = project.root.glob(".verify-*")
    assert f"what was made is kept in {kept.name}" in said
    assert json.loads((project.root / "benchmarks/verify.json").read_text())["verdict"] == DIFFERENT
