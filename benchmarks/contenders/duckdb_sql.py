"""The same features in SQL, as a person would write them for DuckDB: one query, a frame for each window.

RANGE over time lets later rows of the same instant into a window. Results differ from ours at such ties.
"""

import duckdb

from benchmarks.handbook import DAYS, LAG
from mlproj.core.settings import load_settings

DAY = 86_400_000_000 # microseconds


def query(prepared: str) -> str:
    "Write the query."
    columns, frames = [], []
    for days in DAYS:
        columns += [f"count(*) OVER c{days} AS customer_id_count_{days}d",
                    f"avg(amount) OVER c{days} / 100 AS customer_id_amount_mean_{days}d"]
        frames.append(
            f"c{days} AS (PARTITION BY customer_id ORDER BY t "
            f"RANGE BETWEEN {days * DAY - 1} PRECEDING AND CURRENT ROW)"
        )
    for days in DAYS:
        columns += [f"count(*) OVER t{days} AS terminal_id_count_{days}d_lag7d",
                    f"coalesce(avg(is_fraud) OVER t{days}, 0) AS terminal_id_is_fraud_rate_{days}d_lag7d"]
        frames.append(f"t{days} AS (PARTITION BY terminal_id ORDER BY t "
                      f"RANGE BETWEEN {(days + LAG) * DAY - 1} PRECEDING AND {LAG * DAY} PRECEDING)")
    return f"""
        WITH moments AS (SELECT *, epoch_us(timestamp) AS t FROM read_parquet('{prepared}'))
        SELECT transaction_id, amount / 100 AS amount,
               (isodow(timestamp) >= 6)::TINYINT AS is_weekend, (hour(timestamp) <= 6)::TINYINT AS is_night,
               {", ".join(columns)}
        FROM moments
        WINDOW {", ".join(frames)}
        ORDER BY transaction_id"""


def run(prepared: str, features: str) -> None:
    "Compute the features of a Parquet file into another."
    settings = load_settings()
    database = duckdb.connect(
        config={"threads": settings.threads, "memory_limit": settings.engine_memory_limit}
    )
    database.execute(f"SET temp_directory = '{settings.paths_spill}'; SET TimeZone = 'UTC'")
    database.execute(f"COPY ({query(prepared)}) TO '{features}' (FORMAT parquet, COMPRESSION snappy)")
