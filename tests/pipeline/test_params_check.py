"""`mlproj params check`: mistakes in params.yaml, and between it and the data, are found beforehand."""

import random
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from mlproj.core.checks import UserError
from mlproj.pipeline.parameters import find_parameter_mistakes, read_parameters
from mlproj.pipeline.params_check import MOST_REASONS, check_all, check_settings, count_reasons
from support import ROOT, Project

PARAMETERS = read_parameters(ROOT)


@pytest.fixture
def project(tmp_path) -> Project:
    "A folder with this project's settings, and no data."
    for name in ("params.yaml", "settings.ini"):
        shutil.copy(ROOT / name, tmp_path / name)
    return Project(tmp_path)


def check(project: Project, change: Callable[[dict], None]) -> list[str]: # mistakes
    project.params(change)
    found, _ = check_settings(project.root)
    return found.mistakes


def put(*keys: str, value: object) -> Callable[[dict], None]:
    "Make a change of the value that keys lead to."
    def change(params: dict) -> None:
        for key in keys[:-1]:
            params = params[key]
        params[keys[-1]] = value

    return change


WRONG = [
    (put("card", value="custmer_id"), "did you mean customer_id?"),
    (put("clusters", value=["customer_id", "termnal_id"]), "did you mean terminal_id?"),
    (put("prepare", "entities", value=["customer"]), "a name of prepare.entities in params.yaml is"),
    (put("prepare", "evaluation_only", value=["scenrio"]), "did you mean scenario?"),
    (put("prepare", "max_rejected", value=2), "prepare.max_rejected in params.yaml is 2: give a number"),
    (put("prepare", "types", value={"height": "number"}), "prepare.types in params.yaml names height"),
    (put("judge", "first_use", value=["card", "shop"]), "a name of judge.first_use in params.yaml is 'card'"),
    (put("judge", "false_positive_rates", value=[1.5]), "give a number of at least 0 and at most 1"),
    (put("judge", "tolerance", value=7), "judge.tolerance in params.yaml is 7: give a number"),
    (put("judge", "amount_bands", value=[50, 20]), "above 0, each larger than the number before it"),
    (put("judge", "amount_bands", value=[20, 20]), "judge.amount_bands in params.yaml is [20, 20]"),
    (put("models", "xgboost", "genuine_share", value=0), "give a number of at least 0.0001 and at most 1"),
    (put("prepare", "evaluation_only", value=["amount"]), "amount, which every table of transactions needs"),
    (put("prepare", "decimals", value={"amout": 2}), "did you mean amount?"),
    (put("prepare", "types", value={"timestamp": "secnds"}), "did you mean seconds?"),
    (put("prepare", "csv", value={"encodng": "cp1252"}), "did you mean encoding?"),
    (put("prepare", "timezone", value="Europe/Pariss"), "did you mean Europe/Paris?"),
    (put("model_card", "place", value="terminal"), "a name of model_card.place in params.yaml is 'terminal'"),
    (put("features", "inputs", value=["scenario"]), "a column of features in params.yaml is 'scenario'"),
    (put("inputs", "few", value=["amuont"]), "did you mean amount?"),
    (put("models", "tree", "parameters", value={"max_dept": 2}), "which it does not have"),
    (put("models", "tree", "parameters", value={"max_dept": 2}), "did you mean max_depth?"),
    (put("models", "tree", "parameters", "max_depth", value=0), "models.tree.parameters.max_depth in params"),
    (put("models", "xgboost", "parameters", "subsample", value=2), "is 2, which XGBClassifier does not take"),
    (put("models", "xgboost", "parameters", "n_estimators", value=0), "of at least 1"),
    (put("models", "logistic", "parameters", "solver", value="lbfg"), "models.logistic.parameters.solver"),
    (put("models", "rule", "parameters", value={"limits": {"amont": 1}}), "limits of a rule in params.yaml"),
    (
        put("models", "xgboost", "parameters", "monotone_constraints", value={"amuont": 1}),
        "an input of models.xgboost.parameters.monotone_constraints in params.yaml is 'amuont'",
    ),
    (put("tune", "model", value="rule"), "which is none of the models of XGBClassifier"),
    (put("tune", "rising", value=["hour"]), "a name of tune.rising in params.yaml is 'hour'"),
    (put("folds", "n_fold", value=3), "did you mean n_folds?"),
    (put("topk", value=3), "did you mean top_k?"),
]


@pytest.mark.parametrize(("change", "expected"), WRONG)
def test_a_wrong_setting_is_found(project, change, expected):
    mistakes = check(project, change)
    assert len(mistakes) == 1 and expected in mistakes[0]


def test_all_mistakes_are_listed(project):
    def change(params: dict) -> None:
        put("card", value="custmer_id")(params)
        put("tune", "model", value="rule")(params)
        put("inputs", "few", value=["amuont"])(params)

    assert len(check(project, change)) == 3


BROKEN = [ # how the text of params.yaml is changed, and what is said
    (lambda text: text + "seed: 3\nseed: 4\n", "has the key 'seed' for the second time"),
    (lambda text: text.replace("folds:\n  ", "folds:\n\t", 1), "has a tab where YAML takes blanks alone"),
    (lambda text: text + "some: 'text\n", "ends within quotes: close them"),
    (lambda text: text + "some: [1, 2\nmore: 3\n", "stands within brackets that are not closed"),
    (lambda text: text + "some: a: b\n", "has a colon too many"),
    (lambda text: text + "some: *thing\n", "names with * what no & has named before"),
    (lambda text: text + "some: \x07\n", "is no YAML"),
]
FOREIGN = ["http", "while ", "found ", "mapping", "instance of", "<", "NoneType", "dict", "neither"] # words


@pytest.mark.parametrize(("change", "expected"), BROKEN)
def test_broken_yaml_is_described_in_plain_words(project, change, expected):
    path = project.root / "params.yaml"
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError) as refused:
        check_settings(project.root)
    said = str(refused.value)
    assert said.startswith("params.yaml cannot be read: ") and expected in said
    assert not [word for word in FOREIGN if word in said], said


@pytest.mark.parametrize("value", ["some", 3.5, None, True, [None], {"some": None}])
def test_values_of_another_type_are_described_in_plain_words(value):
    tried = 0
    for path in values(PARAMETERS):
        params = deepcopy(PARAMETERS)
        put(*path, value=value)(params)
        for mistake in map(str, find_parameter_mistakes(params)):
            if "of another shape" in mistake:
                assert not [word for word in FOREIGN if word in mistake], mistake
                tried += 1
    assert tried > 25


def values(settings: object, path: tuple = ()) -> list[tuple]: # keys that lead to each value
    inner = settings.items() if isinstance(settings, dict) else []
    return [found for key, value in inner for found in [(*path, key), *values(value, (*path, key))]]


def test_a_value_of_no_type_that_a_setting_has_is_found_wherever_it_stands():
    "Each of the settings with a type of its own, replaced by a thing that no setting can be."
    typed = [
        path
        for path in values(PARAMETERS)
        if path[0] not in ("features", "tune") and "parameters" not in path and len(path) < 3
    ]
    assert len(typed) > 80
    for path in typed:
        params = deepcopy(PARAMETERS)
        put(*path, value=object())(params)
        mistakes = find_parameter_mistakes(params)
        assert mistakes and any(str(path[-1]) in str(mistake) for mistake in mistakes), path


def test_a_misspelt_key_is_answered_with_the_right_one():
    chance, tried = random.Random(0), 0
    for section in ("prepare", "judge", "explain", "model_card", "folds", "assumptions", "sequence"):
        for key in PARAMETERS[section]:
            if len(key) < 5:
                continue
            at = chance.randrange(1, len(key))
            params = deepcopy(PARAMETERS)
            params[section][key[:at] + key[at + 1 :]] = params[section].pop(key)
            words = " ".join(map(str, find_parameter_mistakes(params)))
            assert f"did you mean {key}?" in words and f"params.yaml lacks {section}.{key}" in words
            tried += 1
    assert tried > 25


def write_sales(folder: Path, days: int, every: int) -> Path:
    "Write a table of ten sales a day, from 2024-03-01 on, of which each `every`-th is a fraud."
    lines = ["transaction_id,timestamp,customer_id,terminal_id,amount,is_fraud,scenario"]
    for n in range(days * 10):
        moment = f"2024-{3 + n // 310:02}-{n // 10 % 31 + 1:02} {8 + n % 10:02}:00:00"
        lines.append(f"{n},{moment},c{n % 7},t{n % 5},{n % 90},{int(n % every == 0)},0")
    path = folder / "sales.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def plan(last_start: str) -> Callable[[dict], None]:
    folds = {"last_start": last_start, "n_folds": 1, "n_validation_folds": 0}
    return lambda params: params["folds"].update(folds)


def test_the_days_of_folds_are_compared_with_the_data(project):
    file = write_sales(project.root, days=31, every=9)
    project.params(plan("2024-03-05"))
    found = check_all(project.root, [file])
    assert found.mistakes == []
    assert found.remarks == [
        "the fold of 2024-03-05 is tested on 8 frauds, fewer than 30: "
        "whether a model is better than another, and most alarms, stay undecided"
    ]
    assert found.folds.to_dict("records") == [
        {
            "fold": "2024-03-05",
            "for": "test",
            "training rows": 70,
            "training frauds": 8,
            "rows to test": 70,
            "frauds to test": 8,
        }
    ]
    project.params(plan("2024-02-25"))
    assert "begin on 2024-02-25, and the data on 2024-03-01" in check_all(project.root, [file]).mistakes[0]
    project.params(plan("2024-03-15"))
    found = check_all(project.root, [file])
    assert "is tested until 2024-04-04, and the data end on 2024-03-31" in found.mistakes[0]


def test_a_fold_without_fraud_is_remarked(project):
    file = write_sales(project.root, days=31, every=300)
    project.params(plan("2024-03-05"))
    assert [remark.partition(":")[0] for remark in check_all(project.root, [file]).remarks] == [
        "the fold of 2024-03-05 trains on no fraud",
        "the fold of 2024-03-05 is tested on no fraud",
    ]


def test_the_files_are_read_as_prepare_reads_them(project):
    file = write_sales(project.root, days=31, every=9)
    project.params(plan("2024-03-05"))
    file.write_text(file.read_text().replace("customer_id", "customer", 1))
    assert "sales.csv has no column 'customer_id'" in check_all(project.root, [file]).mistakes[0]
    assert "there is no file" in check_all(project.root, [project.root / "absent.csv"]).mistakes[0]


REJECTED = { # a broken row's amount, and how many of each kind there are, of how many frauds
    "1.5": ("amount: not a whole number", 6, 3),
    "": ("amount: missing", 9, 0),
    "-7": ("amount: negative, set aside as a refund", 4, 4),
}


def test_rejected_rows_are_counted_by_reason_with_their_frauds(project):
    file = write_sales(project.root, days=31, every=9)
    lines = file.read_text().splitlines()
    for amount, (_, n_rows, n_frauds) in REJECTED.items():
        for n in range(n_rows):
            lines.append(f"{len(lines) + 9000},2024-03-04,c1,t1,{amount},{int(n < n_frauds)},0")
    lines.append("8999,2024-03-04,c1,t1,5,who knows,0")
    file.write_text("\n".join(lines) + "\n")
    project.params(plan("2024-03-05"))
    found = check_all(project.root, [file])
    assert "16 of 330 rows" in found.mistakes[0]
    counted = found.rejected.set_index("rejected for")
    for reason, n_rows, n_frauds in REJECTED.values():
        line = counted.loc[reason]
        assert (line["rows"], line["frauds"]) == (n_rows, n_frauds)
        assert line["share of frauds"] == pytest.approx(n_frauds / n_rows)
    unread = counted.loc["is_fraud: neither 0 nor 1, but who knows"]
    assert (unread["rows"], unread["with a label"]) == (1, 0)
    assert "7 of the 42 frauds (16.7%) are lost in rejected rows" in found.remarks
    shown = found.tables()[0].splitlines()
    assert [line.split()[-1] for line in shown[1:]] == ["0.0%", "50.0%", "100.0%", "unknown"]


def test_many_reasons_are_put_together():
    reasons = [f"reason {n:02}" for n in range(40) for _ in range(n + 1)]
    counted = count_reasons(pa.table({"reason": reasons, "is_fraud": pa.array([1] * len(reasons), "int64")}))
    assert len(counted) == MOST_REASONS and counted.rows.sum() == counted.frauds.sum() == len(reasons)
    assert counted["rejected for"].iloc[[0, -1]].tolist() == ["reason 39", "21 other reasons"]


PLACES = { # of parts of one table, in which a card has a folder; what is named, where it is not the parts
    "files of one name": ("p1/card=c1/x.csv p2/card=c2/x.csv", ""),
    "files of one path": ("p/a/card=c1/x.csv q/a/card=c1/x.csv", ""),
    "files aside": ("_p/card=c1/x.csv .q/card=c1/x.csv", ""),
    "a folder": ("p/card=c1/x.csv p/card=c2/x.csv p/_SUCCESS", "p"),
    "a folder of a value": ("p/card=c1/x.csv p/card=c1/y.csv", "p/card=c1"),
    "a folder aside": ("_p/card=c1/x.csv", "_p"),
    "this folder": ("card=c1/x.csv card=c2/x.csv", "."),
    "a file and a folder": ("x/card=c1/x.csv y/card=c1/x.csv", "x/card=c1/x.csv y"),
}


def write_parts(folder: Path, names: list[str]) -> None:
    "Write ten sales a day to the files in turn. Folders name the cards."
    lines = write_sales(folder, days=31, every=9).read_text().splitlines()
    (folder / "sales.csv").unlink()
    tables = [name for name in names if name.endswith(".csv")]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        rows = lines[1 + tables.index(name) :: len(tables)] if name in tables else []
        header = lines[0].replace("customer_id", "nobody")
        (folder / name).write_text("\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize("way", PLACES)
def test_files_are_read_with_the_columns_of_their_folders(project, monkeypatch, way):
    folder = project.root / "files"
    folder.mkdir()
    names, given = map(str.split, PLACES[way])
    write_parts(folder, names)
    given = given or names
    project.params(plan("2024-03-05"))
    project.params(put("prepare", "columns", "customer_id", value="card"))
    monkeypatch.chdir(folder)
    found = check_all(project.root, [Path(name) for name in given])
    assert found.mistakes == [] and "310 transactions" in found.summary
    project.params(put("prepare", "columns", "customer_id", value="customer"))
    (mistake,) = check_all(project.root, [Path(name) for name in given]).mistakes
    assert "x.csv has no column 'customer'" in mistake and "tmp" not in mistake


def test_times_of_long_ago_are_remarked(project):
    file = write_sales(project.root, days=31, every=9)
    file.write_text(file.read_text().replace(",2024-03", ",1970-03"))
    project.params(plan("1970-03-05"))
    remark, _ = check_all(project.root, [file]).remarks
    assert remark.startswith("All times lie before 1990, the last on 1970-03-31: ")


def test_a_folder_without_files_is_named_as_it_was_given(project, tmp_path):
    (tmp_path / "empty").mkdir()
    (mistake,) = check_all(project.root, [tmp_path / "empty"]).mistakes
    assert mistake.startswith("there are no transactions in empty/: ")
    file = write_sales(project.root, days=31, every=9)
    (mistake,) = check_all(project.root, [file, file]).mistakes
    assert mistake == "sales.csv is named twice: name each file once"


def test_the_command_prints_each_mistake_in_a_line(project):
    done = project.here("mlproj params check")
    assert "params.yaml fits: " in done.stdout and "no transactions were looked at" in done.stdout
    project.params(put("card", value="custmer_id"))
    project.params(put("tune", "model", value="rule"))
    done = project.here("mlproj params check", fails=True)
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and all(line.startswith("mlproj: ") for line in lines)


def test_this_projects_settings_fit(project):
    assert YAML(typ="safe", pure=True).load(project.root / "params.yaml")["models"]
    assert check_settings(project.root)[0].mistakes == []
