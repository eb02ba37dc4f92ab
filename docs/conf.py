"""Sphinx's configuration of the site; `make docs` builds it into build/docs, and it opens from disk, offline."""

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
# Pages are executed on the CPU, and figures at the end of a cell are shown.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # pages compile much and run briefly
os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
warnings.filterwarnings("ignore", message="'maxsplit' is passed as positional argument")  # sphinx-gallery's own

import gallery  # noqa: E402

import polejax  # noqa: E402

project = "polejax"
author = "The polejax developers"
project_copyright = "the polejax developers, MIT licence"
release = version = polejax.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "public_names",
    "generated",
]
exclude_patterns = [
    *("gallery", "_ext", "tests", "generated/validation_cases.md", "**/sg_execution_times.rst"),
    *(f"generated/gallery/*.{end}" for end in ("ipynb", "py", "json", "zip")),
]
nitpicky = True
default_role = "py:obj"  # what docstrings write in single backticks; public_names.py links what is public
suppress_warnings = ["config.cache"]

html_theme = "furo"
html_title = f"polejax {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_search_summary = False  # summaries are fetched, which browsers refuse to pages opened from disk
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
autosummary_generate = False  # the pages of the API hold whole namespaces: see generated.py
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # docstrings say shapes and units, which types do not
napoleon_use_rtype = False
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "smartquotes"]
myst_heading_anchors = 3
nb_execution_mode = os.environ.get("POLEJAX_DOCS_EXECUTE", "cache")
nb_execution_cache_path = str(HERE.parent / "build" / "docs-notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 240
nb_execution_show_tb = True
nb_merge_streams = True
nb_execution_in_temp = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"/[a-z]\w*\.py$",
    "within_subsection_order": gallery.ByTitle,
    "abort_on_example_error": True,
    "plot_gallery": os.environ.get("POLEJAX_DOCS_EXECUTE", "cache") != "off",
    "min_reported_time": 10**6,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "image_scrapers": (gallery.scraper,),
    "matplotlib_animations": False,
    "write_computation_times": False,
}
