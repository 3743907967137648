"""The documentation site: pages in their places, all settings, the public code, and a build without a warning."""

import importlib.util
import subprocess
import sys

import pytest
import yaml

from docs.pages import API, ROOMS, ROOT, SETTINGS, links, pages, stage
from settings import DECLARED


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    stage(folder)
    return folder


def test_pages_keep_their_places_and_what_they_link_to_lies_beside_them(site):
    for page in pages():
        copy = site / "pages" / page.relative_to(ROOT)
        files = [link.partition("#")[0] for link in links(copy) if "://" not in link]
        assert [file for file in files if not (copy.parent / file).exists()] == [], page


def test_every_page_of_the_navigation_is_there_and_every_page_of_docs_is_in_it(site):
    sections = [names for entry in yaml.safe_load((site / "mkdocs.yml").read_text())["nav"] for names in entry.values()]
    listed = [name for names in sections for name in (names if isinstance(names, list) else [names])]
    assert [name for name in listed if not (site / "pages" / name).is_file()] == []
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= {*listed}
    assert {str(page.relative_to(ROOT)) for page in (ROOT / "experiments").glob("*/README.md")} <= {*listed}


def test_every_setting_and_every_public_module_has_its_place(site):
    text = (site / "pages" / SETTINGS).read_text(encoding="utf-8")
    assert [name for name in DECLARED if f"\n| `{name}` | " not in text] == []
    api = "".join((site / "pages" / API / f"{room}.md").read_text() for room in ROOMS)
    modules = [file for room in ROOMS for file in (ROOT / room).glob("[!_]*.py")]
    assert [file for file in modules if f"::: {file.parent.name}.{file.stem}\n" not in api] == []


@pytest.mark.skipif(not importlib.util.find_spec("zensical"), reason="zensical is not installed (the extra `docs`)")
@pytest.mark.timeout(900)  # on a busy machine; 7 s of CPU
def test_the_site_is_built_without_a_warning(site):
    build = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(site / "mkdocs.yml")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'id="run_directory.records.load_run"' in (site / "site" / API / "run_directory.html").read_text()
