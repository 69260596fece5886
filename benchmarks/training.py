"""XGBoost trained on more rows than fit into memory.

XGBoost quantises the rows once, stores them on disk, and reads them batch by batch for every tree.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb

from benchmarks.process import measure
from mlproj.core.settings import load_settings

BATCH = 1_000_000 # rows


def write_rows(n_rows: int, n_columns: int, path: str) -> None:
    "Write random numbers and a rare label that follows from some of them; the last column is the label."
    names = [f"feature_{number}" for number in range(n_columns)] + ["label"]
    schema = pa.schema([(name, pa.float32()) for name in names])
    with pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=False) as writer:
        for start in range(0, n_rows, BATCH):
            draw = np.random.default_rng(start)
            values = draw.standard_normal((n_columns, min(BATCH, n_rows - start)), dtype="float32")
            risk = values[0] * values[1] + values[2] + 0.5 * draw.standard_normal(values.shape[1])
            writer.write_table(
                pa.table([*values, (risk > 3.5).astype("float32")], schema=schema), row_group_size=BATCH
            )


class ParquetBatches(xgb.DataIter):
    "Pass a Parquet file to XGBoost, one row group at a time."

    def __init__(self, path: str, cache: str):
        self.file, self.group = pq.ParquetFile(path), 0
        super().__init__(cache_prefix=cache)

    def next(self, input_data) -> bool:
        if self.group == self.file.num_row_groups:
            return False
        table = self.file.read_row_group(self.group)
        values = np.empty((table.num_rows, table.num_columns - 1), dtype="float32")
        for number, column in enumerate(table.columns[:-1]):
            values[:, number] = column.to_numpy()
        input_data(data=values, label=table.columns[-1].to_numpy())
        self.group += 1
        return True

    def reset(self) -> None:
        self.group = 0


def train(path: str, n_trees: int, cache: str) -> None:
    "Train on a Parquet file."
    threads = load_settings().threads
    rows = xgb.ExtMemQuantileDMatrix(ParquetBatches(path, cache), max_bin=256, nthread=threads)
    parameters = {"objective": "binary:logistic", "tree_method": "hist", "max_depth": 6, "nthread": threads}
    xgb.train(parameters, rows, num_boost_round=n_trees)


def large(n_rows: int, n_trees: int, scratch: Path) -> dict:
    "Measure training on many rows of thirty numbers."
    path, n_columns = scratch / "training.parquet", 30
    measure("benchmarks.training:write_rows", n_rows, n_columns, str(path))
    measured = measure("benchmarks.training:train", str(path), n_trees, str(scratch / "cache"))
    path.unlink()
    figures = {key: measured[key] for key in ("seconds", "cpu_seconds", "peak_mb")}
    return {
        "rows": n_rows,
        "columns": n_columns,
        "trees": n_trees,
        "raw_mb": n_rows * n_columns * 4 / 1e6,
        **figures,
    }
