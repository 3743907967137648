"""Every link of every Markdown page leads somewhere: a file of the project, and a heading in it. Asks no network."""

import re

import pytest

from docs.pages import ROOT, links, pages
from tests.helpers.pages import anchors


def wrong_links(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        elsewhere = re.match(r"[a-z]+:|\.\./\.\./actions/", link)  # the latter are GitHub's own
        if not elsewhere and not (target.exists() and (not anchor or anchor in anchors(target))):
            yield link


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_heading(page):
    assert list(wrong_links(page)) == []


def test_links_that_lead_nowhere_are_found(tmp_path):
    other, page = tmp_path / "other.md", tmp_path / "page.md"
    other.write_text("# One [`code`](other.md) · two\n\n## Again\n\n## Again\n\n```\n# no heading\n```\n")
    good = "[a](other.md) [b](other.md#one-code--two) [c](other.md#again-1) [d](#mine) [e](https://a.example/#b)"
    bad = ["gone.md", "gone.png", "other.md#no-heading", "#other", "other.md#again-2", "gone.svg"]
    wrong = "[f]({}) ![g]({}) [h]({}) [i]({}) [![j]({})]({})".format(*bad[:4], bad[5], bad[4])
    page.write_text(f"# Mine\n\n{good}\n{wrong}\n\n`[k](gone)`\n\n```\n[l](gone)\n```\n")
    assert sorted(wrong_links(page)) == sorted(bad)
