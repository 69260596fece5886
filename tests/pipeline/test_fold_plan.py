"The label delay of a file, measured where the truth is known."

import numpy as np
import pandas as pd
import pytest

from mlproj.core.wording import describe_delay
from mlproj.pipeline.fold_plan import LONGEST_WAIT, Wait, longest_wait, open_days, plan_folds, report_wait

WAITS = {  # by kind: the delays of n labels, with a delay of d days; the age at which nine tenths are known
    "all": (lambda draw, d, n: np.full(n, d), 1.0),
    "half": (lambda draw, d, n: np.where(draw.random(n) < 0.5, 0, d), 1.0),
    "most": (lambda draw, d, n: np.where(draw.random(n) < 0.25, 0, d), 1.0),
    "evenly": (lambda draw, d, n: draw.uniform(0, d, n), 0.9),
    "sooner or later": (lambda draw, d, n: draw.exponential(d, n), np.log(10)),
}


def make_table(seed: int, span: float, delays, never: float = 0.0) -> pd.DataFrame:
    "Draw transactions whose labels are known after their delays, as they are known on the last day."
    draw = np.random.default_rng(seed)
    n = 40_000
    days = np.sort(draw.uniform(0, span, n))
    times = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(days, unit="D")
    fraud = pd.array((draw.random(n) < 0.02).astype("int8"), dtype="Int8")
    fraud[(days[-1] - days < delays(draw, n)) | (draw.random(n) < never)] = pd.NA
    return pd.DataFrame({"timestamp": times, "is_fraud": fraud})


def measure_wait(table: pd.DataFrame) -> Wait | None:
    return longest_wait(open_days(table), report_wait(table))


@pytest.mark.parametrize("kind", WAITS)
@pytest.mark.parametrize("never", [0.0, 0.1, 0.4])
@pytest.mark.parametrize(("days", "span"), [(3, 40), (8, 60), (15, 200)])
def test_delay_is_measured_by_age(kind, never, days, span):
    delays, factor = WAITS[kind]
    table = make_table(days, span, lambda draw, n: delays(draw, days, n), never)
    measured, expected = open_days(table), days * factor
    assert abs(measured - expected) <= max(1.5, 0.2 * expected), (measured, expected)
    plan = plan_folds(table)
    assert plan.delay == measured and plan.why_delay.startswith("measured: ")
    assert plan.end <= table.timestamp.max() - pd.Timedelta(days=measured - 1)


@pytest.mark.parametrize("never", [0.0, 0.1, 0.4, 0.9])
def test_delay_is_assumed_where_nothing_tells_it(never):
    for seed in range(20):
        table = make_table(seed, 90, lambda draw, n: np.zeros(n), never)
        assert measure_wait(table) is None, seed
    plan = plan_folds(table)
    assert plan.delay == 7 and plan.why_delay.startswith("assumed: the file does not say")


def test_gap_or_tail_is_no_delay():
    table = make_table(1, 200, lambda draw, n: np.zeros(n))
    age = (table.timestamp.max() - table.timestamp) / pd.Timedelta(days=1)
    for hole in ((age > 20) & (age < 40), age < LONGEST_WAIT + 10, (age > 0.5) & (age < 30)):
        assert measure_wait(table.assign(is_fraud=table.is_fraud.mask(hole))) is None


@pytest.mark.parametrize(("days", "expected", "words"), [
    (20, 18, "nine of ten frauds are known by then"),
    (100, LONGEST_WAIT, "nine of ten frauds are known after 9"),
])
def test_delay_of_label_times(days, expected, words):
    draw = np.random.default_rng(0)
    table = make_table(2, 300, lambda draw, n: np.zeros(n))
    delays = pd.to_timedelta(draw.uniform(0, days, len(table)), unit="D")
    wait = measure_wait(table.assign(label_time=table.timestamp + delays))
    assert wait.days == pytest.approx(expected, abs=1) and wait.why.startswith(words)


def test_measured_delay_that_does_not_fit_is_said():
    table = make_table(3, 12, lambda draw, n: np.zeros(n))
    plan = plan_folds(table.assign(label_time=table.timestamp + pd.Timedelta(days=30)))
    assert plan.remark and plan.delay < 30
    assert plan.why_delay.startswith("assumed: 30 days were measured")


def test_sentence_tells_measured_times_from_assumed_ones():
    assert "as `label_delay_days` says" in describe_delay(0.25, given=False)
    assert describe_delay(1, given=True).startswith("A label is known at its `label_time`")
    assert "1 day after" in describe_delay(1, given=True)


@pytest.mark.parametrize("later", [0, 15, 90])  # days from the last transaction to the export
def test_folds_end_before_frauds_that_nobody_has_reported(later):
    draw = np.random.default_rng(later)
    table = make_table(later, 210, lambda draw, n: np.zeros(n))
    lags = pd.to_timedelta(draw.exponential(10, len(table)), unit="D")
    reported = table.timestamp + lags
    export = table.timestamp.max() + pd.Timedelta(days=later)
    seen = (table.is_fraud == 1) & (reported <= export)
    table = table.assign(is_fraud=seen.astype("Int8"), label_time=reported.where(seen))
    plan, wait = plan_folds(table), np.log(10) * 10
    expected = min(export - pd.Timedelta(days=wait), table.timestamp.max())
    assert abs((plan.end - expected) / pd.Timedelta(days=1)) < 4, (plan.end, expected)
