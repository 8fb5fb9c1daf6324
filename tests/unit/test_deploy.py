"""The files for running fewfit elsewhere name what there is: settings, options, sources."""

import re
import tomllib
from pathlib import Path

import pytest

from fewfit.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = ["Dockerfile", "deploy/fewfit.service", "deploy/nginx.conf", "deploy/Caddyfile", "docs/deploy.md"]


@pytest.mark.parametrize("name", FILES)
def test_what_they_set_are_settings(name: str) -> None:
    known = {*Settings().to_environ(), "FEWFIT_CACHE"}
    assert set(re.findall(r"FEWFIT_[A-Z_]*[A-Z]", (ROOT / name).read_text())) <= known


def test_the_image_is_made_from_what_is_here_and_let_in() -> None:
    copied = re.findall(r"^COPY ((?:[\w.]+ )+)/src", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert sources >= {"fewfit", "pyproject.toml"}
    assert all((ROOT / source).exists() for source in sources)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == sources


def test_the_page_leads_to_files_that_are_there() -> None:
    page = ROOT / "docs" / "deploy.md"
    links = re.findall(r"\]\((?!https:)([^)#]+)", page.read_text())
    assert {"../Dockerfile", "../deploy/fewfit.service"} <= set(links)
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", FILES)
def test_the_first_key_may_make_others(name: str) -> None:
    # A server that finds a key makes none itself: without the scope there would be no admin key at all.
    assert not re.search(r"keys create admin(?! --scopes admin)", (ROOT / name).read_text())


def test_the_source_package_holds_what_its_pages_lead_to() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = {
        *pyproject["tool"]["hatch"]["build"]["targets"]["sdist"]["include"],
        "README.md",
        "LICENSE",
        "pyproject.toml",
    }
    led_to = {
        (page.parent / link).resolve().relative_to(ROOT.resolve()).parts[0]
        for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
        for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text())
    }
    assert led_to <= included
    assert {".dockerignore", "constraints.txt", *(name.split("/")[0] for name in FILES)} <= included
