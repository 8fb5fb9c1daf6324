from playwright.sync_api import Page, Route, expect

from tests.acceptance.browser.conftest import Tab
from tests.acceptance.browser.test_datasets import FileOf, show_rows_as_while_checking, upload
from tests.acceptance.sdk import tickets

# Nothing reaches a page from outside while it waits for the answer to a form: so it looks at itself.
_PRESS = "document.querySelector('main button.primary').click()"
_NOTE = "localStorage.news = (localStorage.news || '') + document.getElementById('news').textContent + '|'"


def _at(page: Page, steps: dict[int, str]) -> None:
    """Lets the page run scripts by itself, each after so many milliseconds."""
    page.evaluate("localStorage.removeItem('news')")
    page.evaluate("".join(f"setTimeout(() => {{ {script} }}, {after_ms});" for after_ms, script in steps.items()))


def _fill_in_a_key(tab: Tab, name: str) -> list[Route]:
    """Fills in the form of a new key; where it is sent to is held up, and what is sent comes into the list."""
    tab.go("/keys")
    tab.page.get_by_label("Name").fill(name)
    held: list[Route] = []
    tab.page.route("**/keys", lambda route: held.append(route))
    return held


def test_a_form_is_sent_once_however_slow_the_network(tab: Tab) -> None:
    page = tab.page
    held = _fill_in_a_key(tab, "over a slow network")
    _at(page, {10: _PRESS, 3_000: _NOTE, 6_000: _PRESS})
    page.wait_for_timeout(8_000)
    assert len(held) == 1
    held[0].continue_()
    expect(page.get_by_role("heading", name="The key of over a slow network")).to_be_visible()
    expect(page.locator("#news")).to_be_empty()
    assert page.evaluate("localStorage.news") == "Sending…|"


def test_a_form_that_was_stopped_can_be_sent_again(tab: Tab) -> None:
    page = tab.page
    _fill_in_a_key(tab, "stopped and sent again")
    _at(page, {10: _PRESS, 3_000: _NOTE, 3_100: "stop()", 4_000: _NOTE})
    page.wait_for_timeout(6_000)
    page.unroute("**/keys")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("heading", name="The key of stopped and sent again")).to_be_visible()
    assert page.evaluate("localStorage.news") == "Sending…||"


def test_a_page_says_that_the_server_is_away_and_goes_on(tab: Tab, file_of: FileOf) -> None:
    page = tab.page
    dataset = upload(tab, file_of("rows.csv", tickets.as_csv(tickets.single())))
    show_rows_as_while_checking(page)
    tab.go(f"/datasets/{dataset}/rows")
    page.unroute("**/rows")
    page.route("**/rows", lambda route: route.abort())
    away = page.get_by_text("The server does not answer. This page goes on by itself when it does.")
    expect(away).to_be_visible()
    page.unroute("**/rows")
    expect(away).to_have_count(0)
    expect(page.locator("#state").get_by_text("Ready", exact=True)).to_be_visible()
