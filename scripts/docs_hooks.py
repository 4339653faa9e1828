"""Hooks of MkDocs: pages of the repository's root, and a page of the Python reference for each package."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
ROOT_PAGES = {"README.md": "index.md", **{name: name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")}}
"""Pages that stand in front of `docs/`, and where the site has them."""

PACKAGES = ("core", "training", "index", "evaluation", "app")

LINK_TO_DOCS = re.compile(r"(\]\()docs/")
LINK_TO_ROOT = re.compile(r"(\]\((?:\.\./)*)\.\./(" + "|".join(map(re.escape, ROOT_PAGES)) + r")")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from files outside of `docs/`."""
    for name, target in ROOT_PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        links = LINK_TO_DOCS.sub(r"\1", text).replace("](README.md", "](index.md")
        files.append(File.generated(config, target, content=links))
    for package, modules in packages().items():
        text = "\n\n".join([f"# {package}", *(f"::: riyl.{module}" for module in modules)])
        files.append(File.generated(config, f"reference/{package}.md", content=f"{text}\n"))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links from `docs/` to pages of the root to where the site has them."""
    return LINK_TO_ROOT.sub(lambda link: link[1] + ROOT_PAGES[link[2]], markdown)


def packages() -> dict[str, list[str]]:
    """Dotted names of modules, by their package; packages without modules of their own are left out."""
    modules: dict[str, list[str]] = {}
    for path in sorted(path for root in PACKAGES for path in (ROOT / root).rglob("*.py")):
        names = path.relative_to(ROOT).with_suffix("").parts
        if names[-1] != "__init__" and "migrations" not in names:
            modules.setdefault(".".join(names[:-1]), []).append(".".join(names))
    return modules
