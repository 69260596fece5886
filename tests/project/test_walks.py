"""The guide to one's own transactions: its walks run as printed, and its tables say what can be read."""

import gzip
import json
import re
import subprocess
from pathlib import Path
from typing import get_type_hints

import pandas as pd
import pytest
from ruamel.yaml import YAML

from mlproj.core.engine import connect
from mlproj.data.readers import FILE_KINDS, KINDS, read_file
from mlproj.pipeline.parameters import Prepare
from support import ROOT, Project

PAGE = ROOT / "docs/guide/own_data.md"
WALK = re.compile(r"^## A walk with (.+?)$.*?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WALKS = dict(WALK.findall(PAGE.read_text()))


def write_kind(path: Path) -> None:
    "Write the same two rows into a file of any kind."
    rows = pd.DataFrame({"id": ["1", "2"], "city": ["Åbo", "Rome"]})
    texts = {
        ".csv": rows.to_csv(index=False),
        ".json": rows.to_json(orient="records", force_ascii=False),
        ".log": "".join(f"id={row.id} city={row.city}\n" for row in rows.itertuples()),
    }
    lines = rows.to_json(orient="records", lines=True, force_ascii=False)
    texts |= {".jsonl": lines, ".ndjson": lines}
    kind = path.name.removesuffix(".gz").removeprefix("rows")
    if kind == ".parquet":
        rows.to_parquet(path)
    elif kind == ".xlsx":
        rows.to_excel(path, index=False)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(texts[kind].encode()))
    else:
        path.write_text(texts[kind], encoding="utf-8")


@pytest.mark.parametrize("ending", KINDS)
def test_each_kind_of_the_table_is_read(ending, tmp_path):
    path = tmp_path / f"rows{ending}"
    write_kind(path)
    rows = read_file(connect(), path).to_pandas()
    assert rows[["id", "city"]].to_numpy().tolist() == [["1", "Åbo"], ["2", "Rome"]]


def test_the_table_of_files_is_that_of_the_readers():
    lines = []
    for kind in FILE_KINDS:
        endings = ", ".join(f"`{ending}`" for ending in kind.endings)
        lines.append(f"| {endings} | {kind.content.replace('|', '&#124;')} |")
    page = PAGE.read_text()
    missing = [line for line in lines if line not in page]
    assert not missing, f"write into {PAGE.name}: {missing}"


def test_the_settings_of_the_table_are_those_of_prepare():
    (table,) = re.findall(r"^\| your file has \|.*\n\|---.*\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE)
    cells = [line.rstrip(" |\n").rpartition(" | ")[2] for line in table.splitlines()]
    names = {name for cell in cells for name in re.findall(r"`(\w+)(?:: |`)", cell)}
    known = {*get_type_hints(Prepare), "distances", "speeds", "set_aside"}
    assert len(names) > 8 and names <= known


@pytest.mark.long
@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_runs_as_printed(walk, tmp_path):
    home = tmp_path / "mlproj"
    subprocess.run(["git", "clone", "--quiet", ROOT, home], check=True)
    project = Project(home)
    printed = project.run(f"set -e\n{WALKS[walk]}").stdout
    folder = re.search(r"^cd (\S+)$", WALKS[walk], re.MULTILINE)[1]
    root = (home / folder).resolve()
    models = YAML(typ="safe", pure=True).load(root / "params.yaml")["models"]
    assert all(model in printed for model in models)
    assert not project.run("git status --porcelain").stdout
    champion = json.loads((root / "metrics/champion.json").read_text())
    assert champion["champion"] in models and (root / "models/champion").is_dir()
