"""`dvc exp run -S` leaves a params.yaml that a person can read."""

import random
import shutil
import sys

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from mlproj.pipeline.params_layout import restore_layout
from support import ROOT, Project

TEXT = (ROOT / "params.yaml").read_text()


def leaves(value: dict, path: str = "") -> list[str]: # numbers, by the keys that lead to them
    found = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            found += leaves(inner, f"{path}{key}.")
        elif isinstance(inner, int) and not isinstance(inner, bool) and key.isidentifier():
            found.append(f"{path}{key}")
    return found


def test_any_number_that_an_experiment_sets_is_the_only_line_that_changes(tmp_path):
    names = [name for name in leaves(YAML(typ="safe", pure=True).load(TEXT)) if "(" not in name]
    assert len(names) > 40
    path = tmp_path / "params.yaml"
    for name in random.Random(0).sample(names, 4):
        path.write_text(TEXT)
        apply_overrides(path, [f"{name}=77"])
        restored = restore_layout(path.read_text(), TEXT)
        lines = zip(TEXT.splitlines(), restored.splitlines(), strict=True)
        changed = [after for before, after in lines if before != after]
        assert len(changed) == 1 and "77" in changed[0], name


def test_a_parameter_that_is_added_or_removed_leaves_the_other_comments(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    apply_overrides(path, ["+models.tree.parameters.min_samples_leaf=5", "~models.xgboost.genuine_share"])
    restored = restore_layout(path.read_text(), TEXT)
    assert "max_depth: 2" in restored and "min_samples_leaf: 5" in restored
    assert "genuine_share: 0.35" not in restored
    assert restored.count("#") == TEXT.count("#")


def test_what_a_person_has_changed_stays(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("top_k: 100", "top_k: 50 # so many do we look at"))
    mine = path.read_text()
    assert restore_layout(mine, TEXT) == mine
    apply_overrides(path, ["n_draws=10"])
    rewritten = path.read_text()
    assert restore_layout(rewritten, TEXT) == rewritten # a comment of the person's is in it


@pytest.mark.slow(20)
def test_an_experiment_keeps_the_layout_in_the_folder_and_in_its_commit(tmp_path):
    project = Project(tmp_path)
    for name in ("params.yaml", "settings.ini"):
        shutil.copy(ROOT / name, tmp_path / name)
    lines = ["from pathlib import Path", "from mlproj.pipeline.params_layout import tidy_parameters"]
    lines += ["tidy_parameters(Path())", "Path('count.txt').write_text('1')"]
    (tmp_path / "count.py").write_text("\n".join(lines))
    stage = {"cmd": f"{sys.executable} count.py", "params": ["top_k"], "outs": ["count.txt"]}
    with open(tmp_path / "dvc.yaml", "w") as file:
        YAML().dump({"stages": {"count": stage}}, file)
    project.run("git init --quiet && dvc init --quiet && git add --all && git commit --quiet --message Begin")
    project.run("dvc exp run --name fewer --set-param top_k=7")
    expected = TEXT.replace("top_k: 100", "top_k: 7")
    assert (tmp_path / "params.yaml").read_text() == expected
    reference = project.run("git for-each-ref --format='%(refname)' refs/exps | grep fewer").stdout.strip()
    assert project.run(f"git show {reference}:params.yaml").stdout == expected
