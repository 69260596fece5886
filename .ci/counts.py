"""Print how long cells, lines, notebooks and modules are: `python .ci/counts.py [FOLDER]`.

Without a folder it counts this project. The counts inform whoever writes; they are no limit.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

LONG = 100 # characters


def read_cells(folder: Path) -> list[list[dict]]: # notebook by notebook
    "Read the notebooks of a folder and of the folders in it."
    paths = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    return [json.loads(path.read_text())["cells"] for path in paths]


def code_lines(cell: dict) -> list[str]: # without directives and empty lines at the end
    return [line for line in "".join(cell["source"]).rstrip().splitlines() if not line.startswith("#|")]


def is_import(lines: list[str]) -> bool:
    "Say whether a cell only imports."
    return all(line.startswith(("import ", "from ", " ", ")", "%")) or not line for line in lines)


def holds_parameters(cell: dict) -> bool: # of a stage
    return "parameters" in cell["metadata"].get("tags", [])


def sort_cells(root: Path) -> dict[str, list[list[str]]]: # {kind: the lines of each cell}
    "Sort the code cells of notebooks by their purpose. Cells of imports and of parameters are left out."
    kinds = defaultdict(list)
    for folder in ("api", "pipeline"):
        for notebook in read_cells(root / "nbs" / folder):
            for cell in notebook:
                lines = code_lines(cell)
                if cell["cell_type"] != "code" or not lines or is_import(lines) or holds_parameters(cell):
                    continue
                exported = "".join(cell["source"]).startswith("#| export")
                kinds["stage" if folder == "pipeline" else "export" if exported else "example"].append(lines)
    return kinds


def describe(name: str, lengths: list[int]) -> str: # a row of a table in Markdown
    return f"| {name} | {len(lengths)} | {median(lengths):g} | {max(lengths)} |"


def write_counts(root: Path) -> str: # Markdown
    "Write a table of lengths, and the share of long lines."
    kinds = sort_cells(root)
    rows = [describe(f"lines of {kind} cells", [*map(len, cells)]) for kind, cells in sorted(kinds.items())]
    for folder in ("api", "pipeline"):
        cells = [len(notebook) for notebook in read_cells(root / "nbs" / folder)]
        rows.append(describe(f"cells of notebooks in nbs/{folder}", cells))
    generated = ("__init__.py", "_modidx.py")
    modules = [path for path in (root / "mlproj").rglob("*.py") if path.name not in generated]
    rows.append(describe("lines of modules", [len(path.read_text().splitlines()) for path in modules]))
    lines = [line for cells in kinds.values() for cell in cells for line in cell]
    share = sum(len(line) > LONG for line in lines) / len(lines)
    table = ["| what | how many | median | largest |", "|---|---|---|---|", *rows]
    summary = f"{share:.1%} of {len(lines):,} lines of code are longer than {LONG} characters."
    return "\n".join([*table, "", summary])


if __name__ == "__main__":
    print(write_counts(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent))
