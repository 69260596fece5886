"""The reference: a page for each notebook of nbs/api, as nbdev's `proc_nbs` processes it, with its code."""

import ast
import re
from pathlib import Path

import nbformat
from nbdev.serve import proc_nbs
from ruamel.yaml import YAML

from links import page_of
from notebooks import as_page, markdown, tag, write


class Module:
    "The names that an API notebook exports, and their code."

    def __init__(self, notebook: Path, root: Path):
        self.page = page_of(notebook.relative_to(root).as_posix(), root)
        self.name = ".".join(Path(self.page).with_suffix("").parts[1:])
        tree = ast.parse((root / f"mlproj/{self.name.replace('.', '/')}.py").read_text())
        self.names = next(
            ast.literal_eval(node.value) for node in tree.body if is_assignment(node, "__all__")
        )
        self.promise = ast.get_docstring(tree)
        self.definitions = {
            node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        cells = [
            cell.source
            for cell in nbformat.read(notebook, as_version=4).cells
            if cell.source.startswith("#| export")
        ]
        self.code = [without_directives(source) for source in cells]

    def summary(self, name: str) -> str:
        "Return the first line of a name's docstring."
        text = ast.get_docstring(self.definitions[name]) if name in self.definitions else None
        return text.splitlines()[0] if text else "a constant" if name.isupper() else ""

    def code_of(self, name: str) -> str | None:
        "Return the code of the cell that defines a name."
        return next((code for code in self.code if name in defined_names(code)), None)


def is_assignment(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == name for target in node.targets
    )


def defined_names(code: str) -> set[str]:
    "List the names that a cell defines or assigns."
    names = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def without_directives(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if not line.startswith("#|"))


def gather_reference(root: Path, site: Path) -> None:
    "Write a page for each module, a chapter for each sub-package, and the list of all names."
    processed, folder = proc_nbs(str(root / "nbs/api")), root / "nbs/api"
    modules = {
        path: Module(path, root)
        for path in sorted(folder.rglob("*.ipynb"))
        if ".ipynb_checkpoints" not in path.parts
    }
    targets = {f"mlproj.{module.name}.{name}" for module in modules.values() for name in module.names}
    for path, module in modules.items():
        notebook = nbformat.read(processed / path.relative_to(folder), as_version=4)
        page = module_page(notebook, module, targets)
        write(as_page(page, path.relative_to(root).as_posix(), root), site / module.page)
    chapters = {}
    for path, module in modules.items(): # in the order in which they build on each other
        chapters.setdefault(path.parent, []).append(module)
    alone = chapters.pop(folder, [])
    for chapter in chapters.values():
        write_chapter(chapter, site)
    text = [(root / "docs/site/reference.md").read_text()]
    for chapter in chapters.values():
        text += [
            f"## [{package(chapter)}]({package(chapter)}/index.md)",
            "",
            *name_table(chapter, package(chapter) + "/"),
        ]
    for module in alone:
        text += [f"## [{module.name}]({module.name}.ipynb)", "", *name_table([module], "")]
    contents = [f"{package(chapter)}/index" for chapter in chapters.values()] + [
        module.name for module in alone
    ]
    (site / "api/index.md").write_text("\n".join([*text, "```{toctree}", ":hidden:", *contents, "```", ""]))


def package(chapter: list[Module]) -> str: # such as features
    return chapter[0].name.partition(".")[0]


def write_chapter(chapter: list[Module], site: Path) -> None:
    "Write a sub-package's page: each module with its promise and its names."
    text = [f"# {package(chapter)}", ""]
    for module in chapter:
        text += [f"## [{stem(module)}]({stem(module)}.ipynb)", "", module.promise, ""]
        text += ["| name | what it is |", "|---|---|", *(name_row(module, name) for name in module.names), ""]
    text += ["```{toctree}", ":hidden:", *map(stem, chapter), "```", ""]
    (site / Path(chapter[0].page).parent / "index.md").write_text("\n".join(text))


def stem(module: Module) -> str: # such as batch
    return module.name.rpartition(".")[2]


def name_table(modules: list[Module], folder: str) -> list[str]: # Markdown
    "List the names of modules."
    rows = []
    for module in modules:
        here = f"[{stem(module)}]({folder}{stem(module)}.ipynb)"
        rows += [f"| {here} {name_row(module, name)}" for name in module.names]
    return ["| module | name | what it is |", "|---|---|---|", *rows, ""]


def name_row(module: Module, name: str) -> str: # Markdown
    return f"| {{py:obj}}`{name} <mlproj.{module.name}.{name}>` | {module.summary(name)} |"


def module_page(
    notebook: nbformat.NotebookNode, # from `proc_nbs`
    module: Module,
    targets: set[str], # full names that a link can lead to
) -> nbformat.NotebookNode:
    "Turn front matter into a title, and each output of `show_doc` into a heading, text and the code."
    cells, shown = [title_cell(notebook.cells[0])], []
    for cell in notebook.cells[1:]:
        if call := re.search(r"^show_doc\(([\w.]+)\)$", cell.source, re.MULTILINE):
            cells.append(doc_cell(cell.outputs[0].data["text/markdown"], call[1], module))
            shown.append(call[1])
            continue
        cells += code_cells(shown, module)
        shown = []
        if cell.cell_type == "code":
            cell.source, cell.metadata = without_directives(cell.source), {}
        if not cell.source.startswith("<!--"):
            cells.append(cell)
    cells += code_cells(shown, module) + constant_cells(module)
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = refer(cell.source, module.name, targets)
    notebook.cells = cells
    return notebook


def title_cell(front_matter: nbformat.NotebookNode) -> nbformat.NotebookNode:
    about = YAML(typ="safe").load(front_matter.source.strip().strip("-"))
    return markdown(f"# {about['title']}\n\n> {about['description']}")


def doc_cell(shown: str, name: str, module: Module) -> nbformat.NotebookNode:
    "Write a heading that links can lead to, the signature with its comments, and the docstring."
    signature, _, text = shown[shown.index("```python") :].removeprefix("```python\n").partition("\n```")
    kind = (
        "method"
        if "." in name
        else "class"
        if isinstance(module.definitions.get(name), ast.ClassDef)
        else "function"
    )
    if kind == "class":
        signature = re.sub(r"^def ", "class ", signature)
        if "*args, **kwargs" in signature: # of a NamedTuple or a TypedDict, whose fields say more
            signature = class_fields(name, module) or signature
    signature = signature.replace("__main__.", "") # a class of the same notebook
    text = re.sub(
        r"\A\s*\*(.*?)\*(?=\s*(\n\n|\Z))", r"\1", text, flags=re.DOTALL
    ) # nbdev sets the first paragraph in italics
    return markdown(
        f"{target(kind, module.name, name)}\n\n### {name}\n\n```python\n{signature}\n```\n\n{text.strip()}"
    )


def class_fields(name: str, module: Module) -> str | None: # such as a NamedTuple's, with their comments
    "Write the first line of a class and its fields."
    code = module.code_of(name)
    definition = next(node for node in ast.parse(code).body if getattr(node, "name", None) == name)
    fields = [node for node in definition.body if isinstance(node, ast.AnnAssign)]
    lines = code.splitlines()
    spans = [line for field in fields for line in lines[field.lineno - 1 : field.end_lineno]]
    return "\n".join([lines[definition.lineno - 1], *spans]) if fields else None


def target(kind: str, module: str, name: str) -> str:
    "Write the mark by which the search and the index find a name."
    return f"```{{py:{kind}}} mlproj.{module}.{name}\n:no-typesetting:\n```"


def code_cells(shown: list[str], module: Module) -> list[nbformat.NotebookNode]:
    "Make a folded code cell for each cell that defines one of these names."
    codes = dict.fromkeys(code for name in shown if (code := module.code_of(name)))
    return [tag(nbformat.v4.new_code_cell(code), "hide-input") for code in codes]


def constant_cells(module: Module) -> list[nbformat.NotebookNode]:
    "List the constants: exported names that are no function and no class."
    constants = [name for name in module.names if name not in module.definitions]
    if not constants:
        return []
    targets = "\n\n".join(target("data", module.name, name) for name in constants)
    text = f"{targets}\n\n## Constants\n\n" + ", ".join(f"`{name}`" for name in constants)
    return [markdown(text), *code_cells(constants, module)]


def refer(text: str, here: str, targets: set[str]) -> str:
    "Turn nbdev's links into references. Links to commands are dropped: their names are everyday words."
    def lead(match: re.Match) -> str:
        words, module = match[1], match[2].replace("/", ".")
        module = ".".join(re.sub(r"^\d+_", "", part) for part in module.split("."))
        name = words.removeprefix(f"mlproj.{module}.").split(".")[0]
        full = f"mlproj.{module}.{name}"
        return (
            f"{{py:obj}}`{words} <{full}>`"
            if full in targets and (module != "cli" or here == "cli")
            else f"`{words}`"
        )
    return re.sub(r"\[`([^`]+)`\]\(/api/([\w/]+)\.html(?:#[^)]*)?\)", lead, text)
