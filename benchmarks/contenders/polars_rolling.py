"""The same features in Polars: a rolling aggregation for each window.

Like SQL, Polars lets later rows of the same instant into a window.
"""

import polars as pl

from benchmarks.handbook import DAYS, LAG


def rolling(
    rows: pl.DataFrame, entity: str, days: int, lag: int, value: str, mean: str, count: str
) -> pl.DataFrame:
    "Count the rows of each window and average a column; `rows` are in order of entity and time."
    windows = rows.rolling(
        "timestamp", period=f"{days}d", offset=f"-{days + lag}d", closed="right", group_by=entity
    )
    return windows.agg(
        pl.len().cast(pl.Int64).alias(count), pl.col(value).mean().fill_null(0).alias(mean)
    ).select(count, mean)


def windows(
    table: pl.DataFrame, entity: str, lag: int, value: str, name: str
) -> pl.DataFrame: # in order of transaction_id
    "Compute one entity's windows."
    rows = table.select("transaction_id", "timestamp", entity, value).sort(
        entity, "timestamp", "transaction_id"
    )
    suffix = f"_lag{lag}d" if lag else ""
    columns = [
        rolling(
            rows,
            entity,
            days,
            lag,
            value,
            f"{entity}_{name}_{days}d{suffix}",
            f"{entity}_count_{days}d{suffix}",
        )
        for days in DAYS
    ]
    return (
        pl.concat([rows.select("transaction_id"), *columns], how="horizontal")
        .sort("transaction_id")
        .drop("transaction_id")
    )


def run(prepared: str, features: str) -> None:
    "Compute the features of a Parquet file into another."
    table = pl.read_parquet(prepared).with_columns(units=pl.col("amount") / 100).sort("transaction_id")
    own = table.select(
        "transaction_id",
        amount="units",
        is_weekend=(pl.col("timestamp").dt.weekday() >= 6).cast(pl.Int8),
        is_night=(pl.col("timestamp").dt.hour() <= 6).cast(pl.Int8),
    )
    by_customer = windows(table, "customer_id", 0, "units", "amount_mean")
    by_terminal = windows(table, "terminal_id", LAG, "is_fraud", "is_fraud_rate")
    pl.concat([own, by_customer, by_terminal], how="horizontal").write_parquet(features, compression="snappy")
