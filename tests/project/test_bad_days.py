"""Bad days: what a user sees, and that nothing is lost.

Each is a row of records/bad_days.json, which the tests write where MLPROJ_RECORD is set.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from mlproj.data.versions import hash_files, hash_folder, read_record
from support import MADE, ROOT, Project, copy_project

ROWS = ROOT / "records" / "bad_days.json"
STAGES = ["prepare", "features", "train@logistic", "backtest@logistic", "compare", "judge"]
STAGES += ["finalize", "score", "explain", "audit", "model_card"]


class Day:
    "A project on a bad day: its results before the mishap, and the results that are lost afterwards."

    def __init__(self, project: Project):
        self.root, self.run = project.root, project.run
        self.project, self.before = project, made(project)

    def tell(self, what: str, where: str, seen: str) -> None:
        """Do as the message says and look what is lost, then run again what stopped, and everything.

        What was seen is compared with the row of the table.
        """
        self.run("rm -rf reports/failed")
        advice = re.search("come back with `(.*?)`|`(dvc checkout [^`]*)` brings", seen)
        if advice:
            self.run(advice[1] or advice[2])
        lost = self.lost() if advice else set()
        assert leftovers(self.root) == []
        stopped = re.search("mlproj run ([a-z_]+)$", where) or re.search("failed to reproduce '(.*?)'", seen)
        if stopped:
            self.run(f"dvc repro --single-item --force {stopped[1]}")
        self.run("dvc repro")
        self.run("git diff --exit-code HEAD") # also dvc.lock, whose hashes are then those of the commit
        lost |= self.lost()
        row = {
            "where": where,
            "seen": seen.replace(str(self.root), "…"),
            "lost": ", ".join(sorted(lost)) or "nothing",
        }
        compare_row(what, row)
        assert row["lost"] == "nothing"

    def withdraw(self) -> None:
        "Go back to the data of the commit, from a version that was added."
        self.run("git checkout --quiet data.dvc && dvc checkout data.dvc")

    def lost(self) -> set[str]:
        after = made(self.project)
        return {name for name in MADE if after[name] != self.before[name]}


def made(project: Project) -> dict[str, str]: # {folder: hash}
    return {name: hash_folder(project.root / name) for name in MADE}


def leftovers(root: Path) -> list[str]:
    "Find the files and folders that a command keeps only while it works."
    half_written = [
        path for name in MADE for path in (root / name).glob("**/.*") if path.suffix[1:].isdecimal()
    ]
    paths = half_written + [*root.glob(".data[-.]*"), *root.glob("kernel-ipc*")]
    return sorted(path.relative_to(root).as_posix() for path in paths)


def compare_row(what: str, row: dict[str, str]) -> None:
    "Compare a row with the committed row, or write it."
    with FileLock(Path(tempfile.gettempdir()) / "mlproj-bad-days.lock"):
        rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
        if os.environ.get("MLPROJ_RECORD"):
            ROWS.write_text(
                json.dumps(dict(sorted((rows | {what: row}).items())), indent=1, ensure_ascii=False) + "\n"
            )
            return
    assert rows[what] == row


def shells_word(status: int) -> str:
    "Write what a shell prints when a signal has ended a process."
    assert status < 0, f"it ended by itself, with {status}"
    return signal.strsignal(-status)


def sentences(done: subprocess.CompletedProcess) -> str:
    "Reduce what a user sees of a mishap to the parts that are the same in each run."
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    begin = ("mlproj: ", "The last good outputs", "The data and outputs", "ERROR: ")
    lines = [line for line in done.stderr.splitlines() if line.startswith(begin)]
    return re.sub(
        r"\b[0-9a-f]{8,}\b|(?<=PID )\d+",
        "…",
        " ".join(lines).replace(" The notebook, as far as it came:", ""),
    )


@pytest.fixture
def day(project) -> Day:
    return Day(project)


# Killed

def test_a_file_is_whole_when_its_writer_is_killed(tmp_path):
    "The kill comes between two groups of rows of a table that replaces an older table."
    script = """if True:
        import os, signal, sys
        import pyarrow as pa
        from mlproj.core.tables import write_parquet

        table = pa.table({"amount": range(2**18)})

        def batches(dies):
            yield from table.to_batches(max_chunksize=2**17)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)

        rows = pa.RecordBatchReader.from_batches(table.schema, batches(sys.argv[1] == "dies"))
        write_parquet(rows, "rows.parquet", {})
    """
    run = [sys.executable, "-c", script]
    subprocess.run([*run, "lives"], cwd=tmp_path, check=True)
    good = (tmp_path / "rows.parquet").read_bytes()
    assert subprocess.run([*run, "dies"], cwd=tmp_path).returncode == -signal.SIGKILL
    assert (tmp_path / "rows.parquet").read_bytes() == good
    assert len(list(tmp_path.iterdir())) == 2 # half a file, under another name
    subprocess.run([*run, "lives"], cwd=tmp_path, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


# Kills DVC, the shell that some systems start between, the stage's command and its kernel, in this order.
KILL = """
import psutil
kernel = psutil.Process()
parents = kernel.parents()
dvc = next(process for process in parents if process.name() == "dvc")
for process in [dvc, *reversed(parents[:parents.index(dvc)]), kernel]:
    process.kill()
"""


@pytest.mark.long
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_killed_between_its_outputs(day, stage):
    path = day.root / f"nbs/pipeline/{stage.split('@')[0]}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    code = [number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    first = next(
        (number for number in code if re.search(r"(write|save)_\w+\((?!\))", notebook.cells[number].source)),
        code[-1],
    )
    notebook.cells.insert(first + 1, nbformat.v4.new_code_cell(KILL))
    good = {name: hash_files(day.root / name) for name in MADE}
    lock = (day.root / "dvc.lock").read_text()
    nbformat.write(notebook, path)
    command = f"exec dvc repro --single-item --force {stage}"
    done = subprocess.run(command, shell=True, cwd=day.root, capture_output=True, text=True, env=shell())
    for name in MADE: # whole or absent
        assert hash_files(day.root / name).items() <= good[name].items()
    day.run("git checkout --quiet nbs")
    day.run(f"dvc repro --single-item --force {stage}")
    assert (day.root / "dvc.lock").read_text() == lock
    seen = f"{sentences(done)} {shells_word(done.returncode)}".strip()
    day.tell("DVC and the stage are killed between two outputs, each stage", "dvc repro", seen)


def shell() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
    }


@pytest.fixture
def temporary(monkeypatch) -> Iterator[Path]:
    "The system's folder for temporary files; its name is short, because it holds sockets."
    with tempfile.TemporaryDirectory(prefix="bad-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def begun(day, temporary) -> Iterator[list[psutil.Process]]:
    "DVC, the command of a stage and the kernel, while the stage runs."
    command = "exec dvc repro --single-item --force features"
    dvc = subprocess.Popen(
        command, shell=True, cwd=day.root, env=shell(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    process = psutil.Process(dvc.pid)
    until(lambda: kernels_of(process))
    (kernel,) = kernels_of(process)
    processes = [process, kernel.parent(), kernel]
    yield processes
    for left in processes:
        if left.is_running():
            left.kill()
    dvc.wait()


def kernels_of(process: psutil.Process) -> list[psutil.Process]:
    kernels = []
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess): # the process has ended meanwhile
            kernels += [child] * ("ipykernel_launcher" in child.cmdline())
    return kernels


def until(happened, seconds: float = 60) -> None:
    "Wait for it."
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.mark.slow
def test_dvc_and_the_command_are_killed_and_the_kernel_ends_by_itself(day, temporary, begun):
    dvc, command, kernel = begun
    assert "ipykernel" in " ".join(kernel.cmdline())
    until(lambda: list(temporary.glob("mlproj-*/kernel-ipc-*")))
    dvc.kill()
    command.kill()
    seen = shells_word(dvc.wait())
    until(lambda: not kernel.is_running(), 20)
    assert not (day.root / "features/features.parquet").exists()
    lock = (day.root / "dvc.lock").read_text()
    assert list(temporary.glob("mlproj-*"))
    day.run("dvc repro --single-item --force features")
    assert (day.root / "dvc.lock").read_text() == lock
    assert list(temporary.iterdir()) == []
    day.tell(
        "DVC and the stage's command are killed while the stage runs; its kernel ends within seconds",
        "dvc repro",
        seen,
    )


@pytest.mark.long
def test_dvc_alone_is_killed_and_the_stage_goes_on(day, begun):
    dvc, command, kernel = begun
    kernel.suspend()
    dvc.kill()
    psutil.wait_procs([dvc])
    done = day.run("mlproj run features", fails=True)
    kernel.resume()
    until(lambda: not command.is_running())
    assert made(day.project) == day.before
    day.tell(
        "DVC alone is killed, the stage goes on, and is begun a second time",
        "mlproj run features",
        sentences(done),
    )


@pytest.mark.slow
def test_two_runs_at_once(day, begun):
    begun[2].suspend()
    done = day.run("dvc repro --single-item --force features", fails=True)
    begun[2].resume()
    told = re.sub(r"\S+/dvc|(?<=PID )\d+", lambda found: "dvc" if "/" in found[0] else "…", done.stderr)
    # The output names a process once for each of its files.
    seen = " ".join(dict.fromkeys(line.strip() for line in told.splitlines() if line.strip()))
    psutil.wait_procs(begun[:1])
    assert made(day.project) == day.before
    day.tell("A second `dvc repro` while the first one runs", "dvc repro", seen)


# Kills or stops a command before its nth change of a name, or its nth start of another program.
# Run it with -B: Python renames bytecode when it has written it.
KILLER = """
import os, signal, sys
left, how = int(sys.argv.pop(1)), int(sys.argv.pop(1))
def count(event, arguments):
    global left
    if event in ("os.rename", "subprocess.Popen") and "git" not in str(arguments[0]):
        left -= 1
        if not left:
            os.kill(os.getpid(), how)
sys.addaudithook(count)
from mlproj.cli import app
app()
"""
LINES = (
    "transaction_id,timestamp,customer_id,terminal_id,amount,is_fraud,scenario\n"
    "9000001,2018-09-08,1,1,100,0,0\n"
)


def begin_data(day: Day, n: int, how: signal.Signals, arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-B", "-c", KILLER, str(n), str(int(how)), "data", *arguments.split()]
    return subprocess.Popen(
        command, cwd=day.root, env=shell(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def kill_data_before(
    day: Day, n: int, arguments: str
) -> str: # what the user sees; empty if the command was not killed
    status = begin_data(day, n, signal.SIGKILL, arguments).wait()
    return shells_word(status) if status else ""


def add_again(day: Day) -> str: # what the user sees
    again = subprocess.run(
        "mlproj data && mlproj data add mine.csv",
        shell=True,
        cwd=day.root,
        capture_output=True,
        text=True,
        env=shell(),
    )
    assert again.returncode == 0 or "mine.csv has the same content as" in again.stderr, again.stderr
    return re.sub(r"\b[0-9a-f]{8}\b", "…", again.stdout.splitlines()[0])


@pytest.mark.long
def test_data_is_killed_while_it_is_replaced(day):
    """The kill comes after data/ has been moved away, and before the new version has its name.

    Without a cache, DVC makes everything again.
    """
    (day.root / "mine.csv").write_text(LINES)
    killed = kill_data_before(day, 2, "add mine.csv")
    assert not (day.root / "data").exists()
    day.run("rm -rf .dvc/cache && mkdir .dvc/cache") # the folder that was moved away is now the only copy
    seen = add_again(day)
    assert (day.root / "data/transactions/mine.csv").read_text() == LINES
    (day.root / "data/transactions/mine.csv").unlink()
    day.run("git checkout --quiet data.dvc")
    what = "`mlproj data add` is killed between moving data/ away and putting the new version there; "
    day.tell(f"{what}the cache is gone too", "mlproj data", f"{killed}; then: {seen}")


@pytest.mark.slow
def test_two_commands_change_the_data_at_once(day):
    "The first command waits: data/ has been moved away, and the new version has no name yet."
    (day.root / "mine.csv").write_text(LINES)
    (day.root / "other.csv").write_text(LINES)
    first = begin_data(day, 2, signal.SIGSTOP, "add mine.csv")
    until(lambda: psutil.Process(first.pid).status() == psutil.STATUS_STOPPED)
    seen = sentences(day.run("mlproj data add other.csv", fails=True))
    assert seen == sentences(day.run("mlproj data", fails=True))
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert read_record(day.root).version == hash_folder(day.root / "data")
    assert (day.root / "data/transactions/mine.csv").read_text() == LINES
    day.withdraw()
    day.tell("A second `mlproj data add`, or `mlproj data`, while a first one runs", "mlproj data", seen)


@pytest.mark.long
@pytest.mark.parametrize("arguments", ["add mine.csv", ""])
def test_data_is_killed_at_every_step(finished, tmp_path, arguments):
    for n in range(1, 30):
        day = Day(copy_project(finished.root, tmp_path / str(n)))
        (day.root / "mine.csv").write_text(LINES)
        if not arguments:
            day.run("rm -r data")
        seen = kill_data_before(day, n, arguments)
        if not seen:
            break
        if arguments:
            add_again(day)
            assert read_record(day.root).version == hash_folder(day.root / "data")
            assert (day.root / "data/transactions/mine.csv").read_text() == LINES
        day.run("mlproj data") # removes the files that the refused command has left
        assert leftovers(day.root) == []
        day.withdraw()
        if not arguments:
            assert day.run("git status --porcelain data.dvc").stdout == ""
        day.tell(
            f"`mlproj data{' add' if arguments else ''}` is killed before any of its steps",
            "mlproj data",
            seen,
        )
    assert n > 3


# The disk

@contextmanager
def mounted(*arguments: str, on: Path) -> Iterator[None]:
    "Mount a file system for a while, or skip the test where mounting is not allowed."
    on.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *arguments, str(on)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(on)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    with mounted("--bind", str(folder), on=folder):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    with mounted("-t", "tmpfs", "-o", "size=160m", "tmpfs", on=tmp_path / "disk"):
        yield tmp_path / "disk"


def fill(folder: Path, name: str = "filler") -> Path: # a file that fills all free space
    path = folder / name
    with open(path, "wb", buffering=0) as file: # closing would write a buffer again
        try:
            while True:
                file.write(bytes(2**20))
        except OSError:
            pass
    return path


@pytest.mark.slow
def test_a_full_disk(finished, small_disk):
    day = Day(copy_project(finished.root, small_disk / "project"))
    (day.root / "mine.csv").write_text(LINES)
    filler = fill(small_disk)
    stage, added = day.run("mlproj run features", fails=True), day.run("mlproj data add mine.csv", fails=True)
    assert made(day.project) == day.before
    assert leftovers(day.root) == []
    (day.root / "features/features.parquet").unlink() # DVC removes it before the stage
    more = fill(small_disk, "more")
    dvc = day.run("dvc repro --single-item --force features", fails=True)
    assert leftovers(day.root) == []
    filler.unlink()
    more.unlink()
    day.run("mlproj repro") # removes the list of files in use that DVC may have written half
    day.tell("The disk is full", "mlproj run features", sentences(stage))
    day.tell("The disk is full: data", "mlproj data add", sentences(added))
    day.tell("The disk is full: DVC", "dvc repro", sentences(dvc))


@pytest.mark.long
def test_a_folder_that_is_read_only(day):
    (day.root / "mine.csv").write_text(LINES)
    with read_only(day.root / "features"):
        stage = day.run("mlproj run features", fails=True)
    with read_only(day.root):
        project, added = (
            day.run("mlproj run features", fails=True),
            day.run("mlproj data add mine.csv", fails=True),
        )
    assert made(day.project) | {"reports": ""} == day.before | {"reports": ""} # reports/failed has one more
    day.tell("A folder of outputs is read-only", "mlproj run features", sentences(stage))
    day.tell("The project is read-only", "mlproj run features", sentences(project))
    day.tell("The project is read-only: data", "mlproj data add", sentences(added))


@pytest.mark.long
def test_too_little_memory(day):
    limit = day.run("MLPROJ_ENGINE_MEMORY_LIMIT=10MB MLPROJ_ENGINE_THREADS=2 mlproj run features", fails=True)
    day.tell("The engine may use 10 MB", "mlproj run features", sentences(limit))


def plant(day: Day, code: str) -> None:
    "Put a cell into the notebook of the stage features, right after its parameters."
    path = day.root / "nbs/pipeline/features.ipynb"
    notebook = nbformat.read(path, as_version=4)
    tagged = next(
        number for number, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])
    )
    notebook.cells.insert(tagged + 1, nbformat.v4.new_code_cell(code))
    nbformat.write(notebook, path)


@pytest.mark.slow
def test_the_kernel_is_killed_for_want_of_memory(day):
    "The system kills the kernel while the stage runs, and before the stage begins."
    plant(day, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    done = day.run("mlproj run features", fails=True)
    command = subprocess.Popen(
        "exec mlproj run features", shell=True, cwd=day.root, env=shell(), stderr=subprocess.PIPE, text=True
    )
    process = psutil.Process(command.pid)
    until(lambda: process.children() and "ipykernel" in " ".join(process.children()[0].cmdline()))
    process.children()[0].kill()
    stderr = command.communicate()[1]
    assert sentences(subprocess.CompletedProcess("", 1, "", stderr)) == sentences(done)
    assert made(day.project) | {"reports": ""} == day.before | {"reports": ""} # reports/failed has one more
    day.run("git checkout --quiet nbs")
    day.tell(
        "The system kills the stage's kernel, as it does where memory is short",
        "mlproj run features",
        sentences(done),
    )


@pytest.mark.long
def test_memory_that_does_not_suffice(day):
    "The stage meets one limit in a known place, and the other limits anywhere."
    plant(day, "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\nbytearray(2**30)")
    done = day.run("mlproj run features", fails=True)
    day.run("git checkout --quiet nbs")
    for megabytes in (500, 900, 1300, 1650, 1700, 1750):
        limited = subprocess.run(
            f"ulimit -v {megabytes * 1024}; mlproj run features",
            shell=True,
            cwd=day.root,
            capture_output=True,
            text=True,
            env=shell(),
        )
        told = [line for line in limited.stderr.splitlines() if line.startswith("mlproj: ")]
        assert limited.returncode == 0 or re.search("memory.* engine.memory_limit.* settings.ini", told[0]), (
            limited.stderr
        )
    day.run("dvc repro --single-item --force features") # removes the files that a dead kernel has left
    day.tell(
        "A stage may use one gigabyte of memory, and asks for more", "mlproj run features", sentences(done)
    )


@pytest.mark.long
def test_memory_that_does_not_suffice_for_the_data(day):
    "The memory is enough to begin, and too little for eight years."
    # Each thread takes some memory.
    limit = "ulimit -v 800000; export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1"
    done = day.run(f"{limit}; mlproj data add --days 3000", fails=True)
    assert "add fewer days" in done.stderr
    assert made(day.project) == day.before
    day.tell("`mlproj data add --days 3000` may use 800 MB of memory", "mlproj data add", sentences(done))


# Files

def damage(path: Path, how: str) -> bytes:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    return {
        "truncated": bytes(content[: len(content) // 2]),
        "empty": b"",
        "with a flipped bit": bytes(content),
    }[how]


@pytest.mark.long
@pytest.mark.parametrize("how", ["truncated", "empty"])
def test_a_damaged_parquet_file(day, how):
    (day.root / "mine.parquet").write_bytes(damage(day.root / "data/transactions/2018-07.parquet", how))
    done = day.run("mlproj data add mine.parquet", fails=True)
    day.tell(f"A Parquet file is added: {how}", "mlproj data add", sentences(done))


@pytest.mark.long
def test_a_flipped_bit_in_a_parquet_file_that_is_added(day):
    "Parquet keeps no sums unless the writer asks for them, so a damaged value may be read."
    rows = pq.read_table(day.root / "data/transactions/2018-07.parquet").to_pandas()
    rows = rows.assign(
        transaction_id=rows.transaction_id + 10**8, timestamp=rows.timestamp + pd.Timedelta(days=60)
    )
    path = day.root / "mine.parquet"
    rows.to_parquet(path, index=False, compression=None, column_encoding="PLAIN", use_dictionary=False)
    amounts = pq.read_metadata(path).row_group(0).column(list(rows.columns).index("amount"))
    last = amounts.data_page_offset + amounts.total_compressed_size - 8
    sound = path.read_bytes()

    path.write_bytes(sound[:5] + bytes([sound[5] ^ 8]) + sound[6:])
    day.run("mlproj data add mine.parquet")
    done = day.run("mlproj run prepare", fails=True)
    day.tell(
        "A Parquet file is added: with a flipped bit in the head of a page",
        "mlproj run prepare",
        sentences(done),
    )

    path.write_bytes(sound[:last] + bytes([sound[last] ^ 8]) + sound[last + 1:])
    day.run("mlproj data add mine.parquet")
    done = day.run("dvc repro prepare")
    read = pq.read_table(
        day.root / "prepared/transactions.parquet", columns=["transaction_id", "amount"]
    ).to_pandas()
    read = read.set_index("transaction_id").amount[rows.transaction_id].to_numpy()
    wrong = (read != rows.amount).sum()
    day.withdraw()
    what = "A Parquet file is added: with a flipped bit in an amount"
    day.tell(what, "dvc repro", f"{sentences(done) or 'nothing'}; {wrong} amount is not what it was")


def test_a_flipped_bit_in_the_data(day):
    path = day.root / "data/transactions/2018-07.parquet"
    path.write_bytes(damage(path, "with a flipped bit"))
    done = day.run("dvc repro", fails=True)
    day.tell("One bit flips in a Parquet file of data/", "dvc repro", sentences(done))


def cached(day: Day, md5: str) -> Path:
    return day.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


@pytest.mark.long
def test_a_damaged_output_and_a_damaged_copy_in_the_cache(day):
    path = day.root / "prepared/transactions.parquet"
    path.write_bytes(damage(path, "truncated"))
    ran = re.findall("Running stage '(.*)'", day.run("dvc repro").stdout)
    assert made(day.project) == day.before
    day.tell("A table of the pipeline is truncated", "dvc repro", f"DVC runs {' and '.join(ran)} again")

    md5 = hash_files(day.root / "data")["transactions/2018-07.parquet"]
    copy = cached(day, md5)
    copy.chmod(0o644)
    copy.write_bytes(damage(copy, "with a flipped bit"))
    copy.chmod(0o444)
    day.run("rm -r data")
    done = day.run("mlproj data")
    assert hash_folder(day.root / "data") == day.before["data"]
    assert hash_files(copy.parent)[copy.name] == md5
    seen = re.sub(r"\b[0-9a-f]{8,}\b", "…", f"{done.stderr.strip()}; {done.stdout.strip()}")
    day.tell("A file of the data is damaged in DVC's cache, and data/ is gone", "mlproj data", seen)


@pytest.mark.long
def test_a_damaged_copy_of_an_output_in_the_cache(day):
    "DVC trusts its cache, whose files are read-only."
    path = day.root / "features/features.parquet"
    copy = cached(day, hash_files(path.parent)[path.name])
    assert not copy.is_symlink() and copy.stat().st_nlink == 1 # outputs are copies
    copy.chmod(0o644)
    copy.write_bytes(damage(copy, "with a flipped bit"))
    copy.chmod(0o444)
    day.run("rm -r features && dvc checkout")
    assert day.lost() == {"features"}
    assert "features:" not in day.run("dvc status dvc.yaml").stdout
    assert "up to date" in day.run("dvc repro").stdout
    assert day.lost() == {"features"}
    (reason,) = [
        line
        for line in day.run("mlproj verify", fails=True).stdout.splitlines()
        if line.startswith("features: ")
    ]
    day.run(re.search("`(rm .*?)`", reason)[1])
    day.run("dvc repro")
    day.run("rm -r features && dvc checkout") # from the cache, which is sound again
    day.tell(
        "A file of a stage's output is damaged in DVC's cache, and `dvc checkout` brings it; "
        "`dvc status` and `dvc repro` see nothing",
        "mlproj verify",
        re.sub(r"[0-9a-f]{2}/[0-9a-f]{30}", "…", reason),
    )


# Rows

WELL = {"transaction_id": None, "timestamp": "2018-09-08 10:00:00", "customer_id": "1", "terminal_id": "1"}
WELL |= {"amount": "100", "is_fraud": "0"}
BROKEN = { # a row, and why it is set aside
    "amount: missing": [{"amount": value} for value in ("NaN", "")],
    "amount: unreadable": [{"amount": value} for value in ("inf", "-inf", "many")],
    "amount: beyond 64 bits": [{"amount": value} for value in ("1e30", "9" * 30)],
    "amount: not a whole number": [{"amount": "12.5"}],
    "amount: negative, set aside as a refund": [{"amount": "-1"}],
    "amount: too large": [{"amount": str(2**41)}],
    "timestamp: missing": [{"timestamp": ""}],
    "timestamp: unreadable": [{"timestamp": value} for value in ("yesterday", "2018-13-01")],
    "timestamp: before 1900 or after 2200": [{"timestamp": value} for value in ("1066-10-14", "2999-01-01")],
    "transaction_id: seen before": [{"transaction_id": "9000000"}],
    "transaction_id: missing": [{"transaction_id": ""}],
    "customer_id: missing": [{"customer_id": ""}],
    **{f"is_fraud: neither 0 nor 1, but {value}": [{"is_fraud": value}] for value in ("2", "yes", "0.5")},
}
# Times in another zone, out of order and in the future, and the times that are read.
SOUND = {
    "2018-09-08 12:00:00+02:00": "2018-09-08 10:00:00",
    "2018-09-07": "2018-09-07 00:00:00",
    "2031-01-01": "2031-01-01 00:00:00",
}
N_ROWS = 100_000


def write_broken(path: Path) -> dict[str, int]: # {reason: rows}
    sound = [({}, None), *(({"timestamp": time}, None) for time in SOUND)]
    kinds = [*sound, *((row, reason) for reason, rows in BROKEN.items() for row in rows)]
    counts = dict.fromkeys(BROKEN, 0)
    with open(path, "w") as file:
        file.write(",".join([*WELL, "scenario"]) + "\n")
        for number in range(N_ROWS):
            row, reason = kinds[number % len(kinds)]
            file.write(",".join({**WELL, "transaction_id": str(9_000_000 + number), **row}.values()) + ",0\n")
            if reason:
                counts[reason] += 1
    return counts


@pytest.mark.slow
def test_a_hundred_thousand_rows_of_every_broken_kind(day):
    counts = write_broken(day.root / "mine.csv")
    day.run("mlproj data add mine.csv")
    done = day.run("mlproj run prepare", fails=True)
    day.project.params(lambda params: params["prepare"].update(max_rejected=0.99))
    day.run("dvc repro prepare")
    summary = json.loads((day.root / "metrics/prepare.json").read_text())
    assert summary["rejected_by_reason"] == dict(sorted(counts.items()))
    rejected = pq.read_table(day.root / "prepared/rejected.parquet").to_pandas()
    assert rejected.row.is_unique and len(rejected) == sum(counts.values())
    assert summary["kept"] + summary["rejected"] == summary["rows"]
    transactions = pq.read_table(
        day.root / "prepared/transactions.parquet", columns=["transaction_id", "timestamp"]
    ).to_pandas()
    assert transactions.timestamp.is_monotonic_increasing
    by_id = transactions.set_index("transaction_id").timestamp
    assert [str(by_id[9_000_001 + n]) for n in range(3)] == [f"{time}+00:00" for time in SOUND.values()]
    day.run("git checkout --quiet params.yaml")
    seen = re.sub(r"\d{4,} ", "… ", sentences(done))
    broken = "amounts that are NaN, infinite, negative or enormous, "
    broken += "times and labels that are none, ids missing or twice"
    read = "times out of order, in another zone and in the future are read"
    day.tell(f"A CSV of 100,000 rows is added: {broken}; {read}", "mlproj run prepare", seen)


RAGGED = {
    "a line of too many fields": ("z.csv", "9000002,2018-09-08,1,1,100,0,0,0\n"),
    "a line of too few fields": ("y.csv", "9000002,2018-09-08,1\n"),
    "a quote that does not end": ("x.csv", '9000002,"2018-09-08,1,1,100,0,0\n'),
    "a line cut in the middle": ("w.csv", "9000002,2018-0"),
    "a line cut in the middle, of JSON": ("v.jsonl", '{"transaction_id": 9000002, "timest'),
}


@pytest.mark.long
def test_lines_that_are_not_whole(day):
    "Files are read in the order of their names; the message names the first unreadable file."
    for what, (name, line) in RAGGED.items():
        whole = '{"transaction_id": 9000001}\n' if name.endswith("jsonl") else LINES
        (day.root / name).write_text(whole + line)
        early = name.endswith("jsonl") # its names stand in all of its lines
        done = day.run(f"mlproj data add {name}", fails=early)
        seen = sentences(done if early else day.run("mlproj run prepare", fails=True))
        assert f"{name} cannot be read: line {whole.count(chr(10)) + 1} " in seen
        assert made(day.project)["prepared"] == day.before["prepared"]
        RAGGED[what] = seen
    for what, seen in RAGGED.items():
        where = "mlproj run prepare" if "prepare stopped" in seen else "mlproj data add"
        day.tell(f"A file is added that has {what}", where, seen)


@pytest.mark.long
@pytest.mark.parametrize(
    ("what", "first", "last"),
    [
        ("no fraud at all", "2018", "2019"),
        ("no fraud in the training week", "2018-07-25", "2018-08-01"),
    ],
)
def test_labels_of_one_class(day, what, first, last):
    make_genuine(day, first, last)
    done = day.run("dvc repro", fails=True)
    ran = ["guard", "prepare", "features", "train@logistic"]
    assert re.findall("Running stage '(.*)'", done.stdout) == ran
    day.tell(
        f"The data have {what}; then they come back", "dvc repro", re.sub(r"\d{4,}", "…", sentences(done))
    )


@pytest.mark.long
def test_a_later_fold_without_a_fraud_to_learn_from(day):
    make_genuine(day, "2018-08-15", "2018-08-22")
    day.run("dvc repro backtest")
    said = (day.root / "reports/backtest/logistic.ipynb").read_text()
    assert "1 fold of 8 (2018-08-15): no fraud to learn from, so all scores are equal." in said


def make_genuine(day: Day, first: str, last: str) -> None:
    "Add the data anew, without the frauds of some days."
    parts = [pq.read_table(path).to_pandas() for path in sorted((day.root / "data/transactions").iterdir())]
    rows = pd.concat(parts)
    rows.loc[rows.timestamp.between(first, last, inclusive="left"), "is_fraud"] = 0
    rows.to_parquet(day.root / "mine.parquet", index=False)
    day.run("mv data mine && rm data.dvc && mlproj data add mine.parquet")
    day.run("mlproj data add --attributes mine/attributes/*")
