"""Signing in and out in the browser."""

import re

from playwright.sync_api import expect

from tests.acceptance.browser.conftest import OpenTab, Tab


def test_sign_in_leads_where_one_wanted_and_out_again(open_tab: OpenTab) -> None:
    tab = open_tab()
    page = tab.page
    tab.go("/datasets?sort=name")
    expect(page).to_have_url(re.compile("/sign-in"))
    tab.check()
    page.get_by_label("API key").fill("ff_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    tab.check()
    page.get_by_label("API key").fill(tab.server.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{tab.server.url}/datasets?sort=name")
    assert tab.server.key not in str(page.context.cookies())
    assert page.evaluate("document.cookie") == "", "out of reach of scripts"
    tab.go("/account")
    tab.check()
    page.get_by_role("button", name="Sign out").click()
    tab.go("/datasets")
    expect(page).to_have_url(re.compile("/sign-in"))


def test_what_is_written_outlives_the_session(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.sign_in()
    page, other = tab.page, Tab(tab.server, tab.page.context.new_page())
    tab.go("/keys")
    page.get_by_label("Name").fill("written before the session ended")
    other.go("/account")
    other.page.get_by_role("button", name="Sign out").click()
    other.page.wait_for_url("**/sign-in")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("alert")).to_contain_text("not signed in")
    tab.check()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in another tab").click()
    opened.value.get_by_label("API key").fill(tab.server.key)
    opened.value.get_by_role("button", name="Sign in").click()
    opened.value.wait_for_url(f"{tab.server.url}/")
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_role("alert")).to_contain_text("not one of this session")
    tab.check()
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_role("heading", name="The key of written before the session ended")).to_be_visible()


def test_what_is_not_there_is_said(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.sign_in()
    for path in ("/datasets/none-aaaaaa", "/nothing", "/models/new/none-aaaaaa"):
        tab.go(path)
        expect(tab.page.get_by_role("alert")).to_be_visible()
        tab.check()
