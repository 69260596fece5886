"""Write README.md and the pictures from results.json."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from benchmarks.features import QUICK, SLOW

NAMES = QUICK | SLOW


def must_be_seen(
    results: dict, latency: dict
) -> list[tuple[str, float, str, float]]: # (what, measured, "≥" or "≤", limit)
    "List the requirements, each with the measured value and its limit."
    features, online, skew = results["features"], results["online"], results["skew"]
    small, large = results["growth"][0], results["growth"][-1]
    ours = features["ours"]["seconds"]
    narrow, wide, widest = results["wide"]["tables"]
    one, *_, many = results["folders"]
    tenfold = large["seconds"] / small["seconds"] * 10 / (large["rows"] / small["rows"])
    return [
        (
            "pandas in the Handbook's manner, times ours",
            features["pandas_per_entity"]["seconds"] / ours,
            "≥",
            20,
        ),
        ("ours, times the SQL by hand", ours / features["duckdb_sql"]["seconds"], "≤", 1.5),
        ("ten times the rows, times the time", tenfold, "≤", 11),
        (
            "one giant, times the same rows spread evenly",
            skew["skewed"]["seconds"] / skew["even"]["seconds"],
            "≤",
            5,
        ),
        ("XGBoost on 20 million rows, peak memory, GB", results["training"]["peak_mb"] / 1000, "≤", 4),
        ("online, events a second in memory", online["memory"]["events_per_second"], "≥", 20_000),
        ("online, p99 of a transaction with the store, ms", online["store"]["p99_us"] / 1000, "≤", 1),
        (
            "one prepared row scored by the model xgboost as ONNX, p50, ms",
            latency["xgboost"]["one_p50_us"] / 1000,
            "≤",
            0.05,
        ),
        (
            f"data inspect, {wide['columns']} columns, times the processor time of {narrow['columns']}",
            wide["cpu_seconds"] / narrow["cpu_seconds"],
            "≤",
            5,
        ),
        (f"data inspect, {widest['columns']} columns, peak memory, GB", widest["peak_mb"] / 1000, "≤", 4),
        (
            f"a folder of {many['files']} files, times the processor time of one",
            many["cpu_seconds"] / one["cpu_seconds"],
            "≤",
            6,
        ),
    ]


def holds(measured: float, sign: str, limit: float) -> bool:
    return measured >= limit if sign == "≥" else measured <= limit


def table(rows: list[dict]) -> str:
    "Write a Markdown table with numbers aligned on the right."
    frame = pd.DataFrame(rows)
    return frame.to_markdown(
        index=False, disable_numparse=True, colalign=["left"] + ["right"] * (len(frame.columns) - 1)
    )


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def requirements_table(results: dict, latency: dict) -> str:
    return table(
        [
            {
                "what": what,
                "asked": f"{sign} {limit:,}",
                "measured": number(value),
                "holds": "yes" if holds(value, sign, limit) else "no",
            }
            for what, value, sign, limit in must_be_seen(results, latency)
        ]
    )


def features_table(results: dict) -> str:
    ours, rows = results["features"]["ours"], []
    for name, figures in results["features"].items():
        rows.append({
            "contender": NAMES[name],
            "seconds": number(figures["seconds"]),
            "times ours": f"{figures['seconds'] / ours['seconds']:.2f}",
            "processor seconds": number(figures["cpu_seconds"]),
            "peak MB": number(figures["peak_mb"]),
            "memory, times ours": f"{figures['peak_mb'] / ours['peak_mb']:.2f}",
            "runs": figures["runs"],
            "rows that differ": figures["rows_different"],
        })
    return table(rows)


def sizes_table(results: dict) -> str:
    runs = {f"{figures['rows']:,} transactions": figures for figures in results["growth"]}
    n_rows = f"{results['skew']['rows']:,}"
    runs |= {
        f"{n_rows} spread evenly": results["skew"]["even"],
        f"{n_rows}, half of them at one terminal": results["skew"]["skewed"],
    }
    return table(
        [
            {
                "table": name,
                "seconds": number(figures["seconds"]),
                "peak MB": number(figures["peak_mb"]),
                "runs": figures["runs"],
            }
            for name, figures in runs.items()
        ]
    )


def cost_table(figures: list[dict], sizes: dict[str, str]) -> str: # sizes: heading → key of the figures
    return table(
        [
            {
                **{heading: f"{one[key]:,}" for heading, key in sizes.items()},
                "processor seconds": number(one["cpu_seconds"]),
                "peak MB": number(one["peak_mb"]),
            }
            for one in figures
        ]
    )


def online_table(results: dict) -> str:
    return table([
        {
            "state": {"memory": "in memory", "store": "with the store on disk"}[name],
            "events": f"{figures['events']:,}",
            "events a second": number(figures["events_per_second"]),
            "p50 of a transaction, µs": number(figures["p50_us"]),
            "p99, µs": number(figures["p99_us"]),
            "peak MB": number(figures["peak_mb"]),
        }
        for name in ("memory", "store") for figures in [results["online"][name]]
    ])


def latency_table(latency: dict) -> str:
    rows = []
    for model, served in latency.items():
        for kind, figures in {served["file"]: served, **served["others"]}.items():
            rows.append({
                "model": model,
                "file": kind,
                "p50 of one, µs": number(figures["one_p50_us"]),
                "p99, µs": number(figures["one_p99_us"]),
                "transactions a second, in a batch": number(figures["rows_per_second"]),
            })
    return table(rows)


def stores_table(results: dict) -> str:
    return table(
        [
            {
                "store": name,
                "p50 of a commit, µs": number(figures["p50_us"]),
                "p99, µs": number(figures["p99_us"]),
            }
            for name, figures in results["online"]["stores"].items()
        ]
    )


TEXT = """\
# Benchmarks

`make bench` measures speed and memory, and writes this page, `results.json`, the pictures and
`records/latency.json`. The figures below were measured on {processor}, {cores} cores, with Python {python},
{versions}.

When the measurement began, {load} programs were busy on the machine. More than half a program means that
other programs were at work, and that the times are too long.

## Requirements

{requirements}

## Features of {rows:,} transactions

![Time and memory of five ways to compute the same features](features.png)

{features}

Each contender computes the Handbook's 15 features from a Parquet file into a Parquet file, in a fresh
process. The clock starts after the imports; reading and writing are inside. Peak memory is what the kernel
counted for the process. The quick contenders take turns, {runs} runs each; the figures are medians. *mlproj
on DuckDB* is the code of the features stage. Its lead over pandas depends on the processor and on other
load, because pandas has one thread and DuckDB one a core: on two cores of an AMD EPYC, in November 2026,
the Handbook's manner took 15.3 times as long.

Every result is compared with ours in the same run: counts exactly, all other features to 1e-9. A tie is a
second in which a customer or terminal has several transactions. Only rows with a window that begins or ends
at a tie may differ; {tied:,} rows have such a window. SQL and Polars let later rows of the same instant
into a window, which is a look into the future.

## More rows, and one giant

{sizes}

The larger table is a world of several maps side by side, so that customers have as many terminals in reach
as before. DuckDB keeps to the 4 GB of `settings.ini` by spilling to disk. The peak is of the whole process,
which also holds Python, its libraries and the writer's batches. In the uneven table one terminal has half
of all transactions.

## Tables of many columns

{wide}

`mlproj data inspect` reads a CSV file of so many columns, and proposes settings for it. The processor
seconds of all threads are counted, on {wide_cores} cores of {wide_processor}, so that other programs change
them little. Each column is fetched twice, in blocks, and each of its different texts is looked at once.

## Folders of many files

{folders}

`prepare` reads a folder of small CSV files with the same columns. They are put together first, and converted
by one query. The processor seconds are counted in the same way as above.

## XGBoost on more rows than fit

{training_rows:,} rows of {training_columns} numbers are {raw:,.0f} MB as 32-bit floats. XGBoost trains
{trees} trees of depth 6 on them from a Parquet file, by external memory (`ExtMemQuantileDMatrix`):
**{training_seconds} s** and **{training_peak} MB** at the peak. The peak includes the pages of the cache on
disk that were in memory.

## From a row of features to a score

{latency}

The time is from the call to the score, for a prepared row that is encoded already, on one thread. A booster
is served by its export to ONNX; XGBoost's own format stands beside it. `records/latency.json` holds these
figures, and the judge stage reads them when it names the champion. `mlproj latency` measures them alone.

## Online

![How long a commit takes in each store](stores.png)

{online}

The last {memory_days} days of the world, {store_days} with the store, are served after `warm` has filled
the windows: transactions and labels in the order in which they become known. Percentiles are of `add`, from
the call to the row of features. With the store, the event is written by then.

{stores}

Each store commits an event of the project's kind before the next event. All four lose nothing when the
process is killed. *FULL* also survives a power failure, at the price of waiting for the disk each time. The
project's store is SQLite with a write-ahead log and NORMAL.
"""


def write(results: dict, latency: dict, folder: Path) -> None:
    "Write README.md and the pictures."
    machine, training = results["machine"], results["training"]
    text = TEXT.format(
        **{key: machine[key] for key in ("processor", "cores", "load", "python")},
        versions=", ".join(f"{name} {version}" for name, version in machine["versions"].items()),
        requirements=requirements_table(results, latency),
        latency=latency_table(latency),
        rows=results["rows"],
        features=features_table(results),
        runs=results["features"]["ours"]["runs"],
        tied=results["features"]["ours"]["rows_tied"],
        sizes=sizes_table(results),
        wide=cost_table(results["wide"]["tables"], {"columns": "columns", "rows": "rows"}),
        folders=cost_table(results["folders"], {"files": "files", "rows": "result"}),
        wide_cores=results["wide"]["cores"],
        wide_processor=results["wide"]["processor"],
        training_rows=training["rows"],
        training_columns=training["columns"],
        raw=training["raw_mb"],
        trees=training["trees"],
        training_seconds=number(training["seconds"]),
        training_peak=number(training["peak_mb"]),
        online=online_table(results),
        memory_days=results["online"]["memory"]["days"],
        store_days=results["online"]["store"]["days"],
        stores=stores_table(results),
    )
    (folder / "README.md").write_text(text)
    sns.set_theme(style="whitegrid", font="DejaVu Sans")
    save(plot_features(results["features"]), folder / "features.png")
    save(plot_stores(results["online"]["stores"]), folder / "stores.png")


def plot_features(features: dict) -> plt.Figure:
    "Draw time and memory of each contender."
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained", sharey=True)
    names = [NAMES[name] for name in features][::-1]
    colors = ["tab:blue" if name == "ours" else "tab:grey" for name in features][::-1]
    for ax, key, label in zip(axes, ("seconds", "peak_mb"), ("time (s)", "peak memory (MB)"), strict=True):
        bars = ax.barh(names, [figures[key] for figures in features.values()][::-1], color=colors)
        ax.bar_label(bars, fmt=number, padding=3)
        ax.set(xlabel=label)
        ax.margins(x=0.2)
        ax.grid(axis="y", visible=False)
    axes[0].set(title="Time")
    axes[1].set(title="Memory")
    figure.suptitle("Fifteen features of the whole table")
    return figure


def plot_stores(stores: dict) -> plt.Figure:
    "Draw the time of a commit in each store."
    figure, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
    names = list(stores)[::-1]
    p50, p99 = ([stores[name][key] for name in names] for key in ("p50_us", "p99_us"))
    ax.hlines(names, p50, p99, color="tab:grey", lw=2, zorder=1)
    ax.scatter(p50, names, color="tab:blue", label="p50")
    ax.scatter(p99, names, color="tab:orange", label="p99")
    ax.set(xscale="log", xlabel="time of a commit (µs, logarithmic)", title="One event on disk")
    ax.margins(y=0.2)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
