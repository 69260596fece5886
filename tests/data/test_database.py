"""A real PostgreSQL, started here, and a real DuckDB file: both give transactions and take predictions."""

import glob
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from mlproj.core.tables import read_lineage
from mlproj.data.database import take_snapshot
from mlproj.data.versions import read_record
from support import ROOT, Project

pytestmark = pytest.mark.slow  # each asks a server, by a command
PASSWORD = "s3cret/@:word"
ENCODED = "s3cret%2F%40%3Aword"


def find_postgres() -> Path | None:
    "Find the folder of PostgreSQL's programs; of several, the newest."
    on_path = shutil.which("initdb")
    folders = sorted(
        glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: float(Path(path).parts[-3])
    )
    program = folders[-1] if folders else on_path
    return Path(program).resolve().parent if program else None


def server_user() -> dict: # options for a process of the server, which refuses to run as root
    if os.geteuid():
        return {}
    names = {user.pw_name: user for user in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]: # the address of an empty database
    "A PostgreSQL server of its own, on a Unix socket, that asks for a password."
    programs = find_postgres()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: the DuckDB file is tested all the same")
    folder, runs_as = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp")), server_user()
    (folder / "password").write_text(PASSWORD)
    if runs_as:
        for path in (folder, folder / "password"):
            os.chown(path, runs_as["user"], runs_as["group"])

    def do(*command) -> None:
        done = subprocess.run(
            command,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            **runs_as,
        )
        assert done.returncode == 0, done.stderr

    who = ["--username=owner", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256"]
    do(programs / "initdb", "--no-sync", "--locale=C", "--encoding=UTF8", *who, folder / "cluster")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    do(programs / "pg_ctl", "start", "-w", "-D", folder / "cluster", "-l", folder / "log", "-o", options)
    try:
        yield f"postgresql://owner:{ENCODED}@/postgres?host={folder}"
    finally:
        do(programs / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", folder / "cluster")
        shutil.rmtree(folder)


Execute = Callable[[str], list[tuple]]


@pytest.fixture(params=[pytest.param("duckdb", marks=pytest.mark.long), "postgres"])
def database(request, tmp_path, monkeypatch) -> Execute:
    "A database that the commands use, and a way to run a statement in it."
    if request.param == "duckdb":
        address = str(tmp_path / "bank.duckdb")
        duckdb.connect(address).close()
    else:
        address = request.getfixturevalue("postgres")
    monkeypatch.setenv("MLPROJ_DATABASE_ADDRESS", address)

    def execute(statement: str) -> list[tuple]:
        if request.param == "duckdb":
            with duckdb.connect(address) as connection:
                return connection.execute(statement).fetchall()
        return in_postgres(address, statement)

    execute("DROP SCHEMA IF EXISTS shop CASCADE")
    execute("CREATE SCHEMA shop")
    return execute


def in_postgres(address: str, statement: str) -> list[tuple]:
    import psycopg

    with psycopg.connect(address) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def fill(execute: Execute, project: Project) -> pd.DataFrame:
    "Put the project's transactions into a table with names of its own, in an order of its own."
    rows = pd.read_parquet(project.root / "prepared/transactions.parquet")
    rows = rows.sort_values("transaction_id", ascending=False)[:3_000]
    execute("""
        CREATE TABLE shop.purchases (number BIGINT, made_at TIMESTAMPTZ, card BIGINT, shop_name VARCHAR,
            price NUMERIC(12, 2), fraud BOOLEAN)
    """)
    values = [
        f"({row.transaction_id}, '{row.timestamp}', {row.customer_id}, 'shop {row.terminal_id}', "
        f"{row.amount / 100}, {row.is_fraud == 1})"
        for row in rows.itertuples()
    ]
    execute(f"INSERT INTO shop.purchases VALUES {', '.join(values)}")
    return rows.sort_values(["timestamp", "transaction_id"], ignore_index=True)


QUERY = (
    "SELECT number, made_at, card, shop_name, CAST(price * 100 AS BIGINT) AS cents, fraud FROM shop.purchases"
)


def describe(params: dict) -> None:
    "Describe the table in params.yaml."
    columns = {
        "transaction_id": "number",
        "timestamp": "made_at",
        "customer_id": "card",
        "terminal_id": "shop_name",
    }
    params["prepare"].update(
        columns=columns | {"amount": "cents", "is_fraud": "fraud"}, attributes={}, evaluation_only=[]
    )


def assert_prepared(project: Project, rows: pd.DataFrame, version: str) -> None:
    "Check that the prepared transactions are the rows of the table, and name their version."
    path = project.root / "prepared/transactions.parquet"
    prepared = pd.read_parquet(path)
    for name in ("transaction_id", "timestamp", "customer_id", "amount", "is_fraud"):
        assert (prepared[name] == rows[name]).all(), name
    assert (prepared.terminal_id == "shop " + rows.terminal_id.astype("str")).all()
    assert read_lineage(path)["data_version"] == version


def message(done) -> str:
    "Read the one sentence on stderr, and check that it holds no password."
    shown = done.stderr + done.stdout
    assert "Traceback" not in shown and PASSWORD not in shown and ENCODED not in shown
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("mlproj: ")]
    return line


def test_a_query_becomes_a_version_of_the_data(project, database):
    rows = fill(database, project)
    project.run("rm -rf data data.dvc")
    project.params(describe)
    project.run(f'mlproj data add --query "{QUERY}"')
    version = read_record(project.root).version
    project.run("dvc repro prepare")
    assert_prepared(project, rows, version)
    assert (
        "already: the database gave the same rows"
        in project.here(f'mlproj data add --query "{QUERY}"').stdout
    )


def test_prepare_reads_a_query_and_names_the_rows_that_came(project, database):
    rows = fill(database, project)
    project.params(describe)
    project.params(lambda params: params["prepare"].update(query=QUERY))
    project.run("dvc repro prepare")
    version = shown_version(project)
    assert version.endswith(".rows") and version != read_record(project.root).version
    assert_prepared(project, rows, version)
    lock = (project.root / "dvc.lock").read_text()

    last = rows.transaction_id.max()
    database(f"CREATE TABLE shop.kept AS SELECT * FROM shop.purchases WHERE number = {last}")
    database(f"DELETE FROM shop.purchases WHERE number = {last}")
    database("INSERT INTO shop.purchases SELECT * FROM shop.kept") # the same rows in another order
    project.run("dvc repro --force --single-item prepare")
    assert (project.root / "dvc.lock").read_text() == lock

    database(f"DELETE FROM shop.purchases WHERE number = {last}")
    project.run("dvc repro --force --single-item prepare")
    assert_prepared(project, rows[rows.transaction_id != last].reset_index(drop=True), shown_version(project))
    assert shown_version(project) != version
    for path in ("params.yaml", "dvc.lock", "reports/prepare.ipynb"):
        assert (
            PASSWORD not in (project.root / path).read_text()
            and ENCODED not in (project.root / path).read_text()
        )


def shown_version(project: Project) -> str:
    "Read the data version of the prepared file, and check that the report shows it."
    version = read_lineage(project.root / "prepared/transactions.parquet")["data_version"]
    assert version in (project.root / "reports/prepare.ipynb").read_text()
    return version


def test_predictions_go_into_a_table(project, database):
    predictions = {
        name: pd.read_parquet(project.root / f"predictions/backtest/{name}.parquet")
        for name in ("logistic", "tree_depth_2")
    }
    for name in ("logistic", "tree_depth_2", "logistic"):
        done = project.here(f"mlproj write-back {name} --table shop.scored")
        assert f"shop.scored holds {len(predictions[name]):,} predictions of {name}" in done.stdout
    counts = dict(database("SELECT model, count(*) FROM shop.scored GROUP BY model"))
    assert counts == {name: len(rows) for name, rows in predictions.items()}
    columns = "transaction_id, EXTRACT(EPOCH FROM timestamp), fold, score, data_version"
    stored = database(f"SELECT {columns} FROM shop.scored WHERE model = 'logistic' ORDER BY transaction_id")
    expected = predictions["logistic"].sort_values("transaction_id")
    assert [(number, float(seconds), *rest) for number, seconds, *rest in stored] == [
        (row.transaction_id, row.timestamp.timestamp(), row.fold, row.score, row.data_version)
        for row in expected.itertuples()
    ]

    database("UPDATE shop.scored SET data_version = 'older.dir' WHERE model = 'logistic'")
    project.here("mlproj write-back logistic --table shop.scored")
    assert (
        database("SELECT count(*) FROM shop.scored")[0][0] == 2 * counts["logistic"] + counts["tree_depth_2"]
    )


def test_a_failure_leaves_the_table_as_it_was(project, database):
    database("""
        CREATE TABLE shop.strict (transaction_id BIGINT CHECK (transaction_id < 0), timestamp TIMESTAMPTZ,
            fold TEXT, score DOUBLE PRECISION, model TEXT, data_version TEXT)
    """)
    row = f"-1, '2018-08-08 00:00:00Z', '2018-07-25', 0.5, 'logistic', '{read_record(project.root).version}'"
    database(f"INSERT INTO shop.strict VALUES ({row})")
    refusal = message(project.here("mlproj write-back logistic --table shop.strict", fails=True))
    assert "did not take the predictions, and shop.strict is as it was" in refusal
    assert database("SELECT transaction_id, score FROM shop.strict") == [(-1, 0.5)]


def test_a_table_of_someone_else_is_left_alone(project, database):
    database("CREATE TABLE shop.mine AS SELECT 1 AS a, 'x' AS model")
    refusal = message(project.here("mlproj write-back logistic --table shop.mine", fails=True))
    assert "shop.mine is not one of predictions, for it has the columns a, model" in refusal
    assert database("SELECT * FROM shop.mine") == [(1, "x")]


def test_what_the_database_cannot_answer(project, database):
    for query, expected in {
        "shop.sales": "no answer to 'shop.sales': there is no table shop.sales",
        "SELECT * FROM shop.sales": "no answer to 'SELECT * FROM shop.sales': ",
        "SELEKT 1": "syntax error",
        "DROP SCHEMA shop": "syntax error",
        "SELECT 1; DROP SCHEMA shop": "it is more than one statement",
        "SELECT 1 WHERE FALSE": "has no rows",
    }.items():
        assert expected in message(project.here(f'mlproj data add --query "{query}"', fails=True))
    assert "no predictions of oak" in message(
        project.here("mlproj write-back oak --table shop.scored", fails=True)
    )
    assert project.run("git status --porcelain data.dvc").stdout == ""


def test_kinds_of_columns_that_only_databases_have(postgres, monkeypatch, tmp_path):
    monkeypatch.setenv("MLPROJ_DATABASE_ADDRESS", postgres)
    columns = "'8a1bf0a7-6e0c-4a7e-9d0f-0d7c1e1c1a11'::uuid AS id, '10.0.0.1'::inet AS place, "
    columns += "12.34::numeric(10, 2) AS price"
    more = "'{\"a\": 1}'::jsonb AS more, TIMESTAMP '2018-07-01 10:00' AS morning, NULL::int AS nothing"
    take_snapshot(f"SELECT {columns}, {more}", tmp_path / "row.parquet")
    row = pd.read_parquet(tmp_path / "row.parquet").iloc[0]
    assert (row.id, row.place, str(row.price), row.more) == (
        "8a1bf0a7-6e0c-4a7e-9d0f-0d7c1e1c1a11",
        "10.0.0.1/32",
        "12.34",
        '{"a": 1}',
    )
    assert row.morning == pd.Timestamp("2018-07-01 10:00") and pd.isna(row.nothing)


@pytest.mark.long
def test_tables_of_spark_with_hive(tmp_path, monkeypatch):
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    places = {"spark.sql.warehouse.dir": tmp_path / "warehouse", "spark.ui.enabled": "false"}
    places["spark.hadoop.javax.jdo.option.ConnectionURL"] = (
        f"jdbc:derby:;databaseName={tmp_path / 'metastore'};create=true"
    )
    places["spark.driver.extraJavaOptions"] = f"-Dderby.stream.error.file={tmp_path / 'derby.log'}"
    (tmp_path / "spark-defaults.conf").write_text(
        "".join(f"{key} {value}\n" for key, value in places.items())
    )
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("MLPROJ_DATABASE_ADDRESS", "spark")
    monkeypatch.setenv("MLPROJ_ENGINE_SPARK_MASTER", "local[1]")
    code = f"""
from pathlib import Path
from mlproj.data.database import connect_database, take_snapshot
spark = connect_database()
spark.raw_sql("CREATE DATABASE shop")
rows = "SELECT id AS number, id * 100 AS cents FROM range(20)"
spark.raw_sql("CREATE TABLE shop.purchases STORED AS PARQUET AS " + rows)
spark.disconnect()
take_snapshot("shop.purchases", Path("{tmp_path}/table.parquet"))
take_snapshot("SELECT * FROM shop.purchases ORDER BY number DESC", Path("{tmp_path}/query.parquet"))
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert pd.read_parquet(tmp_path / "table.parquet").cents.tolist() == list(range(0, 2_000, 100))
    assert (tmp_path / "table.parquet").read_bytes() == (tmp_path / "query.parquet").read_bytes()


def test_a_server_that_cannot_be_used(project, postgres, monkeypatch):
    for change, expected in {
        (ENCODED, "wr0ng"): "password authentication failed",
        ("/postgres?", "/absent?"): 'database "absent" does not exist',
        ("host=/tmp", "host=/nowhere"): "cannot be reached",
        (
            f"owner:{ENCODED}@/postgres?host=/tmp",
            f"owner:{ENCODED}@127.0.0.1:1/postgres?application_name=",
        ): "Connection refused",
        (ENCODED, PASSWORD): "cannot be understood",
    }.items():
        monkeypatch.setenv("MLPROJ_DATABASE_ADDRESS", postgres.replace(*change))
        refusal = message(project.here("mlproj data add --query transactions", fails=True))
        assert expected in refusal and "wr0ng" not in refusal and "s3cret" not in refusal


def test_a_missing_driver_and_no_database_at_all(project, tmp_path, monkeypatch):
    (tmp_path / "psycopg.py").write_text("raise ImportError('no module')")
    (tmp_path / "pyspark.py").write_text("raise ImportError('no module')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for address, expected in {
        "postgresql://me@localhost/shop": "its driver is not installed",
        "spark": "PySpark is not installed",
        "": "no database is named",
        "absent.duckdb": "names the file absent.duckdb, which does not exist",
    }.items():
        monkeypatch.setenv("MLPROJ_DATABASE_ADDRESS", address)
        assert expected in message(project.run("mlproj data add --query transactions", fails=True))
