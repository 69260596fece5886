"""A real Spark cluster, a master and a worker as processes, agrees with DuckDB to the last bit."""

import hashlib
import os
import random
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from test_parity import CHOICES, assert_equal, by_batch, serve

import mlproj.features.aggregates
import mlproj.features.batch
from mlproj.core.engine import connect_backend

pyspark = pytest.importorskip("pyspark", reason="PySpark is not installed: `make spark`")
pytestmark = [
    pytest.mark.slow(70),
    pytest.mark.skipif(
        shutil.which("java") is None, reason="Java is not installed, so Spark cannot be tried"
    ),
]
HERE = "127.0.0.1"
CONFIGURATION = """
spark.sql.shuffle.partitions 2
spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1
spark.executor.extraJavaOptions -XX:TieredStopAtLevel=1
"""  # little to shuffle, and Java would spend longer on optimising than on running


def start(arguments: list[str], log: Path) -> subprocess.Popen:
    spark = Path(pyspark.__file__).parent
    environment = os.environ | {"SPARK_HOME": str(spark), "SPARK_LOCAL_IP": HERE}
    with log.open("w") as output:
        return subprocess.Popen(
            [spark / "bin/spark-class", *arguments], env=environment, stdout=output, stderr=subprocess.STDOUT
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    "The address of a cluster of one worker."
    folder = tmp_path_factory.mktemp("cluster")
    with socket.socket() as free:
        free.bind((HERE, 0))
        port = str(free.getsockname()[1])
    address, log = f"spark://{HERE}:{port}", folder / "master.log"
    package = "org.apache.spark.deploy"
    processes = [
        start([f"{package}.master.Master", "--host", HERE, "--port", port, "--webui-port", "0"], log)
    ]
    worker = [
        f"{package}.worker.Worker",
        address,
        "--host",
        HERE,
        "--cores",
        "2",
        "--memory",
        "1g",
        "--webui-port",
        "0",
    ]
    try:
        processes.append(start([*worker, "--work-dir", str(folder / "work")], folder / "worker.log"))
        deadline = time.monotonic() + 60
        while "Registering worker" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPARK_LOCAL_IP", HERE)
            (folder / "spark-defaults.conf").write_text(CONFIGURATION)
            patch.setenv("SPARK_CONF_DIR", str(folder))
            patch.setenv("MLPROJ_ENGINE_BACKEND", "spark")
            patch.setenv("MLPROJ_ENGINE_SPARK_MASTER", address)
            yield address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=30)


@pytest.mark.long
@pytest.mark.parametrize("giant", [mlproj.features.aggregates.GIANT, 1], ids=["by frames", "by ledger"])
def test_histories_on_a_cluster_equal_those_here(cluster, tmp_path, monkeypatch, giant):
    drawn = random.Random(0)
    lengths = [1, 5, 25, 25, 40, 40, 60, 60]
    histories = [
        [{name: drawn.choice(values) for name, values in CHOICES.items()} for _ in range(length)]
        for length in lengths
    ]
    transactions, served = serve(histories)
    monkeypatch.setattr(mlproj.features.batch, "GIANT", giant)
    spark = connect_backend()
    try:
        assert_equal(by_batch(spark, transactions, tmp_path), served)
    finally:
        spark.disconnect()


def test_the_stage_writes_the_same_file_on_a_cluster(cluster, project):
    "The cluster computes the windows of the small world; test_parity.py compares all other kinds on Spark."
    path = project.root / "features" / "features.parquet"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    project.run("mlproj run features")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert "up to date" in project.run("dvc status features").stdout
