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
from xgboost import XGBClassifier

from mlproj.core.columns import NEVER_MODEL_INPUTS
from mlproj.core.engine import connect
from mlproj.data.readers import FILE_KINDS, KINDS, read_file
from mlproj.evaluation.bootstrap import bootstrap, paired_differences
from mlproj.evaluation.splits import card_column, make_folds, train_rows
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


def raw_columns(rows: pd.DataFrame) -> pd.DataFrame:
    "Take the columns as the file has them: text as categories, the time as seconds; no label, no id."
    made = [name for name in rows if re.search("_[xyz]$", name)]  # by prepare, of coordinates
    raw = rows.drop(columns=[*made, *NEVER_MODEL_INPUTS & set(rows)])
    raw["second"] = (rows.timestamp - rows.timestamp.min()) / pd.Timedelta(seconds=1)
    return raw.astype(dict.fromkeys(raw.select_dtypes(["object", "string"]), "category"))


def champion_beside_plain(root: Path) -> pd.DataFrame:  # of the folds of test
    """Score the champion's test rows by a plain XGBoost too.

    The plain model has the defaults of XGBoost, and the raw columns. It is trained in each fold on the
    same rows as the champion.
    """
    params = YAML(typ="safe", pure=True).load(root / "params.yaml")
    champion = json.loads((root / "metrics/champion.json").read_text())["champion"]
    rows = pd.read_parquet(root / "prepared/transactions.parquet")
    history = params["models"][champion].get("history_days")
    scored = pd.read_parquet(root / f"predictions/backtest/{champion}.parquet").set_index("transaction_id")
    raw, parts = raw_columns(rows), []
    for fold in make_folds(params["folds"], params["label_delay_days"]).test:
        trained = train_rows(rows, fold, history) & rows.is_fraud.notna()
        plain = XGBClassifier(random_state=0, enable_categorical=True)
        plain.fit(raw[trained], rows.is_fraud[trained].astype(int))
        of_fold = scored.score[scored.fold == fold.name].rename("champion")
        tested = rows[rows.is_fraud.notna()].join(of_fold, on="transaction_id", how="inner")
        score = plain.predict_proba(raw.loc[tested.index])[:, 1]
        parts.append(tested.assign(fold=fold.name, plain=score))
    tested = pd.concat(parts, ignore_index=True).astype({"is_fraud": int})
    card = card_column(params["card"], root / "prepared/transactions.parquet")
    return tested.assign(card=tested[card], day=tested.timestamp.dt.floor("D"))


def compare_with_plain(root: Path) -> pd.Series:  # average precision: champion, plain, difference, low, high
    "Compare the champion with the plain model, on the same draws of what the rows are clustered by."
    params = YAML(typ="safe", pure=True).load(root / "params.yaml")
    tested = champion_beside_plain(root)
    clusters = params["clusters"] or ["transaction_id"]
    draws = bootstrap(tested, tested[["champion", "plain"]], clusters, params["top_k"], n_draws=200)
    draws = draws.xs("average_precision", axis="columns", level="metric")
    difference = paired_differences(draws, "champion").loc["plain"]
    return pd.concat([draws.iloc[0], difference]).round(4)


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
    if walk != "a database":  # that world has too few frauds for an interval
        precision = compare_with_plain(root)
        print(precision.to_string())
        assert precision.low > 0, precision.to_string()
