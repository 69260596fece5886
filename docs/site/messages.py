"""The list of all messages of `UserError`, read from the package's code."""

import ast
import re
from pathlib import Path


def sentence(argument: ast.expr) -> str | None:
    "Read the text of a message, with … for each value that the code fills in. None for any other argument."
    if isinstance(argument, ast.Constant):
        return argument.value
    if isinstance(argument, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in argument.values)
    return None


def messages(root: Path) -> dict[str, list[str]]: # {module: sentences, in the order of its code}
    "List the messages that `UserError` is raised with."
    sentences = {}
    for path in sorted((root / "mlproj").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") == "UserError"
                and (message := sentence(node.args[0]))
            ):
                sentences.setdefault(module_name(path, root), []).append(message)
    return sentences


def module_name(path: Path, root: Path) -> str: # such as data.readers
    return ".".join(path.relative_to(root / "mlproj").with_suffix("").parts)


def list_messages(root: Path) -> str: # Markdown
    "Write the messages as a list, module by module."
    parts = []
    for module, sentences in messages(root).items():
        items = [f"- {literal(message)}" for message in dict.fromkeys(sentences)]
        parts.append(f"### {module}\n\n" + "\n".join(items))
    return "\n\n".join(parts) + "\n"


def literal(text: str) -> str:
    "Escape the characters that Markdown gives a meaning, outside of code in backticks."
    return re.sub(r"(`[^`]*`)|([*_<>\[\]$|\\{}])", lambda match: match[1] or f"\\{match[2]}", text)
