"""Pages link to files of the repository that lie outside `docs/`; the site has copies of these.

A link is written as it is right on the page's own place in the repository, where people read it too. What it leads to
is added to the site under `repository/`: Markdown as a page, all else as a file. A folder stands for its README.
"""

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FOLDER = "repository"
_LINK = re.compile(r"(?P<before>\[(?:[^\]\[]|\[[^\]]*\])*\]\()(?P<file>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)")
_SOURCE = re.compile(rf"^{FOLDER}/")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that pages, and Markdown files that they link to, lead to."""
    root = Path(config.config_file_path).parent
    pending = [(_origin(file.src_uri), file.content_string) for file in files.documentation_pages()]
    known: set[str] = set()
    while pending:
        origin, markdown = pending.pop()
        for link in _LINK.finditer(_without_code(markdown)):
            target = _target(root, origin, link["file"])
            if target is None or target in known:
                continue
            known.add(target)
            file = File.generated(config, f"{FOLDER}/{target}", abs_src_path=str(root / target))
            if target.endswith(".md"):
                file.inclusion = file.inclusion.NOT_IN_NAV
                pending.append((target, (root / target).read_text(encoding="utf-8")))
            files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links out of `docs/`, and those of copied pages, into links within the site."""
    root = Path(config.config_file_path).parent
    here = page.file.src_uri
    origin = _origin(here)

    def within_site(link: re.Match[str]) -> str:
        target = _target(root, origin, link["file"])
        if target is not None:
            uri = f"{FOLDER}/{target}"
        elif here != origin.removeprefix("docs/"):  # a copied page's link into docs/
            uri = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link["file"])).removeprefix("docs/")
        else:
            return link[0]
        relative = os.path.relpath(uri, posixpath.dirname(here) or ".")
        return f"{link['before']}{relative}{link['anchor'] or ''})"

    return _LINK.sub(within_site, markdown)


def _origin(src_uri: str) -> str:
    """Where in the repository a page of the site is written."""
    return _SOURCE.sub("", src_uri) if _SOURCE.match(src_uri) else f"docs/{src_uri}"


def _target(root: Path, origin: str, link: str) -> str | None:
    """The repository's file that a link on `origin` leads to, or None where that is a page under `docs/`."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))
    if path.startswith(("docs/", "..")):
        return None
    if (root / path).is_dir():
        path = posixpath.join(path, "README.md")
    return path if (root / path).is_file() else None


def _without_code(markdown: str) -> str:
    return re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)
