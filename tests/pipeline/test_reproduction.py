"""`mlproj repro` on a small project: stages in order and side by side, failures, interruptions."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mlproj.core.locks import change_data
from mlproj.pipeline.reproduction import end_groups, followers, interruptible, plan_stages
from support import ROOT, Project, message

# Each stage writes down when it begins and ends; `${gate}` lets a test hold or break all models.
PIPELINE = """
stages:
  compare:
    cmd: sh stage.sh compare
    deps: [tree.txt, forest.txt]
    outs: [compare.txt]
  clean:
    cmd: sh stage.sh clean
    deps: [raw.txt]
    outs: [clean.txt]
  report:
    cmd: sh stage.sh report
    deps: [compare.txt]
    outs: [report.txt]
  audit:
    cmd: sh stage.sh audit
    deps: [clean.txt]
    outs: [audit.txt]
  train:
    matrix: {model: [tree, forest]}
    cmd: sh stage.sh ${item.model}
    deps: [clean.txt]
    outs: ["${item.model}.txt"]
"""
STAGE = """
echo "$1 begins" >> log
case $1 in tree|forest) . ./gate.sh ;; esac
cat raw.txt > "$1.txt"
echo "$1 ends" >> log
"""
# Both models wait until the other one has begun, for at most half a minute.
MEET = """
for _ in $(seq 300); do [ $(grep -c '^tree begins\\|^forest begins' log) = 2 ] && break; sleep .1; done
"""
STAGES = {"clean", "train@tree", "train@forest", "audit", "compare", "report"}


@pytest.fixture
def small(tmp_path) -> Project:
    files = {
        "settings.ini": "",
        "params.yaml": (ROOT / "params.yaml").read_text(),
        "raw.txt": "3\n",
        "stage.sh": STAGE,
        "gate.sh": MEET,
        "dvc.yaml": PIPELINE,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    project = Project(tmp_path.resolve())
    project.run("git init --quiet && dvc init --quiet")
    return project


def events(project: Project) -> list[str]:
    return (project.root / "log").read_text().splitlines()


def ends(printed: str) -> dict[str, str]: # {stage: how it ended}
    return dict(re.findall(r"^\[\d+/\d+\] (\S+) (.*), \d+ left$", printed, re.M))


def test_stages_run_in_order_and_side_by_side(small):
    printed = small.run("mlproj repro").stdout
    happened = events(small)
    pairs = [("clean", "tree"), ("tree", "compare"), ("forest", "compare"), ("compare", "report")]
    for before, after in pairs:
        assert happened.index(f"{before} ends") < happened.index(f"{after} begins")
    models = [event for event in happened if event.startswith(("tree", "forest"))]
    assert [event.split()[1] for event in models] == ["begins", "begins", "ends", "ends"]
    begun = re.findall(r"^\[(\d)/6\] (\S+) …$", printed, re.M)
    assert [number for number, _ in begun] == list("123456") and {stage for _, stage in begun} == STAGES
    # The stage that most stages follow begins first; of the models, the last one. Their shells race.
    assert [stage for _, stage in begun][:3] == ["clean", "train@forest", "train@tree"]
    assert ends(printed).keys() == STAGES
    assert all(re.fullmatch(r"\d+ s", how) for how in ends(printed).values())
    assert [int(left) for left in re.findall(r"(\d+) left", printed)] == [5, 4, 3, 2, 1, 0]
    assert len(printed.splitlines()) == 12

    assert small.run("mlproj repro").stdout == "Unchanged: no stage of dvc.yaml has anything to do\n"
    assert "Data and pipelines are up to date." in small.run("dvc repro").stdout

    (small.root / "tree.txt").unlink() # DVC has it in its cache, so what follows finds nothing new
    printed = small.run("mlproj repro").stdout
    assert ends(printed) == {"train@tree": "from the cache", "compare": "unchanged", "report": "unchanged"}


def test_no_stage_begins_with_a_wrong_params_yaml(small):
    small.params(lambda params: params.update(n_drows=params.pop("n_draws")))
    said = small.run("mlproj repro", fails=True).stderr
    assert said.startswith("mlproj: params.yaml has n_drows"), said
    assert said.endswith("did you mean n_draws?\n"), said
    assert not (small.root / "log").exists()


def test_no_stage_begins_after_one_has_failed(small):
    gate = MEET + "[ $1 = forest ] && { echo 'mlproj: forest stopped: no trees' >&2; exit 3; }\nsleep 3\n"
    (small.root / "gate.sh").write_text(gate)
    done = small.run("mlproj repro", fails=True)
    assert done.returncode == 1
    assert done.stderr == "mlproj: forest stopped: no trees\n"
    how = ends(done.stdout)
    assert how.keys() == {"clean", "train@tree", "train@forest"}
    assert how["train@forest"].startswith("failed after ") and re.fullmatch(r"\d+ s", how["train@tree"])
    assert "tree ends" in events(small)

    (small.root / "gate.sh").write_text("")
    assert ends(small.run("mlproj repro").stdout).keys() == STAGES - {"clean", "train@tree"}


def test_a_failure_without_a_word_shows_that_of_dvc(small):
    (small.root / "gate.sh").write_text("exit 3\n")
    said = small.run("mlproj repro --jobs 1", fails=True).stderr
    failed = "ERROR: failed to reproduce 'train@forest': failed to run: sh stage.sh forest, exited with 3\n"
    assert said == failed


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_all_stages(small, sign):
    (small.root / "gate.sh").write_text(MEET + "sleep 60\n")
    process = begin_repro(small)
    wait_for(lambda: (small.root / "log").exists() and len(events(small)) == 4)
    children = psutil.Process(process.pid).children(recursive=True)
    assert sum("dvc" in command_of(child) for child in children) == 2
    process.send_signal(sign)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "mlproj: stopped; `mlproj repro` goes on from here\n"
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert not {"tree ends", "forest ends"} & set(events(small))
    assert not (small.root / "tree.txt").exists()

    (small.root / "gate.sh").write_text("")
    assert ends(small.run("mlproj repro").stdout).keys() == STAGES - {"clean"}


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess: # a short child of DVC, which has just ended
        return []


def begin_repro(project: Project) -> subprocess.Popen:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(["mlproj", "repro"], cwd=project.root, env=environment, **pipes)


def test_a_second_run_is_told_to_wait(small):
    (small.root / "gate.sh").write_text(MEET + "sleep 60\n")
    process = begin_repro(small)
    wait_for(lambda: (small.root / "log").exists() and len(events(small)) == 4)
    said = small.run("mlproj repro", fails=True).stderr
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    words = r"mlproj: another DVC is at work in this project \(process \d+(, \d+)*\): wait for its end\n"
    assert re.fullmatch(words, said), said


def test_data_and_stages_wait_for_each_other(small):
    (small.root / "gate.sh").write_text("until [ -e opened ]; do sleep .1; done\n")
    process = begin_repro(small)
    wait_for(lambda: (small.root / "log").exists() and "tree begins" in events(small))
    (small.root / "mine.csv").write_text("amount\n1\n")
    for command in ("mlproj data add mine.csv", "mlproj data add --query sales", "mlproj data add --days 1"):
        said = message(small.run(command, fails=True))
        assert said.startswith("mlproj: `mlproj repro` or a stage is at work in this folder"), said
    assert not (small.root / "data").exists()
    (small.root / "opened").touch()
    assert process.wait() == 0
    with change_data(small.root):
        said = message(small.run("mlproj repro", fails=True))
    assert said.startswith("mlproj: `mlproj data` is at work in this folder: wait until it has ended"), said


def test_the_reason_of_a_failure_is_shown_while_others_run(small):
    gate = MEET + "[ $1 = forest ] && { echo 'mlproj: forest stopped: no trees' >&2; exit 3; }\nsleep 60\n"
    (small.root / "gate.sh").write_text(gate)
    process = begin_repro(small)
    assert process.stderr.readline() == "mlproj: forest stopped: no trees\n"
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "mlproj: stopped; `mlproj repro` goes on from here\n"
    assert "tree ends" not in events(small)


def wait_for(happened) -> None:
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_the_second_signal_is_ignored():
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGHUP)


def test_what_does_not_end_is_killed():
    command = ["sh", "-c", "trap '' INT; sleep 60 & echo; wait"]
    stubborn = subprocess.Popen(command, process_group=0, stdout=subprocess.PIPE)
    stubborn.stdout.read(1)
    (child,) = psutil.Process(stubborn.pid).children()
    end_groups([stubborn], patience=0.1)
    assert stubborn.returncode == -signal.SIGKILL
    assert psutil.wait_procs([child], timeout=5)[1] == []


def test_only_what_is_stale_is_planned(small):
    assert plan_stages(small.root).keys() == STAGES
    small.run("mlproj repro")
    (small.root / "compare.txt").write_text("by hand")
    assert plan_stages(small.root) == {"compare": set(), "report": {"compare"}}


def test_followers_are_found_through_others():
    needs = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "alone": set()}
    assert followers(needs) == {"a": {"b", "c", "d"}, "b": {"d"}, "c": {"d"}, "d": set(), "alone": set()}
