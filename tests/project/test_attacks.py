"""Input that attacks: none of it runs, leaves its folder, fills the memory, or is believed for its looks."""

import ast
import gzip
import hashlib
import json
import re
import runpy
import subprocess
import sys
import tracemalloc
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import duckdb
import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from typer.testing import CliRunner

from mlproj.cli import app
from mlproj.core.checks import UserError
from mlproj.data.ingest import add_files, bring_data
from mlproj.data.readers import read_file
from mlproj.data.versions import Record, read_record, write_record
from mlproj.explain.spot_check import choose_transactions, read_csv, write_csv, write_spot_check
from mlproj.models.model import fit_model, load_model, save_model
from mlproj.pipeline.changes import PAGE
from mlproj.pipeline.explorations import Scope, find_explorations, open_prepared
from mlproj.pipeline.parameters import read_parameters
from mlproj.pipeline.stage_parameters import stage_parameters
from support import MODELS, ROOT, Project

HOSTILE = [
    "=cmd|'/c calc'!A1",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "'=already",
    "''",
    "＝1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[here](javascript:alert(1))",
    "{{ 7 * 7 }}",
    "plain",
]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, check=True
    ).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


@cache
def sources() -> dict[str, str]: # name → code, of files and of notebooks' cells
    "Read all Python code of the project but this file."
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for path in tracked("*.py")
        if path != Path(__file__)
    }
    for path in tracked("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        texts[path.relative_to(ROOT).as_posix()] = "\n".join(
            cell.source for cell in cells if cell.cell_type == "code"
        )
    return texts


# Tables and pages that people open.

def spot_check(folder: Path) -> pd.DataFrame:
    rows = pd.DataFrame(
        {"transaction_id": range(len(HOSTILE)), "merchant": HOSTILE, "amount": -1.5, "is_fraud": 0}
    )
    chosen = choose_transactions(
        rows.assign(score=0.9), 0.5, {"alerts": len(HOSTILE), "near_misses": 0, "random": 0}, seed=0
    )
    reasons = [[f"This terminal's name is {name}."] for name in chosen.merchant]
    write_spot_check(folder, chosen, ["transaction_id", "merchant", "amount"], reasons, "Check <b>these</b>")
    return chosen


def test_no_cell_of_the_spot_check_is_a_formula(tmp_path):
    chosen = spot_check(tmp_path)
    cells = pd.read_csv(tmp_path / "transactions.csv", dtype=str, keep_default_na=False)
    texts = cells.drop(columns=["transaction_id", "amount", "score"])
    assert not texts.map(lambda cell: cell.startswith(tuple("=+-@\t\r\n＝"))).any(axis=None)
    assert (cells.amount == "-1.5").all() # a number stays a number
    assert read_csv(tmp_path / "transactions.csv").merchant.tolist() == chosen.merchant.tolist()


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@settings(max_examples=100, deadline=None)
@given(st.lists(ANY_TEXT | st.sampled_from(HOSTILE)))
def test_texts_of_a_csv_come_back_as_they_were(tmp_path_factory, texts):
    path = tmp_path_factory.getbasetemp() / "texts.csv"
    texts = [f"{text} shop" for text in texts] # pandas would read some texts as a number or a missing value
    write_csv(pd.DataFrame({"merchant": texts}, dtype="str"), path)
    assert read_csv(path).merchant.tolist() == texts
    assert not pd.read_csv(path).merchant.str.match("[=+@\t\r\n-]").any()


def test_no_page_obeys_a_name(tmp_path):
    chosen = spot_check(tmp_path)
    page = BeautifulSoup((tmp_path / "transactions.html").read_text(), "html.parser")
    assert not page.find_all(["script", "img", "a", "b"]) and "default-src 'none'" in str(
        page.find("meta", {"http-equiv": True})
    )
    assert {"<script>alert(1)</script>", "{{ 7 * 7 }}"} <= {
        cell.text for cell in page.find_all("dd")
    } and len(chosen) == len(HOSTILE)
    tables = {"Parameters": {"params.yaml": [[name, name, name, ""] for name in HOSTILE]}}
    changes = BeautifulSoup(
        Environment(autoescape=True).from_string(PAGE).render(title="x", tables=tables, pictures={}),
        "html.parser",
    )
    assert not changes.find_all(["script", "img"]) and "default-src 'none'" in str(
        changes.find("meta", {"http-equiv": True})
    )
    table = BeautifulSoup(pd.DataFrame({name: [name] for name in HOSTILE})._repr_html_(), "html.parser")
    assert not table.find_all(["script", "img", "a"])


def test_nothing_that_makes_html_leaves_it_unescaped():
    allowed = {"docs/site/mathml.py", "docs/site/picture.py"} # they read the project's own files
    for name, source in sources().items():
        if name not in allowed and not name.startswith("tests/"):
            assert not re.search(
                r"escape\s*=\s*False|\.style\b|\bHTML\(|Markup\(|innerHTML", source.replace("autoescape", "")
            ), name


# Names that lead to another place.

@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    "A project without results, and a file outside of its folder that no command may reach."
    root = tmp_path / "project"
    for name in ("nbs/pipeline/train.ipynb", "nbs/explore/10_brief.ipynb", "settings.ini", "params.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "x.ipynb").write_bytes((ROOT / "nbs/explore/10_brief.ipynb").read_bytes())
    (tmp_path / "x.parquet").write_bytes(b"")
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize(("command", "expected"), [
    ("run ../../../x", "there is no stage '../../../x'"),
    ("run ../explore/10_brief", "there is no stage '../explore/10_brief'"),
    ("run train --model ../../x", "has the name '../../x'"),
    ("explore ../../../x", "there is no notebook '../../../x'"),
    ("write-back ../../x --table t", "has the name '../../x'"),
    ("data inspect ../x.parquet", "x.parquet cannot be read"),
], ids=lambda value: value.split(" -")[0])
def test_a_command_stays_in_its_folder(folder, command, expected):
    before = sorted(folder.parent.rglob("*"))
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 1 and expected in done.stderr and "Traceback" not in done.output
    assert sorted(path for path in folder.parent.rglob("*") if ".spill" not in str(path)) == before


BAD_NAMES = ["../../x", "/etc/x", "x; touch pwned", "$(touch pwned)", "-h", "a b", "x\ny", ""]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_model_has_a_plain_name(folder, name):
    parameters = read_parameters(folder)
    with pytest.raises(UserError, match="the command has the name"):
        stage_parameters(parameters, {"model": ""}, "train", name)
    parameters["models"][name] = parameters["models"]["tree"]
    (folder / "params.yaml").write_text(json.dumps(parameters))
    with pytest.raises(UserError, match="models in params.yaml has the name"):
        read_parameters(folder)


def add_model(project: Project, name: str) -> None:
    recipe = read_parameters(ROOT)["models"][MODELS[0]]
    project.params(lambda params: params["models"].update({name: recipe}))


@pytest.mark.slow
def test_no_name_of_a_model_reaches_a_shell_or_leads_dvc_elsewhere(project):
    "DVC removes the outputs of a stage before the stage runs, and hands the command to a shell."
    victims = [project.root / "notes/x.txt", project.root.parent / "outside/x.txt"]
    for path in victims:
        path.parent.mkdir()
        path.touch()
    params = (project.root / "params.yaml").read_bytes()
    for name, alone in {
        "x; touch pwned; true": True,
        "$(touch pwned)": True,
        "../../outside": False,
        "../notes": False,
    }.items():
        add_model(project, name)
        for command in ("dvc repro", "mlproj repro"):
            refusal = project.run(command, fails=True).stderr
            # DVC refuses some of these names itself.
            assert f"models in params.yaml has the name {name!r}" in refusal or "is specified in" in refusal
        if alone: # SECURITY.md says what happens when a stage runs alone
            project.run(f"dvc repro --single-item 'train@{name}'", fails=True)
        assert all(path.exists() for path in victims) and not (project.root / "pwned").exists()
        (project.root / "params.yaml").write_bytes(params)


def run_in(folder: Path, commands: str) -> None:
    subprocess.run(
        commands,
        shell=True,
        cwd=folder,
        check=True,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )


@pytest.mark.parametrize("listed", [
    [{"relpath": "../../x.csv", "md5": "a" * 32}],
    [{"relpath": "/x.csv", "md5": "a" * 32}],
    [{"relpath": "transactions/../../.git/hooks/post-checkout", "md5": "a" * 32}],
    [{"relpath": "transactions/a.csv", "md5": "..//x.csv"}],
    [{"relpath": "transactions/a.csv", "md5": "a" * 32}, {"relpath": "a\nb", "md5": "a" * 32}],
    [{"relpath": "transactions/a.csv"}],
    [["transactions/a.csv", "a" * 32]],
    [{"relpath": 7, "md5": "a" * 32}],
    {"relpath": "transactions/a.csv"},
    7,
], ids=str)
def test_what_dvc_lists_stays_in_its_folder(folder, listed):
    "Write a remote's list of files, with files that exist."
    outside = folder.parent / "x.csv"
    outside.write_text("mine")
    run_in(folder, "git init --quiet && dvc init --quiet")
    content = json.dumps(listed).replace("..//x.csv", f"..{outside}").encode()
    version = f"{hashlib.md5(content).hexdigest()}.dir"
    cache = folder / ".dvc/cache/files/md5"
    for name, entry in {version: content, "a" * 32: b""}.items():
        (cache / name[:2]).mkdir(parents=True, exist_ok=True)
        (cache / name[:2] / name[2:]).write_bytes(entry)
    write_record(folder, Record(version, 0, 1, [{"files": ["a.csv"]}]))
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(UserError, match=f"DVC's list of version {version[:8]} is none of files in a folder"):
        bring_data(folder)
    assert outside.read_text() == "mine"
    assert {*folder.parent.rglob("*")} - {*before} <= {folder / ".dvc/tmp", *(folder / ".dvc/tmp").rglob("*")}


def test_a_list_that_names_other_files_than_its_version_is_not_put_in_place(folder):
    "The list is well formed, but DVC would write it in another way, so the folder has another version."
    run_in(folder, "git init --quiet && dvc init --quiet && touch a.csv")
    add_files(folder, [folder / "a.csv"])
    cache, version = folder / ".dvc/cache/files/md5", read_record(folder).version
    content = (cache / version[:2] / version[2:]).read_bytes() + b" "
    other = f"{hashlib.md5(content).hexdigest()}.dir"
    (cache / other[:2]).mkdir(exist_ok=True)
    (cache / other[:2] / other[2:]).write_bytes(content)
    run_in(folder, "rm -r data")
    write_record(folder, Record(other, 0, 1, [{"files": ["a.csv"]}]))
    with pytest.raises(UserError, match="is another one: do not trust where it came from"):
        bring_data(folder)
    assert not (folder / "data").exists()


def test_a_column_is_a_column_whatever_its_name(folder):
    path = folder / "prepared.parquet"
    pd.DataFrame({"transaction_id": [1], "amount": [100], 'a "card"': [7]}).to_parquet(path)
    hostile = "transaction_id\" AS card, 1 AS place FROM prepared; COPY (SELECT 1) TO 'pwned.csv'; --"
    for card, place in ((hostile, None), ('a "card"', hostile)):
        with pytest.raises(duckdb.BinderException):
            open_prepared(path, Scope(card, place, [card], pd.Timestamp("2024-03-13", tz="UTC"), 20, 100))
    assert not (folder / "pwned.csv").exists()


def test_files_are_added_as_what_they_hold(folder):
    run_in(
        folder, "git init --quiet && dvc init --quiet && touch x.csv && mkdir up && ln -s ../x.csv up/a.csv"
    )
    (folder / "a\nb.csv").touch()
    with pytest.raises(UserError, match="characters that cannot be printed"):
        add_files(folder, [folder / "a\nb.csv"])
    add_files(folder, [folder / "up/a.csv", folder / "up/../x.csv"])
    assert sorted(path.name for path in (folder / "data/transactions").iterdir()) == ["a.csv", "x.csv"]
    assert not any(path.is_symlink() for path in (folder / "data/transactions").iterdir())


def test_no_value_steers_the_terminal(project):
    project.params(lambda params: params["assumptions"].update(capacity="\x1b[31m7\x1b]0;title\x07"))
    texts = [
        project.here("mlproj verify", fails=True).stdout,
        project.here("mlproj lineage plots/savings.png").stdout,
    ]
    assert all("\\x1b[31m7" in text and text.replace("\n", "").isprintable() for text in texts)


# YAML, and compressed files.

def test_no_tag_of_yaml_runs_anything(folder):
    attack = "!!python/object/apply:os.system ['touch pwned']"
    (folder / "params.yaml").write_text(f"train: {attack}\n")
    (folder / "data.dvc").write_text(f"meta: {attack}\n")
    with pytest.raises(UserError, match="has a tag that makes an object"):
        read_parameters(folder)
    with pytest.raises(UserError, match="has no record"):
        read_record(folder)
    assert not (folder / "pwned").exists()


def test_no_alias_fills_the_memory(project):
    "DVC would write out all aliases: ten lists of ten lists, eight deep."
    bomb = "\n".join(
        ["a0: &a0 [1, 1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))]
    )
    path = project.root / "params.yaml"
    path.write_text(f"{path.read_text()}\n{bomb}\n")
    for command in ("data check", "verify", "lineage plots/savings.png", "changes", "run judge"):
        assert "has more than 100,000 values" in project.here(f"mlproj {command}", fails=True).stderr


def test_every_reader_of_yaml_is_a_safe_one():
    for name, source in sources().items():
        for call in [node for node in ast.walk(ast.parse(_plain(source))) if isinstance(node, ast.Call)]:
            if isinstance(call.func, ast.Name) and call.func.id == "YAML":
                kinds = [ast.literal_eval(key.value) for key in call.keywords if key.arg == "typ"]
                assert kinds in (["safe"], []), name # ruamel's default keeps tags as plain data
        # The loaders of PyYAML may obey tags.
        assert not re.search(r"^\s*(import yaml|from yaml import)", source, re.MULTILINE), name


def _plain(source: str) -> str: # without IPython's own commands
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())


def test_a_file_that_unfolds_without_end_takes_no_memory(folder):
    with gzip.open(folder / "bomb.csv.gz", "w", compresslevel=1) as file:
        for _ in range(200):
            file.write(b"0" * 2**20)
    tracemalloc.start()
    with pytest.raises(UserError, match="bomb.csv.gz unfolds to more than 200 times its size"):
        read_file(None, folder / "bomb.csv.gz") # refused before the engine sees the file
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 * 2**20


# Models.

@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    "A folder of models, with one model for each kind of file."
    draw, folder = np.random.default_rng(0), tmp_path_factory.mktemp("models")
    rows = pd.DataFrame({"amount": draw.gamma(2, 30, 500), "hour": draw.integers(0, 24, 500)})
    rows["is_fraud"] = (rows.amount > 100).astype("int8")
    for name in ("XGBClassifier", "DecisionTreeClassifier", "LogisticRegression", "KNeighborsClassifier"):
        save_model(
            fit_model({"estimator": name, "parameters": {}}, rows, ["amount", "hour"], "abc"),
            folder / name,
            {"data_version": "x"},
        )
    return folder


def corrupt(content: bytes, draw: np.random.Generator) -> bytes:
    "Flip a bit, cut the file, insert other content, or replace all content."
    at = int(draw.integers(len(content)))
    flipped = bytearray(content)
    flipped[at] ^= 1 << int(draw.integers(8))
    choices = [
        bytes(flipped),
        content[:at],
        content + b"\n",
        b"",
        draw.bytes(50),
        content[:at] + draw.bytes(3) + content[at:],
        b"{}",
    ]
    return choices[draw.choice(len(choices), p=[0.5, 0.2, 0.06, 0.06, 0.06, 0.06, 0.06])]


def test_500_corrupted_models_are_refused(models):
    draw, files = np.random.default_rng(0), sorted(path for path in models.rglob("*") if path.is_file())
    assert {path.name.split(".")[-1] for path in files} == {"ubj", "onnx", "json", "arrow", "SHA256SUMS"}
    for number in range(500):
        path = files[number % len(files)]
        saved = path.read_bytes()
        damaged = corrupt(saved, draw)
        assert damaged != saved
        path.write_bytes(damaged)
        with pytest.raises(UserError):
            load_model(path.parent, "abc")
        path.write_bytes(saved)
    assert all(load_model(path, "abc").definition == "abc" for path in models.iterdir())


def test_a_model_whose_hashes_were_made_anew_leads_nowhere(models, tmp_path):
    "The hashes beside a file do not say who wrote it; paths that the file names are still not followed."
    for change in (
        {"file": "../../../etc/passwd"},
        {"file": "model.pkl"},
        {"file": 7},
        {"recipe": []},
        {"file": None},
    ):
        folder = tmp_path / "forged"
        subprocess.run(["cp", "-r", models / "LogisticRegression", folder], check=True)
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | change))
        subprocess.run(
            "sha256sum * | grep -v SUMS > sums; mv sums SHA256SUMS", shell=True, cwd=folder, check=True
        )
        with pytest.raises(UserError, match="forged"):
            load_model(folder, "abc")
        subprocess.run(["rm", "-r", folder], check=True)


def test_the_sums_are_those_of_sha256sum(models):
    for folder in models.iterdir():
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)


# No file is loaded that could run code.

PICKLERS = {"pickle", "cloudpickle", "dill", "shelve", "joblib", "skops", "marshal"}


def test_no_code_reads_or_writes_pickles():
    for name, source in sources().items():
        for node in ast.walk(ast.parse(_plain(source))):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not PICKLERS & {module.split(".")[0] for module in imported}, name
            if isinstance(node, ast.Call):
                called, keys = (
                    ast.unparse(node.func),
                    {key.arg: ast.unparse(key.value) for key in node.keywords},
                )
                assert (
                    not called.endswith(("read_pickle", "to_pickle"))
                    and keys.get("allow_pickle", "False") == "False"
                ), name
                assert not called.endswith("torch.load") or keys.get("weights_only") == "True", name


def is_pickle(content: bytes) -> bool:
    "Whether content begins like a pickle, or is a zip file that holds a pickle."
    return bool(re.match(rb"\x80[\x02-\x05]", content)) or (content.startswith(b"PK") and b".pkl" in content)


def test_no_file_is_a_pickle(finished):
    assert is_pickle(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00]\x94K\x01a.") # the list [1]
    folders = ("prepared", "features", "models", "predictions", "reports", "spot_check")
    files = [
        path
        for path in [*tracked(), *(path for name in folders for path in (finished.root / name).rglob("*"))]
        if path.is_file()
    ]
    assert len(files) > 100
    assert not [
        path
        for path in files
        if is_pickle(path.read_bytes()) or path.suffix in (".pkl", ".pickle", ".joblib")
    ]


# Notebooks of others.

def test_a_notebook_that_git_does_not_know_runs_only_when_it_is_named(folder):
    subprocess.run("git init --quiet && git add nbs", shell=True, cwd=folder, check=True)
    assert [path.stem for path in find_explorations(folder, [])] == ["10_brief"]
    (folder / "nbs/explore/20_sent.ipynb").write_bytes((folder / "nbs/explore/10_brief.ipynb").read_bytes())
    done = CliRunner().invoke(app, ["explore"])
    assert (
        done.exit_code == 1
        and "20_sent.ipynb is not in git, and a notebook runs whatever is in it" in done.stderr
    )
    assert [path.stem for path in find_explorations(folder, ["20_sent"])] == ["20_sent"]


def test_jupyterlab_trusts_no_notebook_by_itself():
    for path in tracked(".jupyter"):
        assert not re.search(
            r"trust|notary|allow_origin|disable_check_xsrf|token\s*=", path.read_text(), re.IGNORECASE
        ), path


# What is installed.

@pytest.fixture(scope="module")
def inventory() -> dict:
    return runpy.run_path(str(ROOT / ".ci/inventory.py"))


def locked() -> dict[str, str]: # name → version
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def test_the_bill_of_materials_names_what_is_locked(inventory):
    document = inventory["bill_of_materials"]()
    assert document == inventory["bill_of_materials"]() and "timestamp" not in document
    bill = json.loads(document)
    assert (bill["bomFormat"], bill["specVersion"], bill["metadata"]["component"]["name"]) == (
        "CycloneDX",
        "1.6",
        "mlproj",
    )
    listed = {part["name"]: part for part in bill["components"]}
    for name in ("duckdb", "xgboost", "scikit-learn", "dvc", "ruamel-yaml"):
        assert (
            listed[name]["version"] == locked()[name]
            and listed[name]["purl"] == f"pkg:pypi/{name}@{locked()[name]}"
        )
        assert listed[name]["licenses"]


def test_no_licence_forbids_what_the_project_does(inventory):
    licences = inventory["table"](
        package for package in inventory["installed"]() if inventory["_name"](package) in locked()
    )
    assert len(licences) > 200 and not inventory["refused"](licences)
    kind = inventory["kind"]
    asked = {
        "MIT": "permissive",
        "GPL-3.0-only": "copyleft",
        "MPL-2.0 AND (BSD-3-Clause OR MIT)": "weak copyleft",
    }
    asked |= {"GPL-2.0-only OR MIT": "permissive", "LicenseRef-Own": "unknown"}
    assert {words: kind(words) for words in asked} == asked
    assert kind("unknown") == "unknown" and kind("GNU General Public License v2 (GPLv2)") == "copyleft"
    assert distribution("mlproj").metadata["License-Expression"] == "Apache-2.0"
