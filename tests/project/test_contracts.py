"""What the files of the project promise each other."""

import copy
import json
import os
import re
import subprocess
from pathlib import Path
from typing import get_type_hints

import nbformat
import pytest
from ruamel.yaml import YAML

from mlproj.core.columns import REQUIRED
from mlproj.data.versions import hash_folder
from mlproj.pipeline.dependencies import module_imports, stage_imports
from mlproj.pipeline.environment import pipeline_files, read_environment, stage_packages
from mlproj.pipeline.notebooks import find_leaks, normalise
from mlproj.pipeline.parameters import Shared, read_parameters
from mlproj.pipeline.stage_parameters import notebook_defaults, stage_parameters
from support import ROOT

PARAMS = read_parameters(ROOT)
PIPELINES = pipeline_files(ROOT)
STAGES = {
    name: stage
    for path in PIPELINES
    for name, stage in YAML(typ="safe", pure=True).load(path)["stages"].items()
}
NOTEBOOKS = sorted((ROOT / "nbs/pipeline").glob("*.ipynb"))
MODULES = sorted(
    path for path in (ROOT / "mlproj").rglob("*.py") if path.name not in ("__init__.py", "_modidx.py")
)
EXPLORATIONS = sorted((ROOT / "nbs/explore").glob("*.ipynb"))
SHARED = set(get_type_hints(Shared))


def test_there_are_stages_models_and_modules_to_look_at():
    assert len(NOTEBOOKS) == 13 and len(STAGES) == 14 and len(MODULES) > 55 and len(EXPLORATIONS) > 9


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stage_depends_on_what_it_imports(path):
    modules, packages = stage_imports(path, ROOT)
    deps = STAGES[path.stem]["deps"]
    declared = [name for name in deps if name.startswith("mlproj/")], stage_packages(ROOT)[path.stem]
    assert declared == (modules, packages), "`mlproj dependencies` writes the lists"
    assert len(modules) > 4 and f"nbs/pipeline/{path.stem}.ipynb" in deps


def test_the_environment_is_that_of_the_lock():
    locked = dict(
        re.findall(
            r"^(\S+?)==([^\s+]+)",
            "".join(path.read_text() for path in ROOT.glob("requirements*.lock")),
            re.MULTILINE,
        )
    )
    recorded = read_environment(ROOT)
    assert len(recorded) > 20 and len(locked) > 200
    assert recorded == {name: locked[name] for name in recorded}
    assert list(recorded) == sorted({name for used in stage_packages(ROOT).values() for name in used})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_the_parameters_of_params_yaml_as_defaults(path):
    defaults = notebook_defaults(nbformat.read(path, as_version=4), path.name)
    model = None if "model" in PARAMS.get(path.stem, {}) else defaults.get("model")
    assert defaults and defaults == stage_parameters(PARAMS, defaults, path.stem, model)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_that_is_opened_by_hand_takes_the_values_of_params_yaml(path, tmp_path, monkeypatch):
    "Each value of the file is another one than the notebook's; the names are those that the pipeline gives."
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    place = next(n for n, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", []))
    others = {"other": {"estimator": "Rule", "parameters": {}}}
    other = {name: others if name == "models" else {"other": 1} for name in PARAMS}
    own = PARAMS.get(path.stem, {})
    other |= {path.stem: dict.fromkeys(own, "other")} if own else {}
    (tmp_path / "nbs").symlink_to(ROOT / "nbs")
    (tmp_path / "settings.ini").touch()
    YAML().dump(other, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    variables = {}
    for cell in cells[place : place + 2]:
        exec(cell.source, variables)
    defaults = notebook_defaults(nbformat.read(path, as_version=4), path.name)
    model = None if "model" in own else "other" if "model" in defaults else None
    given = stage_parameters({**PARAMS, **other, "models": others}, defaults, path.stem, model)
    assert {name: variables[name] for name in defaults} == given


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stage_depends_on_the_parameters_that_it_reads(path):
    notebook, own = nbformat.read(path, as_version=4), PARAMS.get(path.stem, {})
    defaults = notebook_defaults(notebook, path.name)
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    read = {path.stem} & set(PARAMS) | {name for name in defaults if name in SHARED and name not in own}
    read |= {"models"} if "recipe" in defaults and "recipe" not in own else set()
    call = r"read_parameters\(root\)"
    variables = re.findall(rf"^(\w+) = {call}$", source, re.MULTILINE)
    read |= set(re.findall(rf'\b(?:{"|".join([call, *variables])})\["(\w+)"\]', source))
    declared = {name.split(".")[0] for name in STAGES[path.stem]["params"] if isinstance(name, str)}
    assert declared == read and read


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stage_notebook_is_committed_without_outputs(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert len(cells) > 4 and not any(cell.outputs for cell in cells)


@pytest.mark.parametrize("path", EXPLORATIONS, ids=lambda path: path.stem)
def test_an_exploration_is_committed_with_clean_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs and not any(output.output_type == "error" for output in outputs)
    assert normalise(copy.deepcopy(notebook)) == notebook, (
        f"it has counts, times or ids: run `mlproj explore {path.stem}`"
    )
    assert not find_leaks(notebook, [str(ROOT), "/home/", "/root/", "/tmp/", "/usr/", "/mnt/", "/opt/"])
    assert path.stat().st_size <= 1_000_000


def test_every_stage_has_its_notebook_and_every_section_its_stage():
    names = {path.stem for path in NOTEBOOKS}
    assert set(STAGES) - {"guard"} == names > set(PARAMS) - SHARED


def test_every_model_is_plotted():
    plots = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["plots"]
    assert len(plots) > 3
    for plot in plots:
        (options,) = plot.values()
        assert [Path(name).stem for name in options["y"]] == list(PARAMS["models"])


def test_no_report_is_read_by_a_stage():
    inputs = [name for stage in STAGES.values() for name in stage.get("deps", [])]
    outputs = [name for stage in STAGES.values() for name in map(output_name, stage["outs"])]
    assert len(inputs) > 200 and sum(name.startswith("reports/") for name in outputs) == len(NOTEBOOKS)
    assert not any(name.startswith("reports") for name in inputs)


def output_name(output: str | dict) -> str: # dvc.yaml writes a name, or {name: options}
    return output if isinstance(output, str) else next(iter(output))


# Each sub-package may import the sub-packages of the rows before, and none of its own row.
ROWS = [
    ["core"],
    ["data", "features", "models"],
    ["evaluation", "explain"],
    ["serving", "pipeline"],
    ["streaming", "monitoring"],
    ["lifecycle"],
    ["cli"],
]


def package(module: str) -> str: # mlproj/features/batch.py → features
    return Path(module).parts[1].removesuffix(".py")


def test_imports_go_one_way_between_sub_packages():
    row = {name: number for number, names in enumerate(ROWS) for name in names}
    arrows = {
        (package(path.relative_to(ROOT).as_posix()), package(other))
        for path in MODULES
        for other in own_imports(path)
    }
    back = sorted((one, other) for one, other in arrows if one != other and row[one] <= row[other])
    assert not back and len(arrows) > 25


def test_imports_go_one_way_inside_a_sub_package():
    notebooks = [
        path for path in (ROOT / "nbs/api").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
    ]
    order = {without_numbers(path): path.relative_to(ROOT).as_posix() for path in notebooks}
    assert set(order) == {path.relative_to(ROOT).as_posix() for path in MODULES}
    arrows = [
        (path.relative_to(ROOT).as_posix(), other)
        for path in MODULES
        for other in own_imports(path)
        if package(other) == package(path.relative_to(ROOT).as_posix())
    ]
    back = sorted((module, other) for module, other in arrows if order[other] >= order[module])
    assert not back and len(arrows) > 75, "each pair is a module, and a module that stands after it"


def own_imports(path: Path) -> set[str]: # paths of modules
    return module_imports(path.relative_to(ROOT).as_posix(), ROOT)


def without_numbers(notebook: Path) -> str: # nbs/api/30_features/30_batch.ipynb → mlproj/features/batch.py
    parts = notebook.relative_to(ROOT / "nbs/api").with_suffix(".py").parts
    return "/".join(["mlproj", *(re.sub(r"^\d+_", "", part) for part in parts)])


def test_the_scenario_never_becomes_an_input():
    kept_apart = set(PARAMS["prepare"]["evaluation_only"])
    assert "scenario" in kept_apart and not kept_apart & {*REQUIRED, *PARAMS["prepare"]["entities"]}
    for stage in ("features", "train", "backtest", "sequence"):
        read = {name for name in STAGES[stage]["deps"] if name.startswith("prepared")}
        assert "prepared/transactions.parquet" in read, stage
        assert read <= {"prepared/transactions.parquet", "prepared/attributes"}


def test_published_figures_are_reproduced():
    "The tolerances are those of the published table, made again with other libraries and orders of rows."
    measured = json.loads((ROOT / "metrics/compare.json").read_text())
    baseline = PARAMS["compare"]["published"]["baseline"]
    assert sum(map(len, baseline.values())) > 14
    for model, published in baseline.items():
        tolerance = dict.fromkeys(published, 0.002)
        if model == "tree_depth_2":
            tolerance["card_precision_100"] = 0.005
        if model == "tree":
            tolerance = {"auc": 0.005, "average_precision": 0.01, "card_precision_100": 0.005}
        if model == "random_forest":
            tolerance = {"auc": 0.01, "average_precision": 0.006, "card_precision_100": 0.006}
        for metric, value in published.items():
            assert measured[model][metric] == pytest.approx(value, abs=tolerance[metric] + 5e-10), (
                f"{model} {metric}"
            )


def test_no_figure_is_too_good_to_be_true():
    "The ceilings of the baseline week: a model above them has seen labels too early."
    compared = read_metrics("compare")
    assert list(compared) == list(PARAMS["models"])
    for model, values in compared.items():
        assert values["average_precision"] < 0.79 and values["card_precision_100"] < 0.31, model


def test_a_leak_would_pass_the_ceilings():
    "With labels that are known at once, or after a day, even a small model is above the ceilings."
    ceilings, assumed = PARAMS["audit"]["ceilings"], read_metrics("alarms")["assumed_delay"]
    assert len(ceilings) > 1
    for metric, highest in ceilings.items():
        assert min(assumed["0"][metric], assumed["1"][metric]) > highest > assumed["7"][metric], metric


def test_a_folder_has_the_version_that_dvc_gives_it(project):
    project.run("mkdir -p some/more && printf 1 > some/b && printf 2 > some/more/a && printf 3 > some/more.c")
    project.run("dvc add some")
    named = YAML(typ="safe", pure=True).load(project.root / "some.dvc")["outs"][0]["md5"]
    assert hash_folder(project.root / "some") == named


def test_the_lock_holds_names_versions_and_hashes_alone():
    locks = sorted(ROOT.glob("requirements*.lock"))
    lines = [line for path in locks for line in path.read_text().splitlines()]
    assert len(locks) == 3 and len(lines) > 3000
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==\S+( ; .+?)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


def test_links_between_files_of_the_project_lead_somewhere():
    listed = ["git", "ls-files", "*.md", "*.ipynb", ":!docs/site"] # its links lead to pages of the site
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    outputs = ("metrics/", "reports/", "_docs/")
    looked_at, broken = 0, []
    for name in names:
        for link in relative_links(ROOT / name):
            target = os.path.normpath((ROOT / name).parent / link)
            looked_at += 1
            if not Path(target).exists() and not os.path.relpath(target, ROOT).startswith(outputs):
                broken.append(f"{name}: {link}")
    assert not broken and looked_at > 120, broken


def relative_links(path: Path) -> list[str]:
    "List the files that a page or a notebook links to."
    text = path.read_text()
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub(r"^```.*?^```|`[^`\n]*`(?!\])", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\[[^\[\]]*\]\(([\w./-]+)(?:#[\w-]*)?\)", text)


def test_the_readme_is_made_from_the_index():
    process = subprocess.run(
        ["make", "--silent", "readme-text"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout == (ROOT / "README.md").read_text(), (
        "README.md differs from nbs/index.ipynb: run `make readme`"
    )


def read_metrics(name: str) -> dict:
    return json.loads((ROOT / f"metrics/{name}.json").read_text())


def test_the_champion_is_better_than_the_published_best():
    "Le Borgne et al. (2022), chapters 5 to 7: AP 0.694, CP@100 0.305 at best, over the same folds."
    champion = read_metrics("champion")["champion"]
    means = {metric: value["mean"] for metric, value in read_metrics("prequential")[champion].items()}
    assert means["auc"] >= 0.88 and means["average_precision"] >= 0.74 and means["card_precision_100"] >= 0.31
    assert read_metrics("compare")[champion]["average_precision"] >= 0.745
    differences = read_metrics("differences")
    against = differences["average_precision"]["xgboost_handbook"]
    assert differences["leader"] == champion and against["low"] > 0 and against["p_value"] < 0.01


def test_the_champion_saves_more_than_its_rivals():
    savings, champion = read_metrics("savings"), read_metrics("champion")["champion"]
    for rival in ("rule", "logistic", "random_forest"):
        assert savings["champion_less"][rival]["low"] > 0, rival
    assert len(savings["grid"]) == 9
    for assumption, less in savings["grid"].items():
        assert less.keys() == savings["models"].keys() - {champion} | {"oracle", "doing nothing"}, assumption
        assert less["doing nothing"]["low"] > 0 > less["oracle"]["high"], assumption
    assert savings["models"][champion]["net_savings_a_day"] < savings["oracle"]["net_savings_a_day"]
