"""Worlds of other shapes than the simulated one. What is true in each is known, and said in its docstring."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

DAY = 86_400  # seconds
KINDS = ["grocer", "fuel", "restaurant", "chemist", "clothes", "travel", "electronics", "jewellery"]
USUAL = [180.0, 420.0, 260.0, 140.0, 520.0, 1900.0, 2400.0, 3600.0]  # the mean amount of each kind
EXPENSIVE = [5, 6, 7]  # positions in KINDS


@dataclass(frozen=True)
class OtherWorld:
    "A table as people have it, and what is true of each of its rows."

    name: str
    rows: pd.DataFrame  # as the file has them
    truth: pd.DataFrame  # the same rows: timestamp (UTC), amount (minor units), is_fraud, cause, …
    roles: dict[str, str | list[str]]  # the contract's names and entities → the file's columns
    timezone: str  # of the file's times
    entities: list[str]  # columns of the file, by which windows make sense
    file: str  # its name
    dialect: dict[str, str]  # of the file, as pandas names it

    def write(self, folder: Path) -> Path:  # the file
        "Write the rows into one file of a folder."
        path = folder / self.file
        self.save(path)
        return path

    def save(self, path: Path) -> None:
        "Write the rows into this file."
        self.rows.to_csv(path, index=False, lineterminator="\n", **self.dialect)


# --- cards, shops and kinds of shop, with places, over two years ---


def shop_world(n_rows: int = 60_000, n_days: int = 730, seed: int = 0) -> OtherWorld:
    """Draw purchases of cards in shops, as a Swedish bank could have them.

    True of it: a card shops near its home, mostly by day, for amounts that its owner and the kind of
    shop decide. Frauds come in two ways. *Stolen cards*: within two days, three to eight purchases far
    from home, in kinds of shop that are expensive. *Bad shops*: for thirty days, four in ten purchases
    are frauds, at two to four times the amount. Time of day and weekday do not matter to frauds, and a
    card's home does not.

    A fraud is reported 1 to 25 days later (`ReportedAt`). Other purchases are said to be none after 30
    days. What was neither when the file was written, at the end of its last day, is open: its label is
    empty. Amounts are text with two decimals, in Swedish kronor. Times are local, without their zone.
    """
    draw = np.random.default_rng(seed)
    cards, shops = _cards(draw, max(6, n_rows // 400)), _shops(draw, max(10, n_rows // 400))
    drawn = _purchases(draw, cards, shops, n_rows, n_days)
    drawn = pd.concat([drawn, _stolen_cards(draw, cards, shops, n_days, max(8, n_rows // 600))])
    drawn = _bad_shops(draw, drawn, len(shops), n_days, max(5, n_rows // 1500))
    drawn = drawn.sort_values("second", kind="stable", ignore_index=True)
    truth = _reported(draw, drawn, n_days).assign(cause=drawn.cause)
    local = truth.timestamp.dt.tz_convert("Europe/Stockholm").dt.strftime("%Y-%m-%dT%H:%M:%S")
    reported = truth.label_time.dt.tz_convert("Europe/Stockholm").dt.strftime("%Y-%m-%dT%H:%M:%S")
    card, shop = cards.loc[drawn.card].reset_index(drop=True), shops.loc[drawn.shop].reset_index(drop=True)
    rows = pd.DataFrame(
        {
            "Ref": [f"P{number:07d}" for number in range(len(drawn))],
            "BookedAt": local,
            "CardNumber": card.number,
            "Shop": shop.number,
            "ShopKind": shop.kind.map(dict(enumerate(KINDS))),
            "AmountSEK": (truth.amount / 100).map("{:.2f}".format),
            "HomeLat": card.latitude,
            "HomeLon": card.longitude,
            "ShopLat": shop.latitude,
            "ShopLon": shop.longitude,
            "Fraud": truth.is_fraud.map({0: "N", 1: "Y"}).astype(object).where(truth.is_fraud.notna(), ""),
            "ReportedAt": reported.astype(object).where(truth.is_fraud == 1, ""),
        }
    )
    roles = {
        "transaction_id": "Ref",
        "timestamp": "BookedAt",
        "amount": "AmountSEK",
        "is_fraud": "Fraud",
        "label_time": "ReportedAt",
        "card": "CardNumber",
    }
    return OtherWorld(
        "shop", rows, truth, roles, "Europe/Stockholm", ["CardNumber", "Shop"], "purchases.csv", {}
    )


def _cards(draw: np.random.Generator, n: int) -> pd.DataFrame:
    place = draw.uniform((56, 12), (66, 20), size=(n, 2)).round(5)
    return pd.DataFrame(
        {
            "number": [f"{number:016d}" for number in draw.choice(10**12, n, replace=False) + 4 * 10**15],
            "latitude": place[:, 0],
            "longitude": place[:, 1],
            "purse": draw.lognormal(0, 0.4, n),  # how much its owner spends, as a factor
            "habit": draw.gamma(4, 1, n),  # how often
        }
    )


def _shops(draw: np.random.Generator, n: int) -> pd.DataFrame:
    place = draw.uniform((56, 12), (66, 20), size=(n, 2)).round(5)
    return pd.DataFrame(
        {
            "number": [f"S-{number:05d}" for number in draw.choice(100_000, n, replace=False)],
            "kind": np.concatenate([np.arange(min(n, 8)), draw.choice(8, max(0, n - 8), p=_shares())]),
            "latitude": place[:, 0],
            "longitude": place[:, 1],
        }
    )


def _shares() -> list[float]:
    return [0.3, 0.15, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05]


def _distances(cards: pd.DataFrame, shops: pd.DataFrame) -> np.ndarray:  # (cards, shops) kilometres, roughly
    north = 111 * (cards.latitude.to_numpy()[:, None] - shops.latitude.to_numpy())
    east = 55 * (cards.longitude.to_numpy()[:, None] - shops.longitude.to_numpy())
    return np.hypot(north, east)


def _seconds(draw: np.random.Generator, days: np.ndarray) -> np.ndarray:
    "Draw moments of some days, by day mostly, and never where clocks are changed."
    return days * DAY + np.clip(draw.normal(13, 3.5, len(days)) * 3600, 5 * 3600, 22 * 3600).astype("int64")


def _purchases(
    draw: np.random.Generator, cards: pd.DataFrame, shops: pd.DataFrame, n_rows: int, n_days: int
) -> pd.DataFrame:
    near = np.exp(-_distances(cards, shops) / 60) * np.array(_shares())[shops.kind]
    near = np.cumsum(near / near.sum(axis=1, keepdims=True), axis=1)
    card = draw.choice(len(cards), n_rows, p=cards.habit / cards.habit.sum())
    shop = np.minimum((draw.random(n_rows)[:, None] > near[card]).sum(axis=1), len(shops) - 1)
    usual = np.array(USUAL)[shops.kind.to_numpy()[shop]] * cards.purse.to_numpy()[card]
    return pd.DataFrame(
        {
            "second": _seconds(draw, draw.integers(0, n_days, n_rows)),
            "card": card,
            "shop": shop,
            "amount": usual * draw.lognormal(0, 0.5, n_rows),
            "cause": "",
        }
    )


def _stolen_cards(
    draw: np.random.Generator, cards: pd.DataFrame, shops: pd.DataFrame, n_days: int, n_cards: int
) -> pd.DataFrame:
    distances, expensive = _distances(cards, shops), shops.kind.isin(EXPENSIVE).to_numpy()
    bursts = []
    for _ in range(n_cards):
        card, size = draw.integers(len(cards)), draw.integers(3, 9)
        far = np.flatnonzero(expensive & (distances[card] > np.quantile(distances[card], 0.4)))
        shop = draw.choice(far if len(far) else np.flatnonzero(expensive), size)
        days = draw.integers(0, n_days - 1) + draw.integers(0, 2, size)
        usual = np.array(USUAL)[shops.kind.to_numpy()[shop]]
        amount = usual * draw.lognormal(0.2, 0.4, size)
        burst = {"second": _seconds(draw, days), "card": card, "shop": shop, "amount": amount}
        bursts.append(pd.DataFrame(burst | {"cause": "stolen card"}))
    return pd.concat(bursts)


def _bad_shops(
    draw: np.random.Generator, drawn: pd.DataFrame, n_shops: int, n_days: int, n_bad: int
) -> pd.DataFrame:
    drawn = drawn.reset_index(drop=True)
    for _ in range(n_bad):
        shop, start = draw.integers(n_shops), draw.integers(0, max(1, n_days - 30)) * DAY
        there = (drawn.shop == shop) & drawn.second.between(start, start + 30 * DAY) & (drawn.cause == "")
        hit = drawn.index[there & (draw.random(len(drawn)) < 0.4)]
        drawn.loc[hit, "amount"] *= draw.uniform(2, 4, len(hit))
        drawn.loc[hit, "cause"] = "bad shop"
    return drawn


def _reported(draw: np.random.Generator, drawn: pd.DataFrame, n_days: int) -> pd.DataFrame:
    timestamp = pd.Timestamp("2023-01-01", tz="UTC") + pd.to_timedelta(drawn.second, unit="s")
    end = pd.Timestamp("2023-01-01", tz="UTC") + pd.Timedelta(days=n_days)
    fraud = drawn.cause != ""
    delay = np.where(fraud, draw.integers(DAY, 25 * DAY, len(drawn)), 30 * DAY)
    known = timestamp + pd.to_timedelta(delay, unit="s")
    label = fraud.astype("Int8").where(known < end)
    amount = (drawn.amount * 100).round().astype("int64").clip(lower=100)
    return pd.DataFrame(
        {
            "timestamp": timestamp,
            "amount": amount,
            "is_fraud": label,
            "label_time": known.where(label.notna()),
        }
    )


# --- anonymous numbers over two days, without any entity ---


def anonymous_world(n_rows: int = 60_000, share: float = 0.006, seed: int = 0) -> OtherWorld:
    """Draw numbered rows of two days whose columns have no meaning that anybody could name.

    True of it: there are no cards, no ids, no days to speak of and no reports of frauds. V1 to V12 are
    normal and independent. The log-odds of fraud rise with V1, fall with V4, and rise with the products
    V2 · V3 and V5 · |V6|; V7 to V12, the amount and the time mean nothing. Chance decides too, so
    nobody can rank the rows perfectly: the average precision of `truth.odds` is the best there is.
    `share` of the rows are frauds, exactly. `Time` counts seconds from an unknown start; `Class` is 1
    for a fraud.
    """
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(n_rows, 12)).round(6)
    v = dict(zip((f"V{number}" for number in range(1, 13)), values.T, strict=True))
    odds = 2.0 * v["V1"] - 1.6 * v["V4"] + 1.3 * v["V2"] * v["V3"] + 1.2 * v["V5"] * np.abs(v["V6"])
    fraud = np.zeros(n_rows, dtype=int)
    fraud[np.argsort(-(odds + draw.logistic(0, 0.6, n_rows)))[: round(share * n_rows)]] = 1
    second = np.sort(draw.integers(0, 2 * DAY, n_rows))
    amount = (draw.lognormal(3, 1.2, n_rows) * 100).round().astype("int64") + 1
    rows = pd.DataFrame({"Time": second.astype(float), **v, "Amount": amount / 100, "Class": fraud})
    timestamp = pd.Timestamp("1970-01-01", tz="UTC") + pd.to_timedelta(second, unit="s")
    truth = pd.DataFrame({"timestamp": timestamp, "amount": amount, "is_fraud": fraud, "odds": odds})
    truth["cause"] = np.where(fraud == 1, "odds", "")
    roles = {"timestamp": "Time", "amount": "Amount", "is_fraud": "Class"}
    return OtherWorld("anonymous", rows, truth, roles, "UTC", [], "rows.csv", {})


# --- few frauds, one entity, German names and numbers ---


def awkward_world(n_rows: int = 2_500, n_days: int = 100, seed: int = 0) -> OtherWorld:
    """Draw bookings of a hundred days from sixty German accounts, with few frauds and awkward texts.

    True of it: the account is the one entity. About one booking in a hundred is a fraud: the amount is
    ten times what the account usually pays, and the purpose is `Guthabenkarte`. All labels are there;
    when they became known is not. Day and clock are two columns (`03.05.2025`, `14:05:09`), in German
    time. Amounts are written as `1.234,56`. The file has semicolons, a byte order mark and quotes
    around the purpose, which may hold a semicolon.
    """
    draw = np.random.default_rng(seed)
    account, days = draw.integers(0, 60, n_rows), draw.integers(0, n_days, n_rows)
    second = np.sort(_seconds(draw, days))
    fraud = draw.random(n_rows) < 0.01
    usual = draw.lognormal(3.5, 0.8, 60)[account] * np.where(fraud, 10, 1)
    amount = (usual * draw.lognormal(0, 0.4, n_rows) * 100).round().astype("int64") + 1
    timestamp = pd.Timestamp("2025-05-01", tz="UTC") + pd.to_timedelta(second, unit="s")
    local = timestamp.tz_convert("Europe/Berlin")
    purpose = draw.choice(["Miete; Wohnung", "Überweisung", "Lebensmittel", "Strom & Gas"], n_rows)
    rows = pd.DataFrame(
        {
            "Belegnummer": np.arange(100_001, 100_001 + n_rows),
            "Buchungstag": local.strftime("%d.%m.%Y"),
            "Uhrzeit": local.strftime("%H:%M:%S"),
            "Konto": [f"DE{number:02d} 5001 {number * 37:04d}" for number in account],
            "Verwendungszweck": np.where(fraud, "Guthabenkarte", purpose),
            "Betrag": [_german(cents) for cents in amount],
            "Betrug": np.where(fraud, "ja", "nein"),
        }
    )
    truth = pd.DataFrame({"timestamp": timestamp, "amount": amount, "is_fraud": fraud.astype(int)})
    truth["cause"] = np.where(fraud, "tenfold", "")
    roles = {
        "transaction_id": "Belegnummer",
        "timestamp": ["Buchungstag", "Uhrzeit"],
        "amount": "Betrag",
        "is_fraud": "Betrug",
        "card": "Konto",
    }
    dialect = {"sep": ";", "encoding": "utf-8-sig"}
    return OtherWorld("awkward", rows, truth, roles, "Europe/Berlin", ["Konto"], "buchungen.csv", dialect)


def _german(cents: int) -> str:  # 123456 → 1.234,56
    return f"{cents / 100:,.2f}".translate(str.maketrans(",.", ".,"))


WORLDS = {"shop": shop_world, "anonymous": anonymous_world, "awkward": awkward_world}


if __name__ == "__main__":  # python tests/worlds.py shop ../purchases.csv
    name, file = sys.argv[1], Path(sys.argv[2])
    world = WORLDS[name]()
    world.save(file)
    print(f"{file} has {len(world.rows):,} rows, drawn by chance")
