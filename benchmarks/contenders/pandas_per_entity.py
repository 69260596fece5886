"""The same features in pandas, in the Handbook's manner.

Each customer and each terminal is a table of its own. Rolling windows add columns to that table.
"""

import pandas as pd

from benchmarks.handbook import DAYS, LAG


def add_customer_features(rows: pd.DataFrame) -> pd.DataFrame: # one customer's
    "Add one customer's windows."
    rows = rows.sort_values(["timestamp", "transaction_id"])
    amounts = rows.set_index("timestamp").units
    for days in DAYS:
        window = amounts.rolling(f"{days}d")
        count = window.count()
        rows[f"customer_id_count_{days}d"] = count.to_numpy().astype("int64")
        rows[f"customer_id_amount_mean_{days}d"] = (window.sum() / count).to_numpy()
    return rows


def add_terminal_features(rows: pd.DataFrame) -> pd.DataFrame: # one terminal's
    "Add one terminal's windows: a longer window, less the rows that are newer than the lag."
    rows = rows.sort_values(["timestamp", "transaction_id"])
    is_fraud = rows.set_index("timestamp").is_fraud
    recent = is_fraud.rolling(f"{LAG}d")
    recent_count, recent_frauds = recent.count(), recent.sum()
    for days in DAYS:
        window = is_fraud.rolling(f"{days + LAG}d")
        count = window.count() - recent_count
        rate = (window.sum() - recent_frauds) / count
        rows[f"terminal_id_count_{days}d_lag{LAG}d"] = count.to_numpy().astype("int64")
        rows[f"terminal_id_is_fraud_rate_{days}d_lag{LAG}d"] = rate.fillna(0).to_numpy()
    return rows


def run(prepared: str, features: str) -> None:
    "Compute the features of a Parquet file into another."
    table = pd.read_parquet(prepared)
    table["units"] = table.amount / 100
    table["is_weekend"] = (table.timestamp.dt.weekday >= 5).astype("int8")
    table["is_night"] = (table.timestamp.dt.hour <= 6).astype("int8")
    table = table.groupby("customer_id")[table.columns].apply(add_customer_features).reset_index(drop=True)
    table = table.groupby("terminal_id")[table.columns].apply(add_terminal_features).reset_index(drop=True)
    table = table.drop(
        columns=["timestamp", "label_time", "customer_id", "terminal_id", "amount", "is_fraud"]
    )
    table.rename(columns={"units": "amount"}).sort_values("transaction_id").to_parquet(features, index=False)
