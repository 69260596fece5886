"""The pipeline as a picture: its stages and their order, drawn as an SVG that needs no script."""

import re
from pathlib import Path

import networkx as nx
from dvc.repo import Repo

WIDTH, HEIGHT, ACROSS, DOWN = 176, 34, 200, 62 # the size of a box; the steps from one box to the next


def stage_graph(
    root: Path,
) -> nx.DiGraph: # from a stage to the stages that read its outputs; a stage of several models is one node
    "Read the pipeline of dvc.yaml. An arrow that other arrows imply is left out."
    with Repo(str(root)) as repo:
        graph = nx.DiGraph(
            (name(source), name(stage))
            for stage, source in repo.index.graph.edges
            if in_pipeline(stage, source)
        )
    return nx.transitive_reduction(graph)


def in_pipeline(*stages) -> bool:
    names = {name(stage) for stage in stages}
    return all(stage.path_in_repo == "dvc.yaml" for stage in stages) and len(names) > 1


def name(stage) -> str:
    return stage.name.split("@")[0]


def place(graph: nx.DiGraph) -> dict[str, tuple[float, int]]: # {stage: centre of its box}
    """Put each stage in a row below all stages that it reads from.

    Within a row, stages are ordered by the positions of the stages that they read from, and then by the
    number of stages that depend on them. The largest number stands on the left.
    """
    places = {}
    for row, stages in enumerate(nx.topological_generations(graph)):
        above = {stage: sum(places[before][0] for before in graph.predecessors(stage)) for stage in stages}
        ordered = sorted(stages, key=lambda stage: (above[stage], -len(nx.descendants(graph, stage)), stage))
        for column, stage in enumerate(ordered):
            places[stage] = ((column - (len(ordered) - 1) / 2) * ACROSS, row * DOWN)
    return places


def draw(root: Path) -> str: # SVG, part of an HTML page
    "Draw the pipeline. Each box links to the reports of its stage."
    graph = stage_graph(root)
    places = place(graph)
    left = min(x for x, _ in places.values()) - WIDTH / 2 - 4
    width, height = -2 * left, max(y for _, y in places.values()) + HEIGHT + 8
    edges = "".join(curve(places[one], places[other]) for one, other in sorted(graph.edges))
    boxes = "".join(box(stage, *places[stage], several(root, stage)) for stage in graph)
    return (
        f'<svg class="pipeline" viewBox="{left} {-HEIGHT / 2 - 4} {width} {height}" role="group" '
        'aria-label="The stages of the pipeline">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>{edges}{boxes}</svg>'
    )


def curve(one: tuple[float, int], other: tuple[float, int]) -> str:
    (x, y), (x2, y2) = (one[0], one[1] + HEIGHT / 2), (other[0], other[1] - HEIGHT / 2)
    return f'<path d="M{x} {y} C{x} {y + 26} {x2} {y2 - 26} {x2} {y2}" marker-end="url(#arrow)"/>'


def box(stage: str, x: float, y: float, one_a_model: bool) -> str:
    words = re.sub("_", " ", stage) + (", one a model" if one_a_model else "")
    frame = f'<rect x="{x - WIDTH / 2}" y="{y - HEIGHT / 2}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
    shape = f'{frame}<text x="{x}" y="{y + 5}">{words}</text>'
    return shape if stage == "guard" else f'<a href="pipeline/{stage}.html">{shape}</a>'


def several(root: Path, stage: str) -> bool:
    return (root / "reports" / stage).is_dir()
