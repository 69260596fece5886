"""`mlproj verify` and `make verify` on the small world: results that are those of the commit, and others."""

import hashlib
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from dvc.api import DVCFileSystem
from numpy._core._multiarray_umath import __cpu_dispatch__ as processor_features

from mlproj.core.settings import load_settings
from mlproj.data.versions import hash_folder
from mlproj.pipeline.clean_clone import clone_commit
from mlproj.pipeline.commit_comparison import RENAMED, compare_path
from mlproj.pipeline.notebooks import run_notebook
from mlproj.pipeline.parameters import read_parameters
from mlproj.pipeline.verification import (
    DIFFERENT,
    EQUAL,
    IDENTICAL,
    NOT_HERE,
    compare_output,
    compare_with_commit,
)
from support import ROOT, Project, copy_project, own_latency, share_project

# DVC warns about its own trees of paths.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


def commit(project: Project) -> None:
    project.run("git add --all && git commit --quiet --message 'changed'")


def use_this_environment(project: Project) -> None:
    "Let `make` use the environment of these tests, instead of making one from the lock."
    path = project.root / "Makefile"
    rule, recipe = re.search(r"^(\$\(READY\):.*\n)((?:\t.*\n)+)", path.read_text(), re.MULTILINE).groups()
    path.write_text(path.read_text().replace(rule + recipe, f"{rule}\t@ln -sfn {sys.prefix} .venv\n"))
    commit(project)


def plant_a_random_cell(project: Project, stage: str) -> None:
    path = project.root / f"nbs/pipeline/{stage}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("__import__('random').random()", id="planted"))
    nbformat.write(notebook, path)


def write_anew(path: Path) -> None:
    "Write the same metrics with other bytes."
    path.write_text(json.dumps(json.loads(path.read_text())))


def summary(done: subprocess.CompletedProcess) -> str:
    return done.stdout.strip().splitlines()[-1]


def test_results_of_the_commit_are_identical(finished):
    assert summary(finished.run("mlproj verify")).startswith("identical: ")


def test_other_bytes_with_the_same_figures_are_equal(project):
    write_anew(project.root / "metrics/model_card.json")
    done = project.here("mlproj verify", fails=True)
    assert done.exit_code == 3
    assert re.search("^model_card +equal in figures$", done.stdout, re.MULTILINE)
    assert summary(done).startswith("equal in figures: ") and "no figure differs" in summary(done)


def test_what_cannot_be_compared_is_different(project):
    shutil.rmtree(project.root / ".dvc/cache") # as in CI, which has no cache
    write_anew(project.root / "metrics/model_card.json")
    assert project.here("mlproj verify", fails=True).exit_code == 3 # git has metrics
    path = project.root / "reports/score.ipynb"
    report = nbformat.read(path, as_version=4)
    report.cells.append(
        nbformat.v4.new_code_cell(
            "random()", outputs=[nbformat.v4.new_output("stream", text="0.3")], id="planted"
        )
    )
    nbformat.write(report, path)
    done = project.here("mlproj verify", fails=True)
    assert (
        done.exit_code == 1
        and f"score is the first that is different:\nreports/score.ipynb: {NOT_HERE}\n" in done.stdout
    )
    assert re.search("^model_card +equal in figures$", done.stdout, re.MULTILINE)


def test_a_folder_of_which_a_file_is_in_no_cache_is_different(project):
    folder, committed = project.root / "models/tree_depth_2", DVCFileSystem(str(project.root), rev="HEAD")
    md5, model = hash_folder(folder), folder / "model.onnx"
    kept = hashlib.md5(model.read_bytes()).hexdigest()
    (project.root / f".dvc/cache/files/md5/{kept[:2]}/{kept[2:]}").unlink()
    model.write_bytes(model.read_bytes() + b"\0")
    assert compare_output(committed, project.root, "models/tree_depth_2", md5) == (DIFFERENT, [NOT_HERE])


@pytest.mark.slow
def test_make_verify_succeeds_unless_they_are_different(project):
    makefile, metrics = project.root / "Makefile", project.root / "metrics/model_card.json"
    # A clean clone takes minutes.
    makefile.write_text(makefile.read_text().replace("mlproj verify --clone", "mlproj verify"))
    write_anew(metrics)
    assert summary(project.run("make --silent --old-file .venv/ready verify")).startswith(
        "equal in figures: "
    )
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"planted": 1}))
    # make ends with 2 whenever a command fails.
    assert project.run("make --silent --old-file .venv/ready verify", fails=True).returncode == 2


def test_a_model_of_other_bytes_is_equal_where_its_sums_are_its_own(project):
    folder, committed = project.root / "models/tree_depth_2", DVCFileSystem(str(project.root), rev="HEAD")
    md5, names = (
        hash_folder(folder),
        sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS"),
    )
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
    done = project.here("mlproj verify", fails=True)
    assert (
        done.exit_code == 1
        and "judge is the first that is different:\nreports/judge.ipynb: it is absent" in done.stdout
    )
    assert re.search("^audit +different$", done.stdout, re.MULTILINE)


def test_data_changed_by_hand_are_different(project):
    path = project.root / "data/attributes/customers.parquet"
    customers = pd.read_parquet(path)
    customers.assign(x=customers.x + 1).to_parquet(path)
    said = project.here("mlproj verify", fails=True).stdout
    cause = ".data/attributes: customers.parquet: column x differs in 400 of 400 rows"
    assert f"guard is the first that is different:\n{cause}" in said


def test_a_parameter_that_was_changed_and_not_run_is_no_result(project):
    project.params(lambda params: params["assumptions"].update(capacity=7))
    said = project.here("mlproj verify", fails=True).stdout
    cause = "it would run again here: assumptions.capacity in params.yaml was"
    assert f"judge is the first that is different:\n{cause}" in said


def test_a_stage_or_an_output_more_or_less_is_different(project):
    lock = project.root / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text.replace("    - path: spot_check\n", "    - path: other\n"))
    said = project.here("mlproj verify", fails=True).stdout
    outputs = "output other: it is only here\noutput spot_check: it is only in the commit"
    assert f"is the first that is different:\n{outputs}" in said
    lock.write_text(text)
    path = project.root / "dvc.yaml"
    stages = re.split(r"(?m)^(?=  (?!#)\w+:$)", path.read_text())
    path.write_text("".join(stage for stage in stages if not stage.startswith("  score:")))
    said = project.here("mlproj verify", fails=True).stdout
    assert "score is the first that is different:\nthe stage is only in the commit" in said
    project.run("git checkout --quiet dvc.yaml")
    entry = re.search(r"(?m)^  score:\n(?:    .*\n)+", text)[0]
    # DVC keeps the entry of a model that params.yaml no longer has.
    lock.write_text(text + entry.replace("  score:", "  train@gone:", 1))
    commit(project)
    assert summary(project.here("mlproj verify")).startswith("identical: ")


DAMAGED = {
    "metrics/model_card.json": "one of the two is damaged",
    "reports/judge.ipynb": "one of the two is damaged",
    "plots/savings.png": "one of the two is damaged",
    "features/features.parquet": "one of the two is damaged",
    "models/champion/meta.json": "meta.json: it is damaged",
    "dvc.lock": "dvc.lock is not as DVC writes it: bring it back",
    "data.dvc": "data.dvc",
    "versions.json": "DVC cannot read the project: ",
    "params.yaml": "params.yaml cannot be read: ",
    "dvc.yaml": "DVC cannot read the project: ",
}


def test_what_is_damaged_is_said_in_a_sentence(project):
    for name, expected in DAMAGED.items():
        path = project.root / name
        content = path.read_bytes()
        path.write_bytes(b"<<<<<<< HEAD\n" + content[:200] + b"\xff")
        done = project.here("mlproj verify", fails=True)
        assert done.exit_code == 1 and expected in done.output, name
        if name in ("dvc.lock", "versions.json", "params.yaml", "dvc.yaml"):
            assert "mlproj: " in project.here("mlproj lineage plots/savings.png", fails=True).stderr, name
        path.write_bytes(content)


def test_what_is_missing_is_said_in_a_sentence(project):
    for name in ("params.yaml", "data.dvc", "dvc.lock", "dvc.yaml"):
        (project.root / name).rename(project.root / "away")
        done = project.here("mlproj verify", fails=True)
        assert done.exit_code == 1
        assert name in done.output or "the stage is only in the commit" in done.stdout
        (project.root / "away").rename(project.root / name)


def test_what_was_found_before_is_read_before_anything_is_made(project):
    for kept in ("<<<<<<< HEAD", "[]", '{"runs": 7}', '{"runs": {"two": {}}}', '{"runs": {"2": 7}}'):
        (project.root / "records/verify.json").write_text(kept)
        assert "verify.json" in project.here("mlproj verify --clone", fails=True).stderr, kept
    assert not list(project.root.glob(".verify-*"))


def test_other_data_are_found_before_all_else(project):
    old = (project.root / "data.dvc").read_text()
    project.here("mlproj data add --days 1")
    was, now = (
        re.search(r"version: (\w{8})", text)[1] for text in (old, (project.root / "data.dvc").read_text())
    )
    done = project.here("mlproj verify", fails=True)
    assert (
        done.exit_code == 1
        and f"guard is the first that is different:\ndata: version {now} here, committed with {was}\n"
        in done.stdout
    )


@pytest.mark.slow
def test_a_random_cell_is_found(project):
    plant_a_random_cell(project, "score")
    project.run("dvc repro --single-item score")
    commit(project)
    assert summary(project.here("mlproj verify")).startswith("identical: ")
    project.run("dvc repro --force --single-item score")
    said = project.here("mlproj verify", fails=True).stdout
    found = re.search(
        r"score is the first that is different:\nreports/score.ipynb: cell \d+ has another output: (.*)", said
    )
    assert found[1] == "`__import__('random').random()`"


def another_version(
    project: Project, folder: Path
) -> tuple[str, str]: # the version on record; environment variables for the other version
    "Make version 2.0 of a package, which Python finds before the installed version."
    (folder / "jinja2-2.0.dist-info").mkdir()
    (folder / "jinja2-2.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: jinja2\nVersion: 2.0\n"
    )
    return json.loads((project.root / "versions.json").read_text())["jinja2"], f"PYTHONPATH={folder}"


@pytest.mark.slow
def test_another_version_of_a_package_is_found(project, tmp_path):
    version, there = another_version(project, tmp_path)
    assert (
        f"jinja2 2.0 is installed, and versions.json names {version}"
        in project.run(f"{there} mlproj run explain", fails=True).stderr
    )
    ran = project.run(f"{there} mlproj environment && {there} dvc repro").stdout
    assert re.findall("Running stage '(.*)'", ran) == ["explain"]
    said = project.here("mlproj verify", fails=True).stdout
    assert (
        f"explain is the first that is different:\npackage jinja2: 2.0 here, committed with {version}" in said
    )


@pytest.mark.slow(90)
def test_a_clean_clone_is_identical(project):
    use_this_environment(project)
    (project.root / "mine.txt").write_text("mine")
    done = project.run("make --silent verify")
    assert (
        summary(done).startswith("identical: ")
        and "no part of what is verified: .venv, mine.txt" in done.stderr
    )
    kept = json.loads((project.root / "records/verify.json").read_text())
    assert kept["runs"] == {
        str(load_settings(project.root).threads): {"verdict": IDENTICAL, "stages": {}, "reasons": {}}
    }
    assert ".data/transactions" in kept["outputs"]["guard"]
    assert str(project.root) not in json.dumps(kept)
    assert not list(project.root.glob(".verify-*"))


def test_runs_are_shown_side_by_side(tmp_path):
    runs = {
        "1": {"verdict": IDENTICAL, "stages": {}, "reasons": {}},
        "2": {
            "verdict": EQUAL,
            "stages": {"judge": EQUAL},
            "reasons": {"judge": ["plots/savings.png: it has other bytes"]},
        },
    }
    outputs = {"guard": [".data/transactions"], "judge": ["plots/savings.png", "reports/judge.ipynb"]}
    (tmp_path / "dvc.lock").write_text("")
    (tmp_path / "records").mkdir()
    kept = {
        "data_version": "ab.dir",
        "dvc_lock": hashlib.md5(b"").hexdigest(),
        "outputs": outputs,
        "runs": runs,
    }
    (tmp_path / "records/verify.json").write_text(json.dumps(kept))
    page = runpy.run_path(ROOT / "docs/site/verified.py")["last_verification"](tmp_path)
    verdicts = "**identical** with one thread and **equal in figures** with 2 threads"
    assert page.startswith(f"It says: {verdicts}, for version `ab` of the data")
    header = "| stage | outputs | one thread | 2 threads |\n|---|---|---|---|\n"
    assert f"{header}| guard | 1 | identical | identical |\n" in page
    assert "| judge | 2 | identical | equal in figures |" in page
    first = "With 2 threads, the first stage that is not identical is judge:"
    assert page.endswith(f"{first}\n\n- plots/savings.png: it has other bytes")


def processes_in(folder: Path) -> list[str]: # process ids
    "Find the processes that work in a folder, also in a folder that was removed."
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found += [process.name] if os.readlink(process / "cwd").startswith(str(folder)) else []
        except OSError: # the process has ended, or belongs to another user
            pass
    return found


SIGNS = [
    pytest.param(signal.SIGINT, id="ctrl-c"),
    pytest.param(signal.SIGTERM, id="terminated", marks=pytest.mark.long),
]


@pytest.mark.slow
@pytest.mark.parametrize("sign", SIGNS)
def test_an_interruption_leaves_nothing_behind(project, sign):
    use_this_environment(project)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    # A background job of a shell would ignore Ctrl-C.
    quiet = {"stdout": subprocess.DEVNULL, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    command = subprocess.Popen(["mlproj", "verify", "--clone"], cwd=project.root, env=environment, **quiet)
    deadline = time.monotonic() + 300
    while not list(project.root.glob(".verify-*/prepared/transactions.parquet")): # a stage is at work
        assert command.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    command.send_signal(sign)
    assert command.wait(180) != 0
    assert not list(project.root.glob(".verify-*"))
    while left := processes_in(project.root): # a kernel looks every second for its parent
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert not list(project.root.glob(".verify-*"))


# The matrix: the small world, with a model of every kind that learns, is made anew in each surrounding.

KINDS = ["nearest_neighbours", "random_forest", "isolation_forest", "xgboost"]
SURROUNDINGS = {
    "one thread": {"MLPROJ_ENGINE_THREADS": "1"},
    "two threads": {"MLPROJ_ENGINE_THREADS": "2"},
    "another time zone": {"TZ": "Asia/Kathmandu"},
    "another hash seed": {"PYTHONHASHSEED": "4711"},
}
PROCESSORS = {
    "linear algebra of a Nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "linear algebra of a Prescott, arrays without vectors": {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": " ".join(processor_features),
    },
}


def test_a_notebook_knows_no_time_zone_locale_or_hash_seed_from_outside(tmp_path, monkeypatch):
    for name, value in {"TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "4711"}.items():
        monkeypatch.setenv(name, value)
    shown = "time.tzname, locale.setlocale(locale.LC_ALL, ''), os.environ['PYTHONHASHSEED']"
    cell = f"import locale, os, time\nprint({shown})"
    source, report = tmp_path / "look.ipynb", tmp_path / "reports/look.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell, id="look")]), source)
    run_notebook(source, {}, tmp_path, report, report)
    assert nbformat.read(report, as_version=4).cells[-1].outputs[0].text == "('UTC', 'UTC') C.UTF-8 0\n"


@pytest.fixture(scope="session")
def every_kind(finished, tmp_path_factory, worker_id) -> Project:
    """The small project with a model of every kind that learns, run by DVC and committed.

    The tests of the matrix clone it.
    """
    def make(project: Project) -> str:
        copy_project(finished.root, project.root)
        recipes = read_parameters(ROOT)["models"]
        project.params(lambda params: params["models"].update({name: recipes[name] for name in KINDS}))
        # Too slow, so that the champion is of XGBoost, like the champion of the published world.
        own_latency(project.root, logistic=1e6)
        printed = project.make_results()
        assert json.loads((project.root / "metrics/champion.json").read_text())["champion"] == "xgboost"
        use_this_environment(project)
        return printed

    return share_project(tmp_path_factory, worker_id, "every_kind", make)


def made_anew(
    project: Project, place: Path, given: dict[str, str], command: str = "make --silent repro"
) -> str: # the verdict
    "Run everything in a clone, in other surroundings."
    clone_commit(project.root, "HEAD", place)
    Project(place).run(f"export {assigned(given)}; {command}" if given else command)
    return compare_with_commit(project.root, place).verdict


def assigned(given: dict[str, str]) -> str:
    "Write environment variables as a shell has them."
    return " ".join(f"{name}='{value}'" for name, value in given.items())


@pytest.mark.long
@pytest.mark.parametrize("given", SURROUNDINGS.values(), ids=list(SURROUNDINGS))
def test_other_surroundings_give_identical_results(every_kind, tmp_path, given):
    assert made_anew(every_kind, tmp_path / "another" / "folder", given) == IDENTICAL


@pytest.mark.long
def test_another_locale_gives_identical_results(every_kind, tmp_path):
    if shutil.which("localedef") is None or not Path("/usr/share/i18n/locales/tr_TR").exists():
        pytest.skip("there is nothing to make a locale of: on Debian, `apt-get install locales`")
    (tmp_path / "locales").mkdir()
    every_kind.run(f"localedef -i tr_TR -f UTF-8 {tmp_path}/locales/tr_TR.UTF-8")
    given = {"LOCPATH": f"{tmp_path}/locales", "LC_ALL": "tr_TR.UTF-8"}
    point = "import locale; print(locale.setlocale(locale.LC_ALL, ''), locale.localeconv()['decimal_point'])"
    assert every_kind.run(f'{assigned(given)} python -c "{point}"').stdout == "tr_TR.UTF-8 ,\n"
    assert made_anew(every_kind, tmp_path / "clone", given) == IDENTICAL


@pytest.mark.long
@pytest.mark.parametrize("given", PROCESSORS.values(), ids=list(PROCESSORS))
def test_another_processor_gives_equal_figures(every_kind, tmp_path, given):
    assert made_anew(every_kind, tmp_path / "clone", given) in (IDENTICAL, EQUAL)


@pytest.mark.long
def test_another_user_gets_identical_results(every_kind):
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can be another user")
    # The interpreter may lie in root's home.
    may_read = "--inh-caps +dac_read_search --ambient-caps +dac_read_search"
    nobody = f"setpriv --reuid 65534 --regid 65534 --clear-groups {may_read}"
    with tempfile.TemporaryDirectory() as folder: # only root can read the folder of the tests
        os.chmod(folder, 0o755)
        make = f"HOME={folder} {nobody} make --silent repro"
        theirs = f"chown -R 65534:65534 {folder} && {make} && chown -R 0:0 {folder}"
        assert made_anew(every_kind, Path(folder) / "clone", {}, theirs) == IDENTICAL


@pytest.mark.long
def test_a_clone_with_another_version_of_a_package_is_different(project, tmp_path):
    "A commit has changed the lock, and not versions.json."
    version, there = another_version(project, tmp_path)
    use_this_environment(project)
    said = project.run(f"export {there}; make --silent verify", fails=True).stdout
    assert (
        f"explain is the first that is different:\npackage jinja2: 2.0 here, committed with {version}" in said
    )


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
    (run,) = json.loads((project.root / "records/verify.json").read_text())["runs"].values()
    assert run["verdict"] == DIFFERENT and run["stages"]["features"] == DIFFERENT


def test_a_word_that_many_keys_share_is_renamed_in_one_line(tmp_path):
    metrics, git = tmp_path / "savings.json", ["git", "-C", str(tmp_path)]
    grid = {f"review {cost}, annoyance 5": {"low": cost, "high": cost + 0.5} for cost in range(40)}
    metrics.write_text(json.dumps({"grid": grid, "tree": {"n": 7000}}))
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "savings.json"], check=True)
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    subprocess.run([*git, *identity, "commit", "--quiet", "--message", "costs"], check=True)
    text = metrics.read_text().replace("annoyance", "false alert cost").replace('"n"', '"n_alerts"')
    metrics.write_text(text)
    verdict, sentences = compare_path(tmp_path, "HEAD", "savings.json", "0" * 32)
    example = "such as grid.review 0, annoyance 5.low: same values"
    assert verdict == RENAMED
    assert sentences == [
        f"`annoyance` is now `false alert cost` in 80 keys, {example}",
        "tree.n is now tree.n_alerts, same value",
    ]


def test_results_against_another_commit(tmp_path):
    "Other code and another name of a key are the same results; another value, table or key is not."
    project = Project(tmp_path.resolve())
    project.root.joinpath("settings.ini").write_text("")
    script, moved = project.root / "judge.sh", project.root / "wing/judge.sh"
    files = "echo 0.7 > alerts.csv; echo > look.ipynb\n"
    script.write_text("echo '{\"a\": {\"cost\": 5, \"n\": 1}}' > savings.json; " + files)
    pipeline = project.root / "dvc.yaml"
    outs = "[alerts.csv, look.ipynb, savings.json: {cache: false}]"
    pipeline.write_text(f"stages: {{judge: {{cmd: sh judge.sh, deps: [judge.sh], outs: {outs}}}}}\n")
    project.run("git init --quiet && dvc init --quiet && dvc repro")
    commit(project)
    moved.parent.mkdir()
    text = script.read_text().replace("cost", "false_alert_cost").replace("echo >", "echo moved >")
    moved.write_text(text)
    script.unlink()
    pipeline.write_text(pipeline.read_text().replace("judge.sh", "wing/judge.sh"))
    project.run("dvc repro")
    commit(project)
    renamed = project.run("mlproj verify --against HEAD~1").stdout
    assert "savings.json: only keys renamed\n  a.cost is now a.false_alert_cost, same value\n" in renamed
    assert "alerts.csv    1 of 1 identical" in renamed
    assert "1 executed notebooks are absent or differ; they are no results" in renamed
    assert renamed.endswith("the same results\n")
    (project.root / "look.ipynb").unlink()
    assert project.run("mlproj verify --against HEAD~1").stdout == renamed

    (project.root / "alerts.csv").write_text("0.8\n")
    (project.root / "savings.json").write_text('{"a": {"false_alert_cost": 6, "n": 1, "m": 2}}')
    other = project.run("mlproj verify --against HEAD~1", fails=True)
    assert other.returncode == 1
    assert "alerts.csv: different\n  its hash differs\n" in other.stdout
    assert "  key removed: a.cost\n  key added: a.false_alert_cost, a.m\n" in other.stdout
    assert other.stdout.endswith("different results\n")
    said = project.run("mlproj verify --against v9", fails=True).stderr
    assert said.startswith("mlproj: git has no commit v9 here: `git log --oneline --all` lists the commits")
    project.run("git rm --quiet --cached dvc.lock && git commit --quiet --message 'without results'")
    said = project.run("mlproj verify --against HEAD~0", fails=True).stderr
    assert said.startswith("mlproj: commit HEAD~0 has no dvc.lock")
