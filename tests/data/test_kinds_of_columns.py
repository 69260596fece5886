"Kinds of columns that unknown tables hold: values say what they are where names do not."

import ibis
import numpy as np
import pandas as pd
import pytest

from mlproj.core.engine import connect
from mlproj.data.conversions import to_contract
from mlproj.data.profile import survey_table
from mlproj.data.proposal import propose_roles
from mlproj.data.proposed_columns import Proposal, source_of

N = 800
DAY = 86_400


def write_table(seed: int) -> pd.DataFrame:
    "Draw transactions with nothing but the columns of the contract, and a shop."
    draw = np.random.default_rng(seed)
    times = pd.Timestamp("2024-03-01") + pd.to_timedelta(np.sort(draw.integers(0, 90 * DAY, N)), "s")
    return pd.DataFrame({
        "ref": [f"R{9_000_000 + n}" for n in range(N)],
        "booked": times.strftime("%Y-%m-%d %H:%M:%S"),
        "holder": [f"H-{n:05}" for n in draw.integers(0, 60, N)],
        "shop": [f"Shop {n}" for n in draw.integers(0, 30, N)],
        "amount": (draw.lognormal(4, 1, N) + 0.01).round(2),
        "is_fraud": (draw.random(N) < 0.06).astype(int),
    })


def in_engine(table: pd.DataFrame) -> ibis.Table:
    return connect().create_table(ibis.util.gen_name("t"), table, temp=True)


def proposal_of(table: pd.DataFrame) -> Proposal:
    return propose_roles(survey_table(in_engine(table)), "t")


@pytest.mark.parametrize("name", ["hesap_gunleri", "shop_zzyzx", "KundeQuax", "account_lifetime"])
def test_an_age_names_nobody_whatever_it_is_called(name):
    table = write_table(1)
    opened = table.holder.str[2:].astype(int) * 37 % 1_900
    ages = (pd.to_datetime(table.booked) - pd.Timestamp("2020-01-01")).dt.days - opened
    proposal = proposal_of(table.assign(**{name: ages}))
    assert [proposal.columns[entity] for entity in proposal.entities] == ["holder", "shop"]
    assert name in [proposal.columns[column] for column in proposal.inputs]


def test_numbers_of_customers_are_no_ages():
    table = write_table(2)
    numbers = table.holder.str[2:].astype(int) * 131 + 7
    proposal = proposal_of(table.drop(columns="holder").assign(kunde=numbers))
    assert proposal.columns[proposal.card] == "kunde"


@pytest.mark.parametrize("name", ["weak_negative", "policy_positive", "is_negative_case"])
def test_one_side_of_a_verdict_is_no_input(name):
    table = write_table(3)
    cleared = (np.arange(N) % 20 == 3).astype(int) * (1 - table.is_fraud)
    proposal = proposal_of(table.assign(**{name: cleared}))
    assert proposal.inputs == []
    assert name in proposal.doubtful


@pytest.mark.parametrize(("name", "words", "others"), [
    ("pattern_label", ["NORMAL"], ["LAYERING", "CIRCULAR", "FAN_OUT"]),
    ("is_flagged", ["False"], ["True"]),
    ("scheme_class", ["benign"], ["takeover"]),
])
def test_a_doubtful_label_is_named_and_said(name, words, others):
    table, draw = write_table(4), np.random.default_rng(4)
    label = np.where(draw.random(N) < 0.7, draw.choice(words, N), draw.choice(others, N))
    proposal = proposal_of(table.drop(columns="is_fraud").assign(**{name: label}))
    assert proposal.columns["is_fraud"] == name
    assert "not sure" in proposal.notes["is_fraud"]


def test_computed_floats_are_rounded_and_said():
    table = write_table(5)
    computed = table.amount / 3
    proposal = proposal_of(table.assign(amount=computed))
    assert (proposal.decimals, proposal.types["amount"]) == ({"amount": 2}, "rounded")
    assert "rounded to 2 digits after the point" in proposal.notes["amount"]
    read = to_contract(in_engine(table.assign(amount=computed)), source_of(proposal), "t").execute()
    assert read.unreadable.isna().all()
    assert (read.amount - 100 * computed).abs().max() <= 0.5


def test_small_computed_floats_keep_digits_that_tell():
    table = write_table(6)
    proposal = proposal_of(table.assign(amount=table.amount / 3e4))
    assert proposal.decimals["amount"] >= 5


def test_whole_amounts_with_a_point_keep_cents():
    table = write_table(7)
    written = table.assign(amount=[f"{value:.1f}" for value in table.amount.round()])
    assert proposal_of(written).decimals == {"amount": 2}


IN_OTHER_WORDS = { # by language: the time, the card, the amount, the label; what a model may not see
    "Russian": (("дата_операции", "номер_карты", "сумма_руб", "признак_мошенничества"),
                ("баланс_после", "уровень_риска", "статус_проверки")),
    "Chinese": (("交易时间", "客户编号", "支付金额", "是否欺诈"), ("交易后余额", "风险评分", "审核结果")),
    "Japanese": (("取引日時", "会員番号", "利用金額", "不正フラグ"),
                 ("取引後残高", "リスクスコア", "審査結果")),
    "Korean": (("거래일시", "회원번호", "결제금액", "사기여부"), ("거래후잔액", "위험점수", "심사결과")),
    "Vietnamese": (("thoi_gian", "ma_khach_hang", "so_tien", "la_gian_lan"),
                   ("so_du_sau", "diem_rui_ro", "trang_thai")),
    "Turkish": (("islem_tarihi", "musteri_no", "tutar", "sahte_mi"),
                ("sonraki_bakiye", "risk_puani", "onay_durumu")),
    "Arabic": (("tarikh_almuamala", "raqm_alhisab", "almablagh", "ihtiyal"),
               ("risk_score", "hala_almuamala")),
}


@pytest.mark.parametrize("language", IN_OTHER_WORDS)
def test_names_of_many_languages_are_understood(language):
    table, draw = write_table(8), np.random.default_rng(8)
    roles, later = IN_OTHER_WORDS[language]
    columns = ("booked", "holder", "amount", "is_fraud")
    further = {name: draw.choice(["5.25", "7.5", "9.75"], N) for name in later}
    proposal = proposal_of(table.rename(columns=dict(zip(columns, roles, strict=True))).assign(**further))
    found = [proposal.columns[name] for name in ("timestamp", proposal.card, "amount", "is_fraud")]
    assert found == list(roles)
    assert proposal.inputs == []


@pytest.mark.parametrize("name", [
    "num_linked_cards", "number_of_previous_orders", "accounts_per_device", "shared_wallets"
])
def test_how_many_there_are_is_no_id_and_nobody(name):
    table, draw = write_table(9), np.random.default_rng(9)
    proposal = proposal_of(table.assign(**{name: draw.integers(0, 40, N)}))
    assert [proposal.columns[one] for one in proposal.entities] == ["holder", "shop"]
    assert proposal.inputs == [name]


@pytest.mark.parametrize("name", ["is_duplicate", "approval_bypassed", "risk_flag", "flagged_for_review"])
def test_a_flag_of_misconduct_is_a_label_that_is_not_sure(name):
    table = write_table(10)
    proposal = proposal_of(table.rename(columns={"is_fraud": name}))
    assert proposal.columns["is_fraud"] == name
    assert "not sure" in proposal.notes["is_fraud"]
    labelled = proposal_of(table.assign(**{name: table.is_fraud.sample(frac=1, random_state=1).array}))
    assert labelled.columns["is_fraud"] == "is_fraud"


@pytest.mark.parametrize("kind", ["steps", "epoch", "login_time"])
def test_a_time_that_its_name_does_not_tell_is_not_sure(kind):
    table = write_table(11)
    times = pd.to_datetime(table.booked).astype("datetime64[s]").astype("int64")
    written = {"steps": {"zzyzx": (times - times[0]) / 10}, "epoch": {"zzyzx": times}, "login_time": {
        "login_time": table.booked.sample(frac=1, random_state=1).array}}[kind]
    proposal = proposal_of(table.drop(columns="booked").assign(**written))
    assert proposal.columns["timestamp"] == next(iter(written))
    assert "not sure" in proposal.notes["timestamp"]


def test_another_amount_in_place_of_the_amount_is_not_sure():
    table = write_table(12)
    others = table.rename(columns={"amount": "zzyzx"}).assign(previous_amount=table.amount[::-1].array)
    proposal = proposal_of(others)
    assert proposal.columns["amount"] == "zzyzx" or "not sure" in proposal.notes["amount"]


def test_a_few_companies_are_a_category():
    table, draw = write_table(13), np.random.default_rng(13)
    companies = draw.choice(["Swift Mile", "Post", "Kuri", "On Foot", "Sure"], N)
    proposal = proposal_of(table.assign(delivery_provider=companies))
    assert [proposal.columns[one] for one in proposal.entities] == ["holder", "shop"]
    assert "delivery_provider" in proposal.inputs


def test_the_ground_truth_counts_before_disputes():
    table, draw = write_table(14), np.random.default_rng(14)
    disputed = ((draw.random(N) < 0.05) | (table.is_fraud == 1)).astype(int)
    for name in ("ground_truth", "true_label", "is_actual_fraud"):
        proposal = proposal_of(table.rename(columns={"is_fraud": name}).assign(has_dispute=disputed))
        assert proposal.columns["is_fraud"] == name
        assert proposal.inputs == []


@pytest.mark.parametrize(("genuine", "fraud"), [
    ("いいえ", "はい"), ("아니오", "예"), ("không", "có"), ("否", "是"), ("Hayır", "Evet"),
    ("정상", "사기"), ("正常", "欺诈"), ("легитимная", "мошенническая"), ("hợp lệ", "gian lận"),
    ("meşru", "sahte"), ("non-fraud", "fraud"),
])
def test_labels_of_many_languages_say_which_are_the_frauds(genuine, fraud):
    table = write_table(15)
    proposal = proposal_of(table.assign(is_fraud=np.where(table.is_fraud == 1, fraud, genuine)))
    assert proposal.labels == {genuine.lower(): 0, fraud.lower(): 1}
    assert "not sure" not in proposal.notes["is_fraud"]


@pytest.mark.parametrize("name", ["reimbursement_claimed", "payout_requested", "cost_billed"])
def test_an_amount_that_was_asked_for_is_the_amount(name):
    table = write_table(16)
    proposal = proposal_of(table.rename(columns={"amount": name}).assign(paid_out=table.amount * 0.5))
    assert proposal.columns["amount"] == name


@pytest.mark.parametrize("name", ["uid", "message_id", "call_record_id", "policy_claim_ref"])
def test_what_names_each_row_is_its_id(name):
    table = write_table(17)
    others = {"session_token": table.ref.str.replace("R", "S")[::-1].array}
    assert proposal_of(table.rename(columns={"ref": name}).assign(**others)).columns["transaction_id"] == name


def test_whoever_is_paid_acts_where_nobody_pays():
    table = write_table(18).rename(columns={"holder": "beneficiary"})
    proposal = proposal_of(table)
    assert proposal.columns[proposal.card] == "beneficiary"
    assert "not sure that it pays" in proposal.notes[proposal.card]


def test_a_flag_of_hours_is_no_hour():
    table, draw = write_table(19), np.random.default_rng(19)
    assert proposal_of(table.assign(unusual_hour=draw.integers(0, 2, N))).inputs == ["unusual_hour"]


@pytest.mark.parametrize("form", [
    "%Y-%m-%dT%H:%M:%S.%f+00:00Z", "%a, %d %b %Y %H:%M:%S GMT", "%Y%m%dT%H%M%SZ", "%Y-%m-%d %H:%M:%S,%f",
])
def test_times_as_programs_write_them_are_read(form):
    table = write_table(20)
    proposal = proposal_of(table.assign(booked=pd.to_datetime(table.booked).dt.strftime(form)))
    assert (proposal.columns["timestamp"], proposal.types["timestamp"]) == ("booked", form)
