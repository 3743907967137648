"""The page in Chromium: every control once, nothing from elsewhere, no error on the console."""

import importlib.util
import re
import shutil
import socket
from urllib.parse import parse_qs, urlsplit

import pytest

from explorer.source import Explored
from tests.helpers.pretraining import pretrain

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LACKING = [name for name in ("gradio", "playwright") if not importlib.util.find_spec(name)]
LACKING += [] if CHROMIUM else ["chromium (apt-get install chromium)"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}"),
    pytest.mark.timeout(600),  # on a busy machine
]
PATIENCE = 60_000  # ms


@pytest.fixture(scope="module")
def address(finished, tmp_path_factory):
    from explorer.__main__ import serve

    other = tmp_path_factory.mktemp("runs") / "other"
    pretrain(other, "--n_new", 4, "--learning_rate", 1e-3)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    page = serve([Explored(str(finished)), Explored(str(other))], "127.0.0.1", port)
    yield f"http://127.0.0.1:{port}"
    page.close()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """A page that fails its test if anything is wrong in the console or is asked of another machine."""
    wrong = []
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda sent: None if _is_ours(sent.url, address) else wrong.append(sent.url))
    yield page
    page.close()
    assert wrong == []


def _is_ours(url, address):
    return url.startswith((address, "data:", "blob:"))


def query(page):
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


def expect(page, pattern, selector="body"):
    from playwright.sync_api import expect

    expect(page.locator(selector).first).to_contain_text(re.compile(pattern), timeout=PATIENCE)


def look_at(page, view):
    page.get_by_role("radio", name=view).check()


def test_every_control_does_what_it_says(page, address):
    page.goto(address)
    expect(page, "right at step 20")
    page.locator("#checkpoint input[type=range]").press("ArrowLeft")  # with the keyboard
    expect(page, "right at step 10")
    page.wait_for_url("**step=10**")
    page.locator("#play button, button#play").first.click()
    expect(page, "right at step 20")

    for group in ("seen", "unseen"):
        page.locator(f"#luck-{group}").click()
        expect(page, {"seen": "In the training data", "unseen": "Not in the training data"}[group])
    page.locator("#search input, #search textarea").first.fill("nobody is called so")
    expect(page, "nobody has such a name")

    look_at(page, "Unseen twin")
    expect(page, "is nobody the model has read of")
    look_at(page, "Attention")
    expect(page, "layer 1, head 1")
    look_at(page, "Confidence")
    expect(page, "coverage")
    page.locator("#threshold input[type=range]").press("Home")
    expect(page, r"at least 0\.00")
    look_at(page, "Prompt")
    prompt = page.locator("#prompt textarea, #prompt input").first
    prompt.fill("<b>Ada</b>")
    prompt.press("Enter")
    expect(page, "<b>Ada</b>")
    look_at(page, "Compare")
    expect(page, "settings in which they differ")
    page.get_by_label("Run", exact=True).click()
    page.get_by_role("option", name="other").click()
    expect(page, "other, step 20")


def test_an_address_leads_back_to_run_step_and_individual(page, address):
    page.goto(f"{address}/?run=other&step=10&who=7&view=Attention")
    expect(page, "other, step 10")
    expect(page, "layer 2, head 2")
    assert query(page)["who"] == "7"


def test_a_phone_needs_no_scrolling_sideways(page, address):
    page.goto(address)
    expect(page, "right at step 20")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("svg[role=img]:not([aria-label])").count() == 0


def test_pages_hold_no_path_of_this_machine(page, address, finished):
    page.goto(address)
    expect(page, "right at step 20")
    config = page.request.get(f"{address}/config").text()
    assert str(finished.parent) not in page.content() + config


def test_a_page_without_a_server_shows_everybody_it_holds(browser, finished, tmp_path):
    from explorer import export

    export.main([str(finished), "--output_dir", str(tmp_path / "page"), "--people", "4"])
    wrong, page = [], browser.new_page(viewport={"width": 390, "height": 844})
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((tmp_path / "page" / "index.html").as_uri())
    expect(page, "right at step 20")
    page.locator("#checkpoint").press("ArrowLeft")
    expect(page, "right at step 10")
    page.locator("#play").click()
    expect(page, "right at step 20")
    page.locator("#who").select_option(index=2)
    expect(page, "Not in the training data")
    for view, words in {"Unseen twin": "nobody the model", "Attention": "layer 1", "Confidence": "coverage"}.items():
        page.locator("#view").select_option(view)
        expect(page, words, "#panel")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert wrong == []
    page.close()
