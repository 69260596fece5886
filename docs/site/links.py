"""The place of each file of the project in the site, and links that lead there."""

import os
import posixpath
import re
from pathlib import Path

PLACES = {
    "nbs/index.ipynb": "index.ipynb",
    "README.md": "index.ipynb",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks/index.md",
    "nbs/api": "api/index.md",
    "nbs/pipeline": "pipeline/index.md",
    "nbs/explore": "explore/index.md",
}


def page_of(
    path: str, # relative to the project's root
    root: Path,
) -> str | None: # relative to the site; None for a file that has no page
    "Name the page of a file."
    if path in PLACES:
        return PLACES[path]
    if path.startswith(("nbs/api/", "nbs/explore/")): # numbers may change, addresses may not
        return "/".join(re.sub(r"^\d+_", "", part) for part in Path(path).parts[1:])
    report = root / "reports" / Path(path).stem
    if path.startswith("nbs/pipeline/") and report.is_dir(): # of a report for each model
        return f"pipeline/{Path(path).stem}.md"
    if path.startswith(("nbs/", "docs/")):
        return path.split("/", 1)[1]
    return path if path.endswith((".png", ".svg")) else None


def relink(
    text: str, # Markdown
    source: str, # the file that the text is from, relative to the project's root
    root: Path,
) -> str:
    """Let links between files of the project lead from page to page.

    Links to files that are no pages become plain text.
    """
    here = posixpath.dirname(page_of(source, root)) or "."

    def lead(match: re.Match) -> str:
        words, path, heading = match.groups()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not (root / target).exists():
            return match[0]
        page = page_of(target, root)
        return f"[{words}]({os.path.relpath(page, here)}{heading})" if page else words

    return re.sub(r"\[([^\[\]]*)\]\(([\w./-]+)((?:#[\w-]*)?)\)", lead, text)
