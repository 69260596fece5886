"""Every sentence that the package has for a user's mistake, read from its code."""

import ast
import re
from pathlib import Path


def sentence(argument: ast.expr) -> str | None:
    "Read a message, with … for what is filled in."
    if isinstance(argument, ast.Constant):
        return argument.value
    if isinstance(argument, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in argument.values)
    return None


def messages(root: Path) -> dict[str, list[str]]: # {module: sentences, in the order of its code}
    "List what `UserError` is raised with."
    found = {}
    for path in sorted((root / "mlproj").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") == "UserError"
                and (said := sentence(node.args[0]))
            ):
                found.setdefault(module_name(path, root), []).append(said)
    return found


def module_name(path: Path, root: Path) -> str: # such as data.readers
    return ".".join(path.relative_to(root / "mlproj").with_suffix("").parts)


def list_messages(root: Path) -> str: # Markdown
    "Write the list, module by module."
    parts = []
    for module, sentences in messages(root).items():
        parts.append(
            f"### {module}\n\n" + "\n".join(f"- {literal(said)}" for said in dict.fromkeys(sentences))
        )
    return "\n\n".join(parts) + "\n"


def literal(text: str) -> str:
    "Escape what Markdown would read otherwise; what stands in backticks is code."
    return re.sub(r"(`[^`]*`)|([*_<>\[\]$|\\{}])", lambda match: match[1] or f"\\{match[2]}", text)
