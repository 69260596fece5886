"Columns of one file may write their numbers in different ways; the truth is the number that was written."

import random

import pandas as pd
import pytest

from mlproj.data.choices import read_choices
from mlproj.data.conversions import to_contract
from mlproj.data.proposal import propose_roles
from mlproj.data.proposed_columns import source_of
from tests.data.test_roles import ROW, survey

WAYS = [(".", ""), (",", ""), (".", ","), (",", "."), (",", " "), (".", "'"), (".", "’"), (",", "\u202f")]
SIGNS = ["{}", "R$\u00a0{}", "Rp{}", "{} €", "CHF {}", "{}원", "{} руб.", "{} TL"]


def write(number: int, digits: int, way: tuple[str, str], sign: str) -> str: # thousandths
    decimal, thousands = way
    form = f"{number / 1000:,.{digits}f}".replace(",", "T").replace(".", decimal)
    return sign.format(form.replace("T", thousands))


@pytest.mark.parametrize("seed", range(12))
def test_no_column_takes_the_marks_of_another(seed):
    draw = random.Random(seed)
    table, truth, open_marks = pd.concat([ROW] * 2, ignore_index=True), {}, set()
    for name in ("paid", "weight", "fee", "ratio"):
        digits, way, sign = draw.choice([1, 2, 3, 3]), draw.choice(WAYS), draw.choice(SIGNS)
        low, high = draw.choice([(1_000, 999_999), (0, 5_000), (0, 99_000_000)])
        step = 10 ** (3 - digits)
        numbers = [draw.randrange(low // step, high // step + 1) * step for _ in range(len(table))]
        table[name] = [write(number, digits, way, sign) for number in numbers]
        truth[name] = [number / 1000 for number in numbers]
        if digits == 3 and max(numbers) < 1_000_000 and min(numbers) >= 1_000:
            open_marks.add(name)
    looked = survey(table)
    proposal = propose_roles(looked, "t", read_choices(["amount=paid"]))
    source = source_of(proposal)
    read = to_contract(looked.raw, source).execute()
    for name, numbers in truth.items():
        column = next((key for key, original in proposal.columns.items() if original == name), None)
        if column is None: # left out of the inputs
            continue
        unsure = "begins decimals or separates thousands" in proposal.notes[column]
        assert unsure == (name in open_marks), table[name].head()
        if not unsure:
            scale = 10 ** source.decimals.get(column, 0)
            assert (read[column] / scale).tolist() == pytest.approx(numbers), (source, table[name].head())
