"""The guide is right: its commands run as printed, and the package has the messages that it explains."""

import re
import sys

import pytest
from matplotlib.testing.compare import compare_images

from support import ROOT

sys.path.insert(0, str(ROOT / "docs/site"))

from messages import messages  # noqa: E402
from mlproj.evaluation.plots import save_figure  # noqa: E402
from mlproj.pipeline.changes import changed_plots, draw_changes, find_revision, read_plots  # noqa: E402

GUIDE = ROOT / "docs/guide"
BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def in_order(text: str) -> list[list[str]]:
    "Split lines into words and sort them: DVC lists files in any order, and pads its columns."
    return sorted(line.split() for line in text.splitlines() if line.strip())


@pytest.mark.long
def test_commands_of_the_guide_work_as_printed(project):
    for page in ("first_experiment.md", "comparing.md"):
        for commands, printed in BLOCK.findall((GUIDE / page).read_text()):
            output = "".join(
                project.run(command).stdout
                for command in commands.splitlines()
                if not command.startswith(". ")
            )
            if printed:
                assert in_order(output) == in_order(printed), f"{page}: {commands}prints\n{output}"
    assert project.run("git status --porcelain").stdout == ""
    assert (project.root / ".data").is_symlink() and (project.root / ".metrics").is_symlink()
    plots = changed_plots(
        *(read_plots(project.root, find_revision(project.root, name)) for name in ("HEAD~1", "HEAD"))
    )
    title = "Net savings by alerts, where the champion is chosen"
    save_figure(draw_changes(title, plots[title]), project.root / "changes.png")
    assert compare_images(GUIDE / "changes.png", project.root / "changes.png", tol=2) is None, (
        "docs/guide/changes.png shows other curves"
    )


def test_messages_that_the_guide_explains_are_those_of_the_package():
    in_code = {sentence for sentences in messages(ROOT).values() for sentence in sentences}
    quoted = re.findall(r"^> (.+)$", (GUIDE / "troubleshooting.md").read_text(), re.MULTILINE)
    assert len(quoted) > 15 and not set(quoted) - in_code
