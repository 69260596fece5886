"""`make house`: draw the sub-packages, their modules and their imports in docs/guide/house.svg."""

import re
from html import escape
from pathlib import Path

import networkx as nx

from mlproj.core.settings import project_root
from mlproj.pipeline.dependencies import module_imports

PICTURE = "docs/guide/house.svg"
WIDTH, MARGIN = 640, 10 # of the picture; around the picture
LANE = 16 # width on the left, for arrows that pass by a row
GAP, DOWN = 12, 40 # between the boxes of a row, between rows
HEAD, LINE = 54, 20 # heights of a box's head and of a module's line
COLUMN = 146 # width of a column of modules
STYLE = """
svg { background: #fdfdfb }
rect { fill: #eef2f6; stroke: #7d8b99 }
text { font-family: system-ui, sans-serif; font-size: 14px; fill: #1c2733 }
.name { font-size: 18px; font-weight: 600 }
.imports { font-size: 13px; fill: #44505c }
path { fill: none; stroke: #4a6b8a; stroke-width: 1.5 }
.head { fill: #4a6b8a; stroke: none }
@media (prefers-color-scheme: dark) {
svg { background: #14181e }
rect { fill: #222a33; stroke: #6d7b89 }
text { fill: #e8edf2 }
.imports { fill: #b3bec9 }
path { stroke: #8fb4d6 }
.head { fill: #8fb4d6 }
}
"""


def read_modules(root: Path) -> dict[str, list[str]]: # {sub-package: paths of its modules}
    "List the modules in the order of their notebooks. A module outside of sub-packages is a box of its own."
    folder, packages = root / "nbs/api", {}
    for notebook in sorted(folder.rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in notebook.parts:
            numbered = notebook.relative_to(folder).with_suffix("").parts
            parts = [re.sub(r"^\d+_", "", part) for part in numbered]
            packages.setdefault(parts[0], []).append(f"mlproj/{'/'.join(parts)}.py")
    return packages


def import_graph(
    root: Path,
    packages: dict[str, list[str]], # from `read_modules`
) -> nx.DiGraph: # from a sub-package to the sub-packages that it imports
    "Read the imports between sub-packages. Raises `ValueError` if the imports form a circle."
    owner = {module: package for package, modules in packages.items() for module in modules}
    graph = nx.DiGraph()
    graph.add_nodes_from(packages)
    for module, package in owner.items():
        imported = {owner[other] for other in module_imports(module, root) if other in owner}
        graph.add_edges_from((package, other) for other in imported - {package})
    if not nx.is_directed_acyclic_graph(graph):
        raise ValueError(f"sub-packages import each other in a circle: {nx.find_cycle(graph)}")
    return graph


class Box:
    "A sub-package in the picture: its modules and its place."

    def __init__(self, package: str, modules: list[str], imports: list[str], width: float):
        self.package, self.imports, self.width = package, imports, width
        self.modules = [Path(module).stem for module in modules if Path(module).parent.name == package]
        self.columns = max(1, int(width // COLUMN))
        self.lines = -(-len(self.modules) // self.columns)
        self.x = self.y = self.height = 0.0

    def head(self) -> float:
        return HEAD if self.imports else HEAD - 18

    def needed_height(self) -> float:
        return self.head() + LINE * self.lines + (6 if self.lines else 0)

    def draw(self) -> str: # SVG
        "Draw the frame, the name, the imported sub-packages, and the modules from top to bottom."
        left = self.x + 12
        parts = [
            f'<rect x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{self.height:g}" rx="6"/>',
            text(left, self.y + 25, self.package, "name"),
        ]
        if self.imports:
            parts.append(text(left, self.y + 44, "imports " + ", ".join(self.imports), "imports"))
        for number, module in enumerate(self.modules):
            column, line = divmod(number, self.lines)
            parts.append(text(left + column * COLUMN, self.y + self.head() + 14 + line * LINE, module))
        return "\n".join(parts)


def text(x: float, y: float, words: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{named}>{escape(words)}</text>'


def place_boxes(packages: dict[str, list[str]], graph: nx.DiGraph) -> list[list[Box]]: # rows, from the top
    "Put each sub-package in a row above the sub-packages that it imports."
    order = list(packages)
    rows = [sorted(row, key=order.index) for row in nx.topological_generations(graph.reverse())][::-1]
    placed, y = [], float(MARGIN)
    for row in rows:
        width = (WIDTH - 2 * MARGIN - LANE - (len(row) - 1) * GAP) / len(row)
        boxes = [Box(name, packages[name], sorted(graph[name], key=order.index), width) for name in row]
        height = max(box.needed_height() for box in boxes)
        for number, box in enumerate(boxes):
            box.x, box.y, box.height = MARGIN + LANE + number * (width + GAP), y, height
        placed.append(boxes)
        y += height + DOWN
    return placed


def draw_arrows(rows: list[list[Box]], arrows: list[tuple[str, str]]) -> list[str]: # SVG
    """Draw an arrow from each sub-package down to each imported sub-package.

    The ends of the arrows are spread over the boxes.
    """
    boxes = {box.package: box for row in rows for box in row}
    level = {box.package: number for number, row in enumerate(rows) for box in row}
    lanes, drawn = 0, []

    def place(name: str) -> tuple[float, int]: # from left to right, and from above
        return boxes[name].x, level[name]

    for above, below in sorted(arrows):
        targets = sorted((other for one, other in arrows if one == above), key=place)
        sources = sorted((one for one, other in arrows if other == below), key=place)
        x, y = spread(boxes[above], targets.index(below), len(targets)), boxes[above].y + boxes[above].height
        x2, y2 = spread(boxes[below], sources.index(above), len(sources)), boxes[below].y - 2
        if level[below] == level[above] + 1:
            line = f"C{x:g} {y + 24:g} {x2:g} {y2 - 24:g} {x2:g} {y2:g}"
        else: # along the left side, past the rows between
            lane = MARGIN + 5 * lanes
            line = f"V{y + 12:g} H{lane:g} V{y2 - 14:g} H{x2:g} V{y2:g}"
            lanes += 1
        drawn.append(f'<path d="M{x:g} {y:g} {line}" marker-end="url(#arrow)"/>')
    return drawn


def spread(box: Box, number: int, total: int) -> float: # x
    "Place an arrow's end among the ends of all arrows at the same side of a box."
    return box.x + box.width * (number + 1) / (total + 1)


def draw_house(root: Path) -> str: # SVG
    """Draw the sub-packages.

    An arrow that other arrows imply is left out. Each box names all sub-packages that it imports.
    """
    packages = read_modules(root)
    graph = import_graph(root, packages)
    rows = place_boxes(packages, graph)
    arrows = draw_arrows(rows, list(nx.transitive_reduction(graph).edges))
    height = rows[-1][0].y + rows[-1][0].height + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
            f'width="{WIDTH}" height="{height:g}">',
            "<title>The sub-packages of mlproj, and which imports which</title>",
            f"<style>{STYLE}</style>",
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" '
            'markerWidth="7" markerHeight="7" orient="auto">',
            '<path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>',
            *arrows,
            *(box.draw() for row in rows for box in row),
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    root = project_root()
    (root / PICTURE).write_text(draw_house(root))
    print(f"{PICTURE} is drawn")
