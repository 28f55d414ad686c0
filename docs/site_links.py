"""Links that the Markdown pages, which are read on GitHub too, do not spell out.

- ``[text](../examples/gallery/plot_x.py)`` leads to the example's page in the gallery.
- Links to other files of the repository become plain text: they are no pages here.
- A public name in backticks, such as ``MLPClassifier`` or ``hogblock.models.Dense``,
  leads to its page of the API reference; the name of a page, such as
  ``docs/method.md``, to that page.
"""

import os
import re
from pathlib import PurePosixPath

from docutils import nodes

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:)([^)#\s]+)(#[^)\s]*)?\)")
GALLERY = "examples/gallery/"
PAGE = re.compile(r"^docs/([\w/]+)\.md$")
NAME = re.compile(r"^([A-Za-z_][\w.]*?)(\(.*\))?$", re.S)


def of_the_site(page: str, text: str) -> str:
    """The Markdown of a page (its path from the root of the repository) for Sphinx."""
    folder = PurePosixPath(page).parent

    def link(found):
        words, target, anchor = found[1], found[2], found[3] or ""
        path = os.path.normpath(folder / target)
        if path.startswith(GALLERY):
            inside = os.path.relpath(f"docs/gallery/{path[len(GALLERY) :]}", folder)
            return f"[{words}]({inside.removesuffix('.py') + '.rst'})"
        if path == "CONTRIBUTING.md":
            return (
                f"[{words}]({os.path.relpath('docs/contributing.md', folder)}{anchor})"
            )
        return found[0] if path.startswith("docs/") else words

    return LINK.sub(link, text)


def read(app, docname, source):
    file = PurePosixPath(app.env.doc2path(docname, base=False))
    if file.suffix == ".md":
        source[0] = of_the_site(f"docs/{file}", source[0])


def public_names(env) -> dict[str, tuple[str, str]]:
    """Full and, where one object has it, last names -> page and anchor."""
    objects = env.domains["py"].objects
    names = {name: (entry.docname, entry.node_id) for name, entry in objects.items()}
    short: dict[str, list] = {}
    for name, entry in objects.items():
        if entry.objtype in ("class", "exception", "function", "data"):
            short.setdefault(name.rpartition(".")[2], []).append(names[name])
    return names | {n: found[0] for n, found in short.items() if len(found) == 1}


def link_names(app, tree, docname):
    """Make links of inline literals that are public names."""
    names = app.env.site_names = getattr(app.env, "site_names", None) or public_names(
        app.env
    )
    for literal in list(tree.findall(nodes.literal)):
        if "/" in literal.astext():
            literal["classes"].append("path")  # may be broken in a table, see site.css
        if isinstance(literal.parent, nodes.reference):
            continue
        page, anchor = None, ""
        if named := PAGE.match(literal.astext()):
            page = named[1] if named[1] in app.env.found_docs else None
        elif named := NAME.match(literal.astext()):
            page, anchor = names.get(named[1], (None, ""))
        if page is None or page == docname:
            continue
        uri = app.builder.get_relative_uri(docname, page) + (anchor and f"#{anchor}")
        literal.replace_self(nodes.reference("", "", literal.deepcopy(), refuri=uri))


def forget_names(app, env):
    env.site_names = None


def setup(app):
    app.connect("source-read", read)
    app.connect("env-updated", forget_names)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
