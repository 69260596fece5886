"""How Sphinx makes the site from the pages that `build.py` puts together.

No page needs a network, neither when it is made nor when it is read.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).parent.parent.parent
project = (ROOT / "README.md").read_text().partition("\n")[0].removeprefix("# ")
copyright = "the mlproj contributors, Apache License 2.0"
extensions = ["myst_nb", "mathml"]
nitpicky = True # a reference to something that is not there is a warning, and `make docs` stops at warnings

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"] # some modules have no heading above their first function

nb_execution_mode = "off" # the stages' notebooks were run by the pipeline, the others as their folder says
nb_render_markdown_format = "myst" # tables in outputs
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"

html_theme = "pydata_sphinx_theme"
html_title = project
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_favicon = "static/icon.svg"
html_context = {"default_mode": "auto"} # light or dark, as the reader's system is
html_sidebars = {page: [] for page in ("index", "benchmarks/index")} # nothing below them
html_theme_options = {
    "logo": {
        "text": project,
        "image_light": "static/icon.svg",
        "image_dark": "static/icon.svg",
        "alt_text": "",
    },
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
if not (ROOT / "CITATION.cff").exists(): # the pages of a project of `mlproj new` belong to somebody else
    html_theme_options["footer_start"] = []
