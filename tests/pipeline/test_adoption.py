"""`mlproj data inspect --write`: a stopped command can run again, and no change of a person is lost."""

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from mlproj.core.checks import UserError
from mlproj.pipeline import adoption
from mlproj.pipeline.adoption import DECISIONS, adopt
from mlproj.pipeline.proposal import Given, propose, read_given
from support import ROOT


@pytest.fixture
def folder(tmp_path) -> Path:
    "A project of one commit."
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    author = ["-c", "user.name=reader", "-c", "user.email=reader@localhost"]
    for command in (["init"], ["add", "--all"], ["commit", "--message", "Begin"]):
        subprocess.run(["git", *author, *command], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


@pytest.fixture(scope="module")
def proposals(tmp_path_factory) -> list[str]: # of two files
    folder, made = tmp_path_factory.mktemp("files"), []
    for share in (9, 11):
        lines = [
            f"2024-03-{n // 40 + 1:02} {n % 24:02}:{n % 60:02}:00,c{n % 9},{n % 90}.50,{int(n % share == 0)}"
            for n in range(900)
        ]
        (folder / "sales.csv").write_text("\n".join(["time,card,amount,fraud", *sorted(lines)]) + "\n")
        made.append(propose([folder / "sales.csv"]))
    return made


def stop_at(number: int, after: bool, monkeypatch) -> None:
    "Let the command be stopped at the file of this number, before or after the file has its name."
    written, whole = [], adoption.put_in_place

    @contextmanager
    def interrupted(path):
        written.append(path)
        if len(written) == number and not after:
            raise KeyboardInterrupt
        with whole(path) as place:
            yield place
        if len(written) == number:
            raise KeyboardInterrupt

    monkeypatch.setattr(adoption, "put_in_place", interrupted)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("earlier", [False, True]) # whether a proposal was written before
def test_a_stopped_write_can_be_run_again(folder, proposals, monkeypatch, number, after, earlier):
    if earlier:
        adopt(folder, proposals[0])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(number, after, patch)
        adopt(folder, proposals[1])
    adopt(folder, proposals[1])
    assert "as it was written" in (folder / DECISIONS).read_text()


def test_what_a_person_changed_after_a_write_is_not_replaced(folder, proposals):
    adopt(folder, proposals[0])
    adopt(folder, proposals[1])
    with (folder / "params.yaml").open("a") as file:
        file.write("# mine\n")
    with pytest.raises(UserError, match="has changes that no commit holds"):
        adopt(folder, proposals[1])


@pytest.mark.parametrize("earlier", [False, True]) # whether a proposal was written before
def test_how_files_are_read_may_be_set_before_a_write(folder, proposals, earlier):
    if earlier:
        adopt(folder, proposals[0])
    params = folder / "params.yaml"
    read_so = params.read_text().replace("  csv: {}\n", "  csv:\n    encoding: cp1250\n")
    read_so = read_so.replace("  timezone: UTC\n", "  timezone: Europe/Prague\n", 1)
    params.write_text(read_so)
    given = read_given(folder)
    assert given == Given({"encoding": "cp1250"}, "Europe/Prague", "1970-01-01")
    kept = proposals[1].replace("  csv: {}", "  csv: {encoding: cp1250}")
    adopt(folder, kept.replace("  timezone: UTC", "  timezone: Europe/Prague", 1))
    assert read_given(folder) == given
    params.write_text(read_so.replace("max_rejected: 0.01", "max_rejected: 0.02", 1))
    with pytest.raises(UserError, match="has changes that no commit holds"):
        adopt(folder, proposals[1])


def zoned_sales(n_rows: int, zone: str, form: str) -> tuple[str, pd.Series]: # text of a file, its moments
    start = pd.Timestamp("2024-03-01", tz="UTC")
    moments = pd.Series(pd.date_range(start, periods=n_rows, freq="67min")).dt.tz_convert(zone)
    written = moments.dt.strftime(form) if form else (moments - start).dt.total_seconds() // 60
    rows = [f"{time},c{n % 9},{n % 90}.50,{int(n % 9 == 0)}" for n, time in enumerate(written)]
    return "\n".join([f"{'time' if form else 'step_minutes'},card,amount,fraud", *rows]), moments


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S %Z", "%d/%m/%Y %H:%M:%S %Z", "%Y-%m-%d %H:%M:%S", ""])
def test_times_are_proposed_in_the_zone_and_from_the_start_of_the_settings(tmp_path, form):
    text, moments = zoned_sales(900, "Europe/London", form)
    (tmp_path / "sales.csv").write_text(text)
    given = Given(timezone="Europe/London", start="2024-03-01")
    proposal = propose([tmp_path / "sales.csv"], given=given)
    first, last = (f"{time:%Y-%m-%d %H:%M}" for time in moments.dt.tz_convert("UTC").iloc[[0, -1]])
    assert f"# 900 transactions from {first} to {last} UTC, " in proposal
    proposed = YAML(typ="safe", pure=True).load(proposal)
    assert proposed["prepare"]["timezone"] == proposed["features"]["timezone"] == "Europe/London"
    assert proposed["prepare"]["start"] == ("1970-01-01" if form else "2024-03-01")
    assert proposed["features"]["calendar"] == ["is_weekend", "is_night"]
    assert "is timezone right?" not in proposal and "not known" not in proposal and "not real" not in proposal


def test_times_that_name_a_zone_need_its_region(tmp_path):
    text, _ = zoned_sales(900, "Europe/London", "%Y-%m-%d %H:%M:%S %Z")
    (tmp_path / "sales.csv").write_text(text)
    assert "Set aside: " in propose([tmp_path / "sales.csv"])
    proposal = propose([tmp_path / "sales.csv"], given=Given(timezone="Europe/London"))
    assert "Set aside: " not in proposal and "BST counts only where" not in proposal


def test_files_keep_their_names_in_the_reasons(tmp_path):
    times = [f"2024-03-{n // 40 + 1:02} {n % 24:02}:{n % 60:02}:00" for n in range(900)]
    rows = [f"{time},c{n % 9},{n % 90}.50,{int(n % 9 == 0)}" for n, time in enumerate(times)]
    wider = ["time,card,amount,fraud,shop", *(f"{row},s" for row in rows)]
    (tmp_path / "sales_1.csv").write_text("\n".join(wider))
    (tmp_path / "sales_2.csv").write_text("\n".join(["time,card,amount,fraud", *rows]))
    assert "\n# sales_2.csv lacks shop, which other files have.\n" in propose([tmp_path])


@pytest.mark.parametrize("name", ["agent\nid", "agent: id # a", "x] id", "agent\u2028id", "agent\x07 id"])
def test_comments_stay_on_their_line_whatever_a_column_is_called(name, tmp_path):
    rows = range(600)
    table = pd.DataFrame({
        "when": [1_769_753_174 + n * 977 for n in rows],
        "card": [f"C{100 + n % 30}" for n in rows],
        name: [f"Z{100 + n * 7 % 40}" if n % 3 else None for n in rows],
        "amount": [f"{n % 70}.{10 + n % 80}" for n in rows],
        "fraud": [int(n % 20 == 0) for n in rows],
    })
    table.to_csv(tmp_path / "a.csv", index=False)
    proposed = propose([tmp_path / "a.csv"])
    assert "may name somebody too" in proposed
    assert YAML(typ="safe").load(proposed)["prepare"]["entities"] == ["card"]
