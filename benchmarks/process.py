"""Measure a function in a process of its own: the duration of the call, and the peak memory."""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def measure(
    name: str, # module:function; the module is imported before the clock starts
    *arguments: object, # values that JSON can hold
) -> dict: # seconds, cpu_seconds of all threads, peak_mb, and the function's value as `result`
    """Call a function in a fresh interpreter, and measure it there.

    Raises `subprocess.CalledProcessError` if the function fails; the traceback goes to the terminal.
    """
    command = [sys.executable, "-m", "benchmarks.process", name, json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def peak_megabytes() -> float: # of a million bytes
    "Read from the kernel the largest memory that this process has held."
    # getrusage counts at least the memory that the parent held when it started this process.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:"))


def main(name: str, arguments: str) -> None:
    module, function = name.split(":")
    call = getattr(importlib.import_module(module), function)
    start, busy = time.perf_counter(), time.process_time()
    result = call(*json.loads(arguments))
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    print(
        json.dumps({"seconds": seconds, "cpu_seconds": busy, "peak_mb": peak_megabytes(), "result": result})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
