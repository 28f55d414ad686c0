"""How Sphinx builds the site: ``make docs``."""

import re
import sys
from pathlib import Path

import matplotlib

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
matplotlib.use("agg")

import hogblock  # noqa: E402

project = "hogblock"
author = "The hogblock developers"
release = version = hogblock.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "site_links",
]
exclude_patterns = ["gallery/*.py.md5"]
templates_path = ["_templates"]
default_role = "literal"  # a `name` in a docstring; `site_links` finds its page
highlight_language = "none"  # of blocks that do not say theirs
smartquotes = False  # many quoted words are values of parameters
toc_object_entries_show_parents = "hide"

autosummary_generate = True
autodoc_member_order = "alphabetical"
autodoc_typehints = "none"  # docstrings say types, and are tested
numpydoc_show_class_members = False  # the template lists them
numpydoc_class_members_toctree = False

myst_heading_anchors = 4  # anchors as GitHub makes them

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "ignore_pattern": r"__init__\.py",
    "abort_on_example_error": True,
    "within_subsection_order": "site_gallery.Order",
    "image_scrapers": ("matplotlib", "site_gallery.report_figures"),
    "write_computation_times": False,
    "show_signature": False,
    "download_all_examples": False,
    "plot_gallery": True,
    "min_reported_time": 0,
}

html_theme = "pydata_sphinx_theme"
html_title = "hogblock"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
html_sidebars = {"index": [], "benchmarks": []}
html_copy_source = False
copyright = "the hogblock developers, BSD-3-Clause"


def _without_references(app, what, name, obj, options, lines):
    """scikit-learn's docstrings, inherited, refer to pages of its own site."""
    role = re.compile(r":(?:ref|term):`([^`<]+?)\s*(?:<[^>]*>)?`")
    lines[:] = [role.sub(r"\1", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", _without_references)
