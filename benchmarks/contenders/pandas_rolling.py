"""The same features in pandas, by rolling windows over groups: customers first, then terminals."""

import pandas as pd

from benchmarks.handbook import DAYS, LAG


def windows(
    rows: pd.DataFrame, entity: str, days: int, value: str
) -> tuple[pd.Series, pd.Series]: # count, sum
    "Count and add up each window of a number of days; `rows` are in order of entity and time."
    window = rows.groupby(entity, sort=False).rolling(f"{days}d", on="timestamp")[value]
    return window.count().to_numpy(), window.sum().to_numpy()


def entity_features(table: pd.DataFrame, entity: str, lag: int, value: str, name: str) -> pd.DataFrame:
    "Compute one entity's windows: longer windows, less the rows that are newer than the lag."
    rows = table.sort_values([entity, "timestamp", "transaction_id"])
    features, suffix = {}, f"_lag{lag}d" if lag else ""
    recent = windows(rows, entity, lag, value) if lag else (0, 0)
    for days in DAYS:
        count, total = windows(rows, entity, days + lag, value)
        count, total = pd.Series(count - recent[0]), pd.Series(total - recent[1])
        features[f"{entity}_count_{days}d{suffix}"] = count.astype("int64").to_numpy()
        features[f"{entity}_{name}_{days}d{suffix}"] = (total / count).fillna(0).to_numpy()
    return pd.DataFrame(features, index=rows.transaction_id)


def run(prepared: str, features: str) -> None:
    "Compute the features of a Parquet file into another."
    table = pd.read_parquet(prepared)
    table["units"] = table.amount / 100
    moments = table.timestamp.dt
    own = pd.DataFrame({
        "amount": table.units,
        "is_weekend": (moments.weekday >= 5).astype("int8"),
        "is_night": (moments.hour <= 6).astype("int8"),
    }).set_index(table.transaction_id)
    by_customer = entity_features(table, "customer_id", 0, "units", "amount_mean")
    by_terminal = entity_features(table, "terminal_id", LAG, "is_fraud", "is_fraud_rate")
    own.join(by_customer).join(by_terminal).sort_index().reset_index().to_parquet(features, index=False)
