"Roles of a file's columns are found whatever the names, the language and the order of the columns."

import random

import ibis
import numpy as np
import pandas as pd
import pytest

from mlproj.core.checks import UserError
from mlproj.core.engine import connect
from mlproj.data.choices import read_choices
from mlproj.data.column_values import COLUMNS_AT_ONCE
from mlproj.data.conversions import to_contract
from mlproj.data.profile import survey_table
from mlproj.data.proposal import propose_roles
from mlproj.data.proposed_columns import contract_name, source_of

N = 600
NAMES = { # by language: the names of a transaction's columns
    "English": (
        *("txn_id", "txn_time", "card_no", "merchant_id", "amount", "is_fraud"),
        *("balance_after", "risk_score"),
    ),
    "abbreviated": ("TRX_REF", "TRX_DTTM", "PAN", "MERCH_ID", "TRX_AMT", "FRD_IND", "NEW_BAL", "MDL_SCORE"),
    "German": (
        *("Transaktionsnummer", "Zeitstempel", "Kartennummer", "Haendlernummer", "Betrag", "Betrug"),
        *("Saldo", "Risikoscore"),
    ),
    "French": (
        *("id_transaction", "horodatage", "numero_carte", "id_commercant", "montant", "fraude"),
        *("solde", "score"),
    ),
    "Spanish": (
        *("id_transaccion", "fecha_hora", "num_tarjeta", "id_comercio", "importe", "fraude"),
        *("saldo", "puntuacion"),
    ),
}
STYLES = {
    "as it is": str,
    "capitals": str.upper,
    "joined": lambda name: name.replace("_", "").lower(),
    "blanks": lambda name: name.replace("_", " ").title(),
}


def write_table(language: str, seed: int) -> tuple[pd.DataFrame, dict[str, str]]: # role → its column
    "Draw transactions of cards at merchants, with columns that are easily taken for another."
    draw = np.random.default_rng(seed)
    style = random.Random(seed).choice(list(STYLES.values()))
    number, time, card, merchant, amount, label, balance, score = map(style, NAMES[language])
    fraud = draw.random(N) < 0.04
    times = pd.Timestamp("2024-01-13 03:10") + pd.to_timedelta(np.sort(draw.integers(0, 60 * 86_400, N)), "s")
    cards = draw.integers(0, 40, N)
    table = pd.DataFrame({
        number: [f"R{9_000_000 + n}" for n in range(N)],
        time: times.strftime("%Y-%m-%d %H:%M:%S"),
        card: [f"{4_000_000_000_000 + c * 7919}" for c in cards],
        merchant: [f"M{m:04}" for m in draw.integers(0, 25, N)],
        amount: [f"{value:.2f}" for value in draw.lognormal(3, 1, N) + 0.01],
        label: np.where(fraud, "1", "0"),
        balance: [f"{value:.2f}" for value in draw.uniform(0, 9_000, N)],
        score: [f"{value:.4f}" for value in draw.random(N)],
        "card_type": draw.choice(["gold", "basic"], N),
        "date_of_birth": [f"19{50 + c}-03-0{1 + c % 9}" for c in cards],
        "zip": [f"{10_000 + c * 31}" for c in cards],
        "fraud_reason": np.where(fraud, "stolen", ""),
    })
    roles = {"label": label, "time": time, "amount": amount, "card": card, "merchant": merchant, "id": number}
    shuffled = random.Random(seed).sample(list(table), len(table.columns))
    return table[shuffled], roles


def survey(table: pd.DataFrame):
    return survey_table(connect().create_table(ibis.util.gen_name("t"), table, temp=True))


@pytest.mark.parametrize("language", NAMES)
@pytest.mark.parametrize("seed", range(2))
def test_roles_are_found_in_every_language_and_order(language, seed):
    table, roles = write_table(language, seed)
    proposal = propose_roles(survey(table), "t")
    found = {"label": "is_fraud", "time": "timestamp", "amount": "amount", "id": "transaction_id"}
    for role, name in found.items():
        assert proposal.columns.get(name) == roles[role], role
    assert proposal.columns[proposal.card] == roles["card"]
    assert roles["merchant"] in [proposal.columns[name] for name in proposal.entities]
    inputs = {proposal.columns[name] for name in proposal.inputs}
    assert not inputs & {*roles.values(), "date_of_birth", "fraud_reason"}
    assert not {"balance", "score"} & inputs


ROW = pd.DataFrame({
    "when": pd.date_range("2024-01-01", periods=200, freq="97min").strftime("%Y-%m-%d %H:%M:%S"),
    "user_id": [n * n % 31 for n in range(200)],
    "paid": [f"{n * 7 % 90}.{10 + n % 90}" for n in range(200)],
    "fraud": [int(n % 20 == 0) for n in range(200)],
})
TIMES = [ # the time in other columns: what is proposed for it, and its format
    (lambda when: {"day": when.dt.strftime("%Y-%m-%d"), "time": when.dt.strftime("%H:%M:%S")},
     ["day", "time"], None),
    (lambda when: {"at": when.dt.strftime("%d.%m.%Y %H:%M")}, "at", "%d.%m.%Y %H:%M"),
    (lambda when: {"at": when.dt.strftime("%m/%d/%Y %I:%M %p")}, "at", "%m/%d/%Y %I:%M %p"),
    (lambda when: {"ts": when.astype("int64") // 10**6}, "ts", None),
    (lambda when: {"tx_date": when.dt.strftime("%Y%m%d"), "tx_time": when.dt.strftime("%H%M%S")},
     ["tx_date", "tx_time"], "%Y%m%d %H%M%S"),
    (lambda when: {"tx_date": when.dt.strftime("%d.%m.%Y"), "zeit": when.dt.hour * 100 + when.dt.minute},
     ["tx_date", "zeit"], "%d.%m.%Y %H%M"), # 5 is five past midnight
    (lambda when: {"ts": [f"{second}.0{second % 997:03}" for second in when.astype("int64") // 10**6]},
     "ts", "seconds"),
    (lambda when: {"ts": when.astype("int64") / 10**6 + 0.25}, "ts", "seconds"),
    (lambda when: {"at": when.dt.strftime("%Y-%m-%dT%H:%M:%S+01:00[Europe/Paris]")}, "at", None),
    *((lambda when, form=form: {"at": when.dt.strftime(form)}, "at", form) for form in (
        *("%Y-%m-%d-%H.%M.%S", "%Y-%m-%d_%H:%M:%S", "%d.%m.%Y %H.%M", "%d/%m/%Y %Hh%M"),
        *("%d%b%Y:%H:%M:%S", "%Y年%m月%d日 %H:%M"))),
]


@pytest.mark.parametrize(("write", "columns", "form"), TIMES)
def test_times_are_read_in_the_form_that_they_have(write, columns, form):
    when = pd.to_datetime(ROW.when).astype("datetime64[us]")
    table = ROW.drop(columns="when").assign(**write(when))
    proposal = propose_roles(survey(table), "t")
    assert proposal.columns["timestamp"] == columns
    assert form is None or proposal.types["timestamp"] == form


def test_a_number_of_a_customer_is_no_time():
    table = ROW.assign(customer_number=range(1_700_000_000, 1_700_000_200)).drop(columns="when")
    with pytest.raises(UserError, match="no column that looks like the time"):
        propose_roles(survey(table), "t")


@pytest.mark.parametrize(("words", "values"), [
    (("legit", "fraud"), {"fraud": 1, "legit": 0}),
    (("no", "yes"), {"no": 0, "yes": 1}),
    (("genuine", "stolen"), {"genuine": 0, "stolen": 1}),
])
def test_a_word_for_genuine_is_never_a_fraud(words, values):
    for turned in (False, True): # the frauds are many, or few
        table = ROW.assign(fraud=[words[int((n % 4 == 0) != turned)] for n in range(200)])
        assert propose_roles(survey(table), "t").labels == values


def test_a_table_without_a_column_for_fraud_is_refused():
    table = ROW.rename(columns={"fraud": "status"}).assign(gender=["f", "m"] * 100)
    with pytest.raises(UserError, match="no column that looks like the label"):
        propose_roles(survey(table), "t")


def test_two_columns_that_are_close_are_named():
    table = ROW.assign(account_id=[n * 7 % 37 for n in range(200)], fraud_label=ROW.fraud.iloc[::-1].tolist())
    proposal = propose_roles(survey(table), "t")
    assert "not sure: user_id could also be the card" in proposal.notes["account_id"]
    assert "could also be the label" in proposal.notes["is_fraud"]


def test_what_is_known_after_the_fact_is_no_input():
    fraud = ROW.fraud
    table = ROW.assign(
        alert=np.where(fraud, "a", ""), kind=["x", "y"] * 100, hidden=fraud * 5.0 + np.arange(200) / 1e4
    )
    assert propose_roles(survey(table), "t").inputs == ["kind"]


def test_names_of_the_project_are_never_taken():
    names = ("is_weekend", "hour", "score", "fold", "row", "label_time", "Time", "amount")
    assert {contract_name(name) for name in names} == {f"file_{name.lower()}" for name in names}


def wide_table(n_columns: int) -> pd.DataFrame: # with numbers, flags and texts that say nothing
    draw = np.random.default_rng(n_columns)
    further = {
        f"v{n}": (draw.random(200).round(6), draw.integers(0, 2, 200), draw.choice(["a", "b"], 200))[n % 3]
        for n in range(n_columns)
    }
    return pd.concat([ROW, pd.DataFrame(further)], axis=1)


def count_queries(n_columns: int, monkeypatch) -> int: # of a survey and of the roles
    table, asked = connect().create_table(ibis.util.gen_name("wide"), wide_table(n_columns)), []
    engine = type(table.get_backend())
    written = engine.compile

    def watched(*args, **kwargs) -> str: # SQL
        asked.append(args)
        return written(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "compile", watched)
        proposal = propose_roles(survey_table(table), "t")
    assert len(proposal.inputs) == n_columns
    return len(asked)


def test_a_query_is_of_many_columns(monkeypatch):
    "More columns need three queries for each block of columns, and never one for each column."
    few, many = (count_queries(n_blocks * COLUMNS_AT_ONCE, monkeypatch) for n_blocks in (1, 6))
    assert many - few <= 3 * 5


UNLIKELY = { # columns in place of usual ones, and which of them are the label, the time and the card
    "a status that names fraud": (
        {"order_status": lambda t: np.where(t.fraud == 1, "SUSPECTED_FRAUD", "COMPLETE")},
        {"label": "order_status"},
    ),
    "kinds of fraud": (
        {"label": lambda t: np.where(t.fraud == 0, "legit", np.where(t.n % 40, "takeover", "card testing"))},
        {"label": "label"},
    ),
    "creation in seconds": ({"created": lambda t: t.when.astype("int64") // 10**6}, {"time": "created"}),
    "days of a spreadsheet": (
        {"Txn Date": lambda t: (t.when - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1)},
        {"time": "Txn Date"},
    ),
    "wallets": (
        {"from_address": lambda t: [f"0x{n * n % 31:040x}" for n in t.n]},
        {"card": "from_address"},
    ),
    "a card at its acceptor": (
        {
            "card_acceptor_id": lambda t: [f"M{n % 9:05}" for n in t.n],
            "pan": lambda t: [f"4000********{1000 + n * n % 31}" for n in t.n],
        },
        {"card": "pan"},
    ),
}


@pytest.mark.parametrize("kind", UNLIKELY)
def test_what_a_column_is_called_and_holds_decides_together(kind):
    made, roles = UNLIKELY[kind]
    rows = ROW.assign(when=pd.to_datetime(ROW.when).astype("datetime64[us]"), n=range(len(ROW)))
    drop = {"label": "fraud", "time": "when", "card": "user_id"}
    table = ROW.drop(columns=[drop[role] for role in roles]).assign(
        **{name: write(rows) for name, write in made.items()}
    )
    proposal = propose_roles(survey(table), "t")
    found = {"label": proposal.columns["is_fraud"], "time": proposal.columns["timestamp"]}
    found["card"] = proposal.columns[proposal.card]
    assert {role: found[role] for role in roles} == roles
    if "label" in roles:
        assert "not sure" in proposal.notes["is_fraud"]
        assert sum(value == 1 for value in proposal.labels.values()) == len(set(table[roles["label"]])) - 1


def test_days_of_a_spreadsheet_count_from_where_it_counts():
    when = pd.to_datetime(ROW.when)
    table = ROW.drop(columns="when").assign(date=(when - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1))
    proposal = propose_roles(survey(table), "t")
    assert (proposal.types["timestamp"], proposal.start) == ("days", "1899-12-30")


@pytest.mark.parametrize("factors", [(1, 1_000), (1_000, 1), (1_000, 10**6)])
def test_numbers_of_two_units_are_read_in_that_of_most(factors):
    seconds = pd.to_datetime(ROW.when).astype("datetime64[s]").astype("int64")
    factor = np.where(np.arange(200) % 20 == 3, factors[1], factors[0])
    proposal = propose_roles(survey(ROW.drop(columns="when").assign(time=seconds * factor)), "t")
    assert proposal.columns["timestamp"] == "time"
    assert proposal.types["timestamp"] == {1: "seconds", 1_000: "milliseconds"}[factors[0]]
    assert "not sure: 10 numbers are of another unit" in proposal.notes["timestamp"]


def test_days_in_no_order_are_a_time_that_is_not_sure():
    table = ROW.drop(columns="when").assign(locdt=[n * 7 % 90 for n in range(200)])
    proposal = propose_roles(survey(table), "t")
    assert proposal.columns["timestamp"] == "locdt"
    assert "not sure that it is the time" in proposal.notes["timestamp"]


def test_numbers_and_addresses_of_people_are_no_inputs():
    table = ROW.assign(
        cardLast4Digits=[1000 + n % 31 for n in range(200)],
        cardCVV=[100 + n % 31 for n in range(200)],
        phone=[491_700_000_000 + n % 31 for n in range(200)],
        email=[f"a{n % 31}@b.c" for n in range(200)],
        billing_street=[f"{n % 31} Main Street" for n in range(200)],
        last_name=["Rossi", "Silva", "Kaya", "Nowak", "Weber", "Diaz", "Chen", "Novak"] * 25,
        cvv_match=["Y", "N"] * 100,
    )
    assert propose_roles(survey(table), "t").inputs == ["cvv_match"]


@pytest.mark.parametrize(("name", "form"), [
    ("period", "2024-{:02}"), ("month", "2024{:02}"), ("week", "2024-W{:02}"), ("quarter", "2024Q{}"),
])
def test_a_month_and_a_week_are_no_inputs(name, form):
    spans = [form.format(1 + n // 50) for n in range(200)]
    proposal = propose_roles(survey(ROW.assign(**{name: spans})), "t")
    assert proposal.inputs == [] and "further time" in proposal.left_out[name]


def test_a_class_of_devices_is_no_entity():
    devices = ["Edge", "Chrome", "Safari", "Firefox", "iOS App", "Android App", "Opera", "Chip Reader"]
    table = ROW.assign(device=devices * 25, device_id=[f"d-{n % 23:05}" for n in range(200)])
    proposal = propose_roles(survey(table), "t")
    assert "device_id" in proposal.entities
    assert "device" in proposal.inputs


NAMELESS = ROW.set_axis(["a", "b", "c", "d"], axis=1).assign(z=[f"{n % 13 + 0.5}" for n in range(200)])


@pytest.mark.parametrize("order", range(3))
@pytest.mark.parametrize("epoch", [False, True])
def test_what_a_person_names_is_taken_and_the_rest_is_proposed_around_it(order, epoch):
    "Names that say nothing; the truth is what the person says."
    table = NAMELESS.assign(a=pd.to_datetime(ROW.when).astype("int64") // 10**9) if epoch else NAMELESS
    table = table.sample(frac=1.0, axis=1, random_state=order)
    chosen = read_choices(["timestamp=a", "card=b", "amount=c", "is_fraud=d"])
    proposal = propose_roles(survey(table), "t", chosen)
    found = {name: proposal.columns[name] for name in ("timestamp", "amount", "is_fraud", "b")}
    assert found == {"timestamp": "a", "amount": "c", "is_fraud": "d", "b": "b"}
    assert (proposal.card, proposal.inputs) == ("b", ["z"])
    assert all("you chose it" in proposal.notes[name] for name in found)


def test_a_choice_that_cannot_be_is_one_sentence():
    table = survey(NAMELESS.assign(w=["x", "y"] * 100))
    for texts, expected in {
        ("timestamp=x",): "t has no column 'x', which was named as the time",
        ("timestamp=a", "amount=a"): "a was named as the time and as the amount",
        ("timestamp=w", "amount=z", "is_fraud=d"): "w was named as the time, and values such as 'x' are not",
        ("amount=c",): "looks like the label of a transaction: name it as in `--column is_fraud=COLUMN`",
        ("is_fraud=b", "amount=c", "timestamp=a"): "b cannot be the label",
    }.items():
        with pytest.raises(UserError) as refused:
            propose_roles(table, "t", read_choices(list(texts)))
        assert expected in str(refused.value)


def test_the_parts_of_a_time_are_named_in_any_order():
    when = pd.to_datetime(ROW.when)
    table = ROW.assign(tag=when.dt.strftime("%d.%m.%Y"), uhr=when.dt.strftime("%H:%M"))
    for parts in (["timestamp=tag", "timestamp=uhr"], ["timestamp=uhr", "timestamp=tag"]):
        assert propose_roles(survey(table), "t", read_choices(parts)).columns["timestamp"] == ["tag", "uhr"]


def test_a_column_that_is_named_for_one_role_plays_no_other():
    table = survey(ROW)
    assert propose_roles(table, "t").card == "user_id"
    proposal = propose_roles(table, "t", read_choices(["amount=user_id"]))
    assert (proposal.columns["amount"], proposal.card) == ("user_id", None)
    assert propose_roles(table, "t", read_choices(["transaction_id=user_id"])).card is None
    for role, taken in {"card": ("fraud", "label"), "amount": ("when", "time")}.items():
        with pytest.raises(UserError, match=f"no column that looks like the {taken[1]}"):
            propose_roles(table, "t", read_choices([f"{role}={taken[0]}"]))


WRITTEN = [(",", "."), (".", ","), (" ", ","), ("\u00a0", ","), ("'", "."), ("’", ".")] # thousands, decimal


@pytest.mark.parametrize(("thousands", "decimal"), WRITTEN)
@pytest.mark.parametrize("rare", [False, True])
def test_marks_between_thousands_are_proposed_where_they_stand(thousands, decimal, rare):
    "The truth is the number that is written; rare: in a few rows alone, behind the first ones."
    table = pd.concat([ROW] * 15, ignore_index=True)
    cents = 100 * (np.arange(len(table)) % 900) + 5 + 40_000_000 * (np.arange(len(table)) > 2_990) * rare
    cents = cents if rare else cents * 30
    forms = [f"{cent / 100:,.2f}".replace(",", "T").replace(".", decimal) for cent in cents]
    table["paid"] = [form.replace("T", thousands) for form in forms]
    looked = survey(table)
    proposal = propose_roles(looked, "t", read_choices(["amount=paid"]))
    source = source_of(proposal, ["amount"])
    mark = {"\u00a0": " ", "’": "'"}.get(thousands, thousands)
    assert (source.decimal_mark, source.thousands_mark) == (decimal, mark)
    read = to_contract(looked.raw, source).execute()
    assert read.amount.tolist() == cents.tolist() and not read.unreadable.notna().any()


def test_points_before_three_digits_are_not_sure():
    grouped = [f"{690 + 37 * n:_}".replace("_", ".") for n in range(200)]
    decimals = [f"{n}.{n:03}" for n in range(200)]
    for texts, doubtful in ((grouped, True), (decimals, False)):
        proposal = propose_roles(survey(ROW.assign(paid=texts)), "t", read_choices(["amount=paid"]))
        assert ("whether the point begins decimals or" in proposal.notes["amount"]) == doubtful


OTHER_SIDES = ["counterparty_id", "beneficiary", "payee_no", "recipient_account", "opposite_account"]


@pytest.mark.parametrize("name", OTHER_SIDES)
def test_the_other_side_is_an_entity_or_said_not_to_be_sure(name):
    table = ROW.loc[ROW.index.repeat(3)].reset_index(drop=True)
    other = pd.Series([f"CP{n * n % 331:04}" for n in range(600)])
    assert name in propose_roles(survey(table.assign(**{name: other})), "t").entities
    gaps = propose_roles(survey(table.assign(**{name: other.where(other.index % 6 > 0)})), "t")
    assert list(gaps.perhaps) == [name] and "not sure" in gaps.left_out[name]


NAMES_OF_OTHERS = [f"X{n * n % 41:04}" for n in range(200)]


def test_who_works_on_what_another_pays_is_an_entity_that_is_not_sure():
    proposal = propose_roles(survey(ROW.assign(driver_id=NAMES_OF_OTHERS)), "t")
    assert proposal.card == "user_id" and proposal.entities == ["user_id", "driver_id"]
    assert "not sure" in proposal.notes["driver_id"]


def test_a_bank_stands_for_its_side_where_nobody_is_named():
    banks = [f"BANK{chr(65 + n % 25)}E2X" for n in range(200)]
    nobody = ROW.drop(columns="user_id").assign(sender_bic=banks)
    proposal = propose_roles(survey(nobody), "t")
    assert proposal.card == "sender_bic" and "not sure" in proposal.notes["sender_bic"]
    assert propose_roles(survey(nobody.assign(user_id=ROW.user_id)), "t").entities == ["user_id"]


@pytest.mark.parametrize("name", ["session_ref", "agreement_id"])
def test_an_id_that_repeats_and_is_no_entity_is_named(name):
    table = ROW.loc[ROW.index.repeat(3)].reset_index(drop=True).assign(device_id=[*range(300)] * 2)
    proposal = propose_roles(survey(table.assign(**{name: [f"{n * 7 % 289}" for n in range(600)]})), "t")
    assert name in proposal.entities or name in proposal.perhaps
    twin = propose_roles(survey(table.assign(**{name: table.user_id.map("u{:03}".format)})), "t")
    assert name not in [*twin.entities, *twin.perhaps] # it says the same as user_id


@pytest.mark.parametrize("name", ["dest_geo", "origin_country", "sender_region", "receiver_city", "payee"])
def test_a_place_or_a_text_of_few_values_is_no_entity(name):
    table = ROW.assign(**{name: ["IN", "CA", "GB", "US", "NG", "SG", "DE", "BR"] * 25})
    proposal = propose_roles(survey(table), "t")
    assert proposal.entities == ["user_id"] and proposal.inputs == [name]


@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m%d%H%M%S"])
def test_numbers_that_are_all_days_are_a_time_whatever_the_name(form):
    when = pd.to_datetime(ROW.when)
    table = ROW.drop(columns="when").assign(zq=when.dt.strftime(form).astype("int64"), band=when.dt.hour // 3)
    proposal = propose_roles(survey(table), "t")
    assert (proposal.columns["timestamp"], proposal.types["timestamp"]) == ("zq", form)
    assert "not sure" in proposal.notes["timestamp"]
    with pytest.raises(UserError, match="looks like the time"): # one number that is no day
        propose_roles(survey(table.assign(zq=table.zq.where(table.index != 150, table.zq + 80 * 10**8))), "t")


def test_names_in_korean_are_understood():
    names = {"when": "거래일시", "user_id": "출금계좌번호", "paid": "거래금액", "fraud": "이상거래여부"}
    proposal = propose_roles(survey(ROW.rename(columns=names)), "t")
    roles = {name: proposal.columns[name] for name in ("timestamp", "amount", "is_fraud", proposal.card)}
    assert set(roles.values()) == set(names.values())


@pytest.mark.parametrize("level", [0.05, 0.4, 0.6])
def test_a_flag_alone_is_a_label_that_is_not_sure(level):
    flags = [str(n % 100 < 100 * level) for n in range(200)]
    table = ROW.drop(columns="fraud").assign(is_flagged=flags, risk_score=range(200), approved=[0, 1] * 100)
    if level > 0.5: # no fraud is that frequent
        with pytest.raises(UserError, match="looks like the label"):
            propose_roles(survey(table), "t")
    else:
        proposal = propose_roles(survey(table), "t")
        assert proposal.columns["is_fraud"] == "is_flagged"
        assert ALERT in proposal.notes["is_fraud"]


ALERT = "not sure: it may be an alert of a rule"
ALERTS = ["alert", "high_risk", "needs_review", "rule_hit", "unusual_activity", "risco", "riskli", "異常"]
ALERTS += ["alerta_riesgo", "is_anomaly", "sospetta", "подозрительная", "可疑", "mencurigakan"]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_a_label_where_no_other_is_and_not_sure(name):
    table = ROW.rename(columns={"fraud": name}).assign(approved=[0, 1] * 100)
    assert ALERT in propose_roles(survey(table), "t").notes["is_fraud"]
    both = propose_roles(survey(table.assign(is_fraud=ROW.fraud[::-1].to_numpy())), "t")
    assert both.columns["is_fraud"] == "is_fraud"


@pytest.mark.parametrize("words", [("ok", "suspicious"), ("clear", "alert"), ("normal", "flagged")])
def test_words_of_an_alert_are_a_label_that_is_not_sure(words):
    table = ROW.drop(columns="fraud").assign(screening=[words[n % 20 == 0] for n in range(200)])
    proposal = propose_roles(survey(table), "t")
    assert proposal.labels == {words[0]: 0, words[1]: 1}
    assert "not sure that it is the label at all" in proposal.notes["is_fraud"]


NO_ALERTS = ["is_high_risk_merchant", "high_risk_country", "is_new_device", "declined", "previous_alert"]


@pytest.mark.parametrize("name", NO_ALERTS)
def test_a_flag_of_somebody_or_of_the_past_is_no_label(name):
    with pytest.raises(UserError, match="looks like the label"):
        propose_roles(survey(ROW.rename(columns={"fraud": name})), "t")


@pytest.mark.parametrize(("name", "counts", "labels"), [
    ("class", (10, 60, 130), {"1": 1, "2": 0, "3": None}),
    ("class", (20, 120, 60), {"1": 1, "2": 0, "3": None}),
    ("target", (20, 120, 60), {"1": 1, "2": 0, "3": None}),
])
def test_three_numbers_are_labels_that_are_not_sure(name, counts, labels):
    table = ROW.drop(columns="fraud").assign(**{name: np.repeat([1, 2, 3], counts)})
    proposal = propose_roles(survey(table), "t")
    assert proposal.labels == labels
    assert "not sure which value says what" in proposal.notes["is_fraud"]
    assert all(f"({count:,} rows)" in proposal.notes["is_fraud"] for count in counts)


def test_the_fingerprint_of_a_card_is_a_card():
    prints = {"payment.card.fingerprint": [f"{n * n % 31:016x}" for n in range(200)]}
    table = ROW.drop(columns="user_id").assign(**prints)
    assert propose_roles(survey(table), "t").card == "payment_card_fingerprint"


@pytest.mark.parametrize("clock", ["%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"])
def test_abbreviations_of_zones_are_times_of_a_region_that_is_to_be_named(clock):
    moments = pd.date_range("2024-02-20", periods=200, freq="13h", tz="UTC")
    when = pd.Series(moments.tz_convert("Europe/London"))
    proposal = propose_roles(survey(ROW.assign(when=when.dt.strftime(f"{clock} %Z"))), "t")
    assert proposal.types.get("timestamp") == (f"{clock} %Z" if "/" in clock else None)
    assert "not sure: BST counts only where prepare.timezone" in proposal.notes["timestamp"]


def test_an_amount_that_was_named_as_the_time_is_told():
    for paid in (ROW.paid, ROW.paid + " EUR"):
        table = survey(ROW.assign(paid=paid))
        with pytest.raises(UserError, match="paid was named as the time"):
            propose_roles(table, "t", read_choices(["timestamp=paid"]))


def test_times_and_numbers_in_one_column_are_told():
    mixed = [str(1_790_000_000 + n) if n % 3 else when for n, when in enumerate(ROW.when)]
    with pytest.raises(UserError, match="when was named as the time, and holds numbers such as 1790000001"):
        propose_roles(survey(ROW.assign(when=mixed)), "t", read_choices(["timestamp=when"]))


def test_the_time_of_the_label_is_never_the_time_without_doubt():
    proposal = propose_roles(survey(ROW.rename(columns={"when": "label_time"})), "t")
    assert "not sure" in proposal.notes["timestamp"]


CURRENCIES = [("usd", 1, True), ("USD", 100, False), ("JPY", 1, False)]


@pytest.mark.parametrize(("currency", "factor", "doubtful"), CURRENCIES)
def test_whole_amounts_beside_a_currency_with_cents_are_not_sure(currency, factor, doubtful):
    amounts = [factor * (16_050 + 137 * n) for n in range(200)]
    table = ROW.drop(columns="paid").assign(amount=amounts, currency=currency)
    proposal = propose_roles(survey(table), "t")
    assert ("not sure: perhaps cents" in proposal.notes["amount"]) == doubtful


WHOLE = {"JPY": "¥", "HUF": "HUF ", "IDR": "Rp ", "KRW": "₩", "EUR": "€", "USD": "$"} # currency → its sign


@pytest.mark.parametrize("place", ["name", "column", "sign"])
@pytest.mark.parametrize("currency", WHOLE)
def test_amounts_of_a_currency_without_cents_stay_whole(currency, place):
    amounts = pd.Series([1_600 + 137 * n for n in range(200)])
    written = amounts.map("{:,}".format) if place == "sign" else amounts.astype("float64")
    sign = WHOLE[currency] if place == "sign" else ""
    table = ROW.drop(columns="paid").assign(amount=sign + written if sign else written)
    if place == "name":
        table = table.rename(columns={"amount": f"amount_{currency.lower()}"})
    if place == "column":
        table["currency"] = currency
    proposal = propose_roles(survey(table), "t")
    assert proposal.decimals["amount"] == (2 if currency in ("EUR", "USD") else 0)
    assert "cents" not in proposal.notes["amount"]
