"""What the package declares, and whether its wheel installs with nothing but that."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlproj.pipeline.dependencies import all_modules, imported_packages
from support import ROOT

MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "mlproj").rglob("*.py")
    if path.name not in ("__init__.py", "_modidx.py")
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LEFT_OUT = {"nvidia-nccl-cu12", "rfc3987-syntax"} # packages that the Makefile leaves out of the lock
OPTIONAL = {"spark": "pyspark", "sequence": "torch"} # only functions import them


def names_of(requirements: list[str]) -> set[str]: # such as ruamel-yaml
    return {canonicalize_name(Requirement(text).name) for text in requirements}


BASE = names_of(PROJECT["dependencies"])


def module_name(path: str) -> str: # such as mlproj.features.batch
    return path.removesuffix(".py").replace("/", ".")


def test_every_package_that_is_imported_is_declared():
    declared = BASE.union(*(names_of(needs) for extra, needs in EXTRAS.items() if extra != "dev"))
    looked_at = set()
    for module in MODULES:
        packages = imported_packages((ROOT / module).read_text())
        assert packages <= declared, f"{module} imports {packages - declared}"
        looked_at |= packages
    assert len(looked_at) > 25


def test_nbdev_is_told_where_each_name_is_documented():
    (point,) = (point for point in entry_points(group="nbdev") if point.name == "mlproj")
    pages = point.load()["syms"]
    modules = {module_name(path) for path in MODULES}
    assert pages.keys() - {"mlproj"} == modules and len(pages) > 55


def test_each_extra_holds_all_that_it_needs():
    "One extra is enough: Spark, the sequence model and development need the packages that train."
    assert EXTRAS.keys() == {"train", "dev", *OPTIONAL}
    assert all("mlproj[train]" in needs for extra, needs in EXTRAS.items() if extra != "train")
    assert not names_of(EXTRAS["train"]) & BASE


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    "The wheel, built from a copy of the sources."
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "mlproj", source / "mlproj", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    subprocess.run(build, check=True, capture_output=True)
    return next(folder.glob("mlproj-*.whl"))


def install(wheel: Path, folder: Path, extra: str | None) -> Path: # of the environment
    "Install the wheel in an empty environment, with the packages that the base and one extra need."
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python"]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", wheel], check=True, capture_output=True)
    needs = [*PROJECT["dependencies"], *(EXTRAS[extra] if extra else [])]
    for needed in closure(needs).values():
        link(needed, packages)
    return folder


def closure(needs: list[str]) -> dict[str, Distribution]: # by name
    "Collect the installed packages that requirements ask for, and all packages that they need."
    waiting, looked_at, installed = [(Requirement(text), "") for text in needs], set(), {}
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name == "mlproj": # an extra of this project that another extra names
            waiting += [(Requirement(text), "") for inner in requirement.extras for text in EXTRAS[inner]]
            continue
        for wanted in {"", *requirement.extras} - {asked for other, asked in looked_at if other == name}:
            looked_at.add((name, wanted))
            try:
                installed[name] = distribution(name)
            except PackageNotFoundError:
                assert name in LEFT_OUT, f"{name} is needed, and not installed"
                continue
            waiting += [(Requirement(text), wanted) for text in installed[name].requires or []]
    return installed


def link(needed: Distribution, packages: Path) -> None:
    "Put a package's files into an environment, as links."
    for file in needed.files:
        if ".." not in file.parts and file.suffix != ".pyc": # commands are not needed here
            (packages / file).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(needed.locate_file(file), packages / file)


def run(environment: Path, command: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [environment / "bin" / command, *arguments], capture_output=True, text=True, cwd=folder
    )


def import_all(environment: Path, names: list[str]) -> None:
    code = f"import mlproj, {', '.join(names)}; print(mlproj.__file__)"
    done = run(environment, "python", "-I", "-c", code, folder=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(environment))


@pytest.mark.slow
def test_the_base_alone_starts_the_command(wheel, tmp_path):
    environment = install(wheel, tmp_path / "base", None)
    import_all(environment, base_modules())
    assert "run" in run(environment, "mlproj", "--help", folder=tmp_path).stdout
    failed = run(environment, "mlproj", "report", folder=ROOT)
    assert failed.returncode == 1
    assert re.fullmatch(
        r"mlproj: \w+ is not installed: this command needs the extra train, pip install 'mlproj\[train\]'\n",
        failed.stderr,
    )


def base_modules() -> list[str]:
    "Find the modules that import, directly or indirectly, only packages of the base."
    alone = []
    for path in MODULES:
        sources = [(ROOT / module).read_text() for module in all_modules({path}, ROOT)]
        if all(imported_packages(source) <= BASE for source in sources):
            alone.append(module_name(path))
    assert {"mlproj.core.checks", "mlproj.core.files", "mlproj.core.settings"} <= set(alone)
    assert "mlproj.data.versions" in alone
    return alone


@pytest.mark.slow(30)
@pytest.mark.parametrize("extra", ["train", *OPTIONAL])
def test_one_extra_alone_brings_what_its_modules_import(wheel, tmp_path, extra):
    if extra in OPTIONAL:
        pytest.importorskip(OPTIONAL[extra])
    environment = install(wheel, tmp_path / extra, extra)
    names = [*map(module_name, MODULES), *imported_by_functions(extra)]
    assert len(names) > 60
    import_all(environment, names)


def imported_by_functions(extra: str) -> list[str]:
    "Some packages are imported only when needed, so importing a module does not test them."
    always = ["dvc", "onnx", "onnxmltools", "onnxruntime", "optuna", "papermill", "psycopg"]
    return [*always, *([OPTIONAL[extra]] if extra in OPTIONAL else [])]
