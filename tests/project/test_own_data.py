"""Files of other shapes go through the pipeline by params.yaml alone, as `mlproj data inspect` proposes."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from support import Project, message

pytestmark = pytest.mark.long  # whole commands and stages on small files
N_DAYS = 42


def draw(
    n: int,
) -> dict[str, np.ndarray]: # seconds from the start, cents, cards, merchants, frauds; in order of time
    "Draw the values that every file writes in its own way."
    random = np.random.default_rng(0)
    drawn = {
        "second": np.sort(random.integers(0, N_DAYS * 86_400, n)),
        "cents": random.integers(50, 30_000, n),
        "card": random.integers(0, 60, n),
        "merchant": random.integers(0, 25, n),
    }
    drawn["fraud"] = (drawn["cents"] > 27_000) | (random.random(n) < 0.01)
    return drawn


def write_shop(folder: Path) -> tuple[Path, pd.DataFrame]: # the file; what prepare should make of it
    """Write a gzipped CSV with semicolons: ids of text, local times, decimal amounts.

    One of its columns is unusable, and one tells the answer. Some times are in an hour that the clock skips.
    """
    drawn, zone, start = draw(2000), ZoneInfo("Europe/Paris"), datetime(2024, 3, 1)
    local = [start + timedelta(seconds=int(second)) for second in drawn["second"]]
    lines = ["Reference;Booked At;Card No;Merchant;Amount;Channel;Version;Is Fraud;Case"]
    for n, time in enumerate(local):
        fraud = drawn["fraud"][n]
        values = [
            f"T-{n:05}",
            time.isoformat(),
            f"{drawn['card'][n]:04}",
            f"M{drawn['merchant'][n]}",
            f"{drawn['cents'][n] / 100:.2f}",
            "web" if n % 3 else "shop",
            "2",
            "fraud" if fraud else "genuine",
            f"case {n}" if fraud else "",
        ]
        lines.append(";".join(values))
    path = folder / "shop.csv.gz"
    path.write_bytes(gzip.compress("\n".join([lines[0], *reversed(lines[1:])]).encode() + b"\n", mtime=0))
    expected = {
        "original": [f"T-{n:05}" for n in range(len(local))],
        "timestamp": pd.to_datetime([time.replace(tzinfo=zone) for time in local], utc=True),
        "amount": drawn["cents"],
        "card_no": [f"{card:04}" for card in drawn["card"]],
        "merchant": [f"M{merchant}" for merchant in drawn["merchant"]],
        "is_fraud": drawn["fraud"].astype(int),
    }
    return path, pd.DataFrame(expected)[[is_shown(time, zone) for time in local]]


def is_shown(time: datetime, zone: ZoneInfo) -> bool: # on a clock of that zone
    return time.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == time


def write_devices(folder: Path) -> tuple[Path, pd.DataFrame]:
    "Write JSON lines: milliseconds, a device, words as labels, and no labels for the latest week."
    drawn, start = draw(1500), 1_714_521_600
    lines = []
    for n, second in enumerate(drawn["second"]):
        label = None if second >= (N_DAYS - 7) * 86_400 else "yes" if drawn["fraud"][n] else "no"
        line = {"tx_id": 10 + n, "ts": int(start + second) * 1000 + 7, "device": f"d{drawn['card'][n]}"}
        lines.append(line | {"value": drawn["cents"][n] / 100, "age": 20 + n % 50, "fraud": label})
    path = folder / "devices.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    expected = {
        "transaction_id": [line["tx_id"] for line in lines],
        "timestamp": pd.to_datetime([line["ts"] for line in lines], unit="ms", utc=True),
        "amount": drawn["cents"],
        "device": [line["device"] for line in lines],
        "age": [line["age"] for line in lines],
        "is_fraud": [{"yes": 1, "no": 0, None: None}[line["fraud"]] for line in lines],
    }
    return path, pd.DataFrame(expected)


def write_anonymous(folder: Path) -> tuple[Path, pd.DataFrame]:
    "Write Parquet: anonymous numbers, seconds from an unknown start, float amounts, and no entity."
    drawn = draw(1500)
    components = {f"V{n}": np.random.default_rng(n).normal(size=1500).round(6) for n in range(1, 6)}
    components["V3"] = components["V3"] + 2 * drawn["fraud"]
    columns = {
        "Time": drawn["second"].astype(float),
        **components,
        "Amount": drawn["cents"] / 100,
        "Class": drawn["fraud"].astype("int64"),
    }
    path = folder / "anonymous.parquet"
    pq.write_table(pa.table(columns), path)
    expected = {
        "transaction_id": range(1500),
        "timestamp": pd.to_datetime(drawn["second"], unit="s", utc=True),
        "amount": drawn["cents"],
        **{name.lower(): values for name, values in components.items()},
        "is_fraud": drawn["fraud"].astype(int),
    }
    return path, pd.DataFrame(expected)


WRITERS = {"shop": write_shop, "devices": write_devices, "anonymous": write_anonymous}


def paste(project: Project, proposal: str, sections: tuple[str, ...]) -> None:
    "Put a proposal's sections into params.yaml: sections of stages line by line, the others as wholes."
    proposed = YAML(typ="safe", pure=True).load(proposal)

    def change(params: dict) -> None:
        for section in sections:
            if section in ("assumptions", "compare", "judge", "explain", "audit", "model_card"):
                params[section].update(proposed[section])
            else:
                params[section] = proposed[section]

    project.params(change)


@pytest.fixture
def empty(project) -> Project:
    "A project without any data."
    project.run("rm -rf data data.dvc dvc.lock")
    return project


def bring_in(
    project: Project, write: Callable, sections: tuple[str, ...]
) -> pd.DataFrame: # what prepare should make of it
    "Propose settings for a strange file, and prepare the file with them."
    path, expected = write(project.root)
    proposal = project.run(f"mlproj data inspect {path.name}").stdout
    assert project.run(f"mlproj data inspect {path.name}").stdout == proposal
    project.run(f"mlproj data add {path.name}")
    paste(project, proposal, sections)
    if write is write_shop:
        project.params(lambda params: params["prepare"].update(timezone="Europe/Paris"))
    return expected


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_prepare_makes_of_a_strange_file_what_was_written(empty, name):
    expected = bring_in(empty, WRITERS[name], ("prepare",))
    empty.run("mlproj run prepare")
    prepared = pd.read_parquet(empty.root / "prepared/transactions.parquet")
    ids = empty.root / "prepared/ids.parquet"
    assert ids.exists() == ("original" in expected)
    if ids.exists():
        prepared = prepared.merge(pd.read_parquet(ids), on="transaction_id")
        assert prepared.transaction_id.tolist() == list(range(len(prepared)))
    expected = expected.sort_values(["timestamp", expected.columns[0]], ignore_index=True)
    assert len(prepared) == len(expected)
    for column in expected:
        assert prepared[column].astype("object").where(prepared[column].notna(), None).tolist() == (
            expected[column].astype("object").where(expected[column].notna(), None).tolist()
        ), column
    summary = json.loads((empty.root / "metrics/prepare.json").read_text())
    skipped = "timestamp: the clock of Europe/Paris skips this hour"
    n_skipped = summary["rows"] - len(expected)
    assert summary["rejected_by_reason"] == ({skipped: n_skipped} if name == "shop" else {})


def test_what_is_proposed_says_what_is_wrong(empty):
    write_shop(empty.root)
    printed = empty.run("mlproj data inspect shop.csv.gz").stdout
    proposed = YAML(typ="safe", pure=True).load(printed)
    assert proposed["prepare"]["evaluation_only"] == ["case"]
    assert proposed["features"]["inputs"] == ["channel"]
    merchants = [line for line in proposed["features"]["windows"] if line["entity"] == "merchant"]
    assert [line["lag"] for line in merchants] == ["7d"]
    assert proposed["card"] == "card_no"
    assert '"Version", for it has one value' in printed
    assert "is timezone right?" in printed


def test_no_entity_and_no_real_dates(empty):
    write_anonymous(empty.root)
    proposed = YAML(typ="safe", pure=True).load(empty.run("mlproj data inspect anonymous.parquet").stdout)
    assert (proposed["prepare"]["entities"], proposed["features"]["windows"]) == ([], [])
    assert (proposed["card"], proposed["features"]["calendar"]) == (None, [])
    assert "transaction_id" not in proposed["prepare"]["columns"]


SECTIONS = (
    *("label_delay_days", "card", "clusters", "top_k", "folds", "assumptions", "inputs", "models"),
    *("prepare", "features", "compare", "judge", "explain", "audit", "model_card"),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_from_a_strange_file_to_a_comparison(empty, name):
    bring_in(empty, WRITERS[name], SECTIONS)
    empty.run("dvc repro")
    assert "logistic" in empty.run("mlproj report").stdout
    empty.run("mlproj explore 10_brief 20_data 30_fraud 40_hypotheses")


def test_a_changed_table_of_attributes_runs_prepare_again(project):
    assert "Running stage" not in project.run("dvc repro prepare").stdout
    customers = pd.read_parquet(project.root / "data/attributes/customers.parquet")
    customers[["customer_id", "x", "y"]].assign(since="2018-07-01").to_csv(
        project.root / "moved.csv", index=False
    )
    project.run("mlproj data add --attributes moved.csv")
    assert "Running stage 'prepare'" in project.run("dvc repro prepare").stdout
    before = pq.read_table(project.root / "prepared/attributes/customer_id.parquet")
    assert before["known_from"].null_count == len(before) == len(customers)

    table = {
        "file": "moved.csv",
        "columns": {"customer_id": "customer_id", "x": "x"},
        "known_from": "since",
        "types": {"x": "number"},
    }
    project.params(lambda params: params["prepare"]["attributes"].update(customer_id=table))
    assert "Running stage 'prepare'" in project.run("dvc repro prepare").stdout
    attributes = pq.read_table(project.root / "prepared/attributes/customer_id.parquet")
    assert attributes.column_names == ["customer_id", "known_from", "x"]
    assert (
        attributes["known_from"].null_count == 0
        and attributes["x"].to_pylist() == customers.sort_values("customer_id").x.tolist()
    )

    (project.root / "data/attributes/moved.csv").write_text("customer_id,since,x\n")
    assert "data/ is not what data.dvc names" in message(project.run("dvc repro prepare", fails=True))


def test_data_without_attributes_run_once(empty):
    bring_in(empty, write_devices, ("prepare",))
    assert "Running stage 'prepare'" in empty.run("dvc repro prepare").stdout
    assert "Running stage" not in empty.run("dvc repro prepare").stdout
    empty.run("rmdir data/attributes")
    assert "Running stage 'prepare'" not in empty.run("dvc repro prepare").stdout


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"types": {"timestamp": "weeks"}},
            "has 'weeks' for timestamp: it is one of days, hours, minutes, seconds",
        ),
        ({"types": {}}, "rows break the contract"),
        ({"types": {"height": "number"}}, "prepare.types in params.yaml names height"),
        ({"decimals": {"amount": -1}}, "prepare.decimals in params.yaml has -1 for amount"),
        ({"decimals": {}}, "most often: amount: not a whole number"),
        ({"timezone": "Mars"}, "names 'Mars', which is no time zone"),
        ({"labels": {}}, "most often: is_fraud: neither 0 nor 1"),
        ({"labels": {"yes": 3}}, "has 3 for yes: it is 1, 0 or null"),
        ({"entities": ["card"]}, "prepare.entities in params.yaml names card"),
        (
            {"attributes": {"device": {"file": "d.csv", "columns": {"device": "d", "os": "os"}}}},
            "names d.csv for device",
        ),
        (
            {"attributes": {"card": {"file": "d.csv", "columns": {}}}},
            "names card, which prepare.entities does not have",
        ),
        ({"attributes": {"device": {"file": "d.csv"}}}, "must say file and columns"),
    ],
)
def test_a_wrong_setting_is_one_sentence(empty, change, expected):
    bring_in(empty, write_devices, ("prepare",))
    empty.params(lambda params: params["prepare"].update(change))
    assert expected in message(empty.run("mlproj run prepare", fails=True))


def test_a_file_that_inspect_cannot_use_is_one_sentence(empty):
    for name, content, expected in (
        ("absent.csv", None, "there is no file absent.csv"),
        ("notes.txt", b"hello", "notes.txt is of a kind that cannot be read"),
        ("empty.csv", b"", "its first line does not name its columns"),
        ("header.csv", b"time,amount,fraud\n", "header.csv has no rows"),
        ("broken.csv.gz", b"no gzip", "broken.csv.gz cannot be read"),
        ("cut.jsonl", b'{"a": 1}\n{"a"', "cut.jsonl cannot be read"),
        ("list.jsonl", b'[{"a": 1}]', "each of its lines must be a JSON object"),
        ("broken.parquet", b"PAR1", "broken.parquet cannot be read"),
        ("latin.csv", "näme\né\n".encode("latin1"), "latin.csv cannot be read"),
        ("words.csv", b"time,amount,fraud\nnow,much,maybe\n", "no column that looks like the time"),
    ):
        if content is not None:
            (empty.root / name).write_bytes(content)
        assert expected in message(empty.run(f"mlproj data inspect {name}", fails=True)), name
