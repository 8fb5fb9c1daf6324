"""From a file to a training that is watched: with the mouse, with the keyboard alone, and on a phone."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.acceptance.browser.conftest import OpenTab, Tab
from tests.acceptance.sdk import tickets

FileOf = Callable[[str, bytes], Path]


def messy_csv() -> bytes:
    """Tickets with a copy, another spelling, a rare label and a row with a comma too many."""
    rows = tickets.single()
    text, label = rows[0]
    lines = tickets.as_csv(rows).decode()
    return (f"{lines}{text.upper()},{label}\nthe bill,Billing\nwho are you,other\nbroken,row,here\n").encode()


def settle(tab: Tab) -> None:
    """Waits until the data are checked."""
    tab.page.wait_for_selector("#state:not([data-live])")


def hold(tab: Tab) -> Callable[[], None]:
    """Keeps pages from renewing themselves, until what comes back is called."""

    def refuse(route: Route) -> None:
        if route.request.resource_type == "fetch":
            route.abort()
        else:
            route.fallback()

    tab.page.route("**/*", refuse)
    return lambda: tab.page.unroute("**/*", refuse)


def test_upload_findings_repair_train_and_watch(tab: Tab, file_of: FileOf) -> None:
    page = tab.page
    tab.check()
    page.get_by_role("link", name="New model").first.click()
    tab.check()
    page.get_by_label("Training file").set_input_files(file_of("May tickets.csv", messy_csv()))
    # The requirements tick themselves before anything is sent.
    expect(page.locator("#requirements .met").first).to_contain_text("At least 2 labels")
    expect(page.locator("#requirements .unmet").first).to_contain_text("At least 5 examples of each label")
    page.get_by_role("button", name="Check the data").click()
    settle(tab)
    expect(page.get_by_role("heading", level=1)).to_have_text("May tickets")
    expect(page.locator("#state").get_by_text("Needs repair")).to_be_visible()
    tab.check()

    page.get_by_role("link", name=re.compile("Show 1.row")).first.click()
    tab.check()
    page.go_back()

    for words in (
        re.compile("Leave out 1 unreadable row"),
        re.compile("Merge 'Billing' into 'billing'"),
        re.compile(r"Drop 'other' \(1 row\)"),
        re.compile("Drop 1 copy"),
    ):
        page.get_by_role("button", name=words).click()
        settle(tab)
        expect(page.get_by_role("button", name=words)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    settle(tab)
    expect(page.get_by_role("button", name=re.compile("Drop 1 copy"))).to_be_visible()
    expect(page.locator("#requirements .unmet")).to_have_count(0)
    tab.check()

    page.get_by_role("tab", name="Validation").click()
    expect(page.get_by_text("There is no evaluation file")).to_be_visible()
    page.get_by_role("link", name="Next: settings").click()
    tab.check()
    page.get_by_label("Name of the model").fill("Router of May")
    page.get_by_role("button", name="Train").click()
    tab.check()
    address = page.url
    assert address.endswith("/training")
    tab.go("/datasets")  # the page may be left
    page.goto(address)
    page.wait_for_selector("#open")
    expect(page.get_by_role("heading", level=1)).to_have_text("Router of May v1")
    expect(page.get_by_text("Training loss by step")).to_be_visible()
    tab.check()


def test_several_labels_a_text_are_found(tab: Tab, file_of: FileOf) -> None:
    page = tab.page
    tab.go("/models/new")
    page.get_by_label("Training file").set_input_files(file_of("topics.jsonl", tickets.as_jsonl(tickets.multi())))
    page.get_by_role("button", name="Check the data").click()
    settle(tab)
    expect(page.get_by_text("A text may have several labels")).to_be_visible()
    page.get_by_role("link", name="Next: settings").click()
    expect(page.get_by_role("radio", name="Any number, or none")).to_be_checked()
    page.get_by_role("button", name="Train").click()
    page.wait_for_selector("#open")
    tab.check()


def test_the_keyboard_alone_goes_from_pasted_rows_to_a_model(open_tab: OpenTab) -> None:
    tab = open_tab()
    page, keys = tab.page, tab.page.keyboard
    tab.go("/")
    tab.press_to("#key")
    keys.type(tab.server.key)
    keys.press("Enter")
    page.wait_for_url(f"{tab.server.url}/")
    tab.press_to("a.skip")
    keys.press("Enter")
    tab.press_to("a.button.primary[href='/models/new']")
    keys.press("Enter")
    page.wait_for_url("**/models/new")
    tab.press_to("#name")
    keys.type("Typed in")
    tab.press_to("#pasted")
    keys.insert_text(tickets.as_csv(tickets.single()).decode())
    page.wait_for_selector("#requirements .met")
    tab.press_to("#upload button")
    keys.press("Enter")
    page.wait_for_url("**/models/new/typed-in-*")
    settle(tab)
    tab.press_to("#next")
    keys.press("Enter")
    page.wait_for_url("**/settings")
    tab.press_to("#train")
    keys.press("Enter")
    page.wait_for_selector("#open")


def test_a_phone_is_enough(open_tab: OpenTab, file_of: FileOf) -> None:
    tab = open_tab(phone=True, dark=True)
    page = tab.page
    tab.go("/sign-in")
    tab.check()
    tab.sign_in()
    tab.check()
    expect(page.get_by_role("link", name="Datasets", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    tab.check()
    page.get_by_role("link", name="Datasets", exact=True).click()
    tab.check()
    tab.go("/models/new")
    tab.check()
    page.get_by_label("Training file").set_input_files(file_of("x.csv", messy_csv()))
    page.get_by_role("button", name="Check the data").click()
    settle(tab)
    tab.check()
    page.get_by_role("link", name="Browse rows").click()
    tab.check()
    page.get_by_role("link", name=re.compile("^Edit row")).first.click()
    tab.check()
    for path in ("/models", "/playground", "/account"):
        tab.go(path)
        tab.check()


def test_what_is_written_and_chosen_stays_while_data_are_checked(tab: Tab, file_of: FileOf) -> None:
    page = tab.page
    tab.go("/models/new")
    page.get_by_label("Training file").set_input_files(file_of("k.csv", tickets.as_csv(tickets.single())))
    page.get_by_role("button", name="Check the data").click()
    settle(tab)
    page.get_by_role("link", name="Next: settings").click()
    page.get_by_role("radio", name="Any number, or none").check()
    page.get_by_role("button", name="Train").click()
    release = hold(tab)

    def as_while_checking(route: Route) -> None:  # they may have been checked in the meantime
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace('id="state" >', 'id="state" data-live="100">'))

    address = page.url
    page.route(address, as_while_checking)
    page.reload()
    page.unroute(address, as_while_checking)
    page.get_by_label("Name of the model").fill("Kept")
    page.get_by_role("radio", name=re.compile("Thorough")).check()
    page.get_by_text("Texts without labels (optional)").click()
    page.get_by_label("Texts such as the model will be asked").fill("one\ntwo")
    page.evaluate("document.querySelector('#state').prepend('another state')")  # so that what comes is different
    release()
    settle(tab)
    expect(page.get_by_text("another state")).to_have_count(0)
    expect(page.get_by_label("Name of the model")).to_have_value("Kept")
    expect(page.get_by_role("radio", name=re.compile("Thorough"))).to_be_checked()
    expect(page.get_by_label("Texts such as the model will be asked")).to_have_value("one\ntwo")
    expect(page.get_by_label("Texts such as the model will be asked")).to_be_focused()


def test_the_table_of_the_loss_keeps_the_keyboard_and_its_place(tab: Tab, file_of: FileOf) -> None:
    page = tab.page
    tab.go("/models/new")
    many = [(f"{text} {number}", label) for number in range(40) for text, label in tickets.single()]
    page.get_by_label("Training file").set_input_files(file_of("l.jsonl", tickets.as_jsonl(many)))
    page.get_by_role("button", name="Check the data").click()
    settle(tab)
    page.get_by_role("link", name="Next: settings").click()
    page.get_by_role("radio", name=re.compile("Thorough")).check()
    page.get_by_role("button", name="Train").click()
    page.get_by_text("Show as table").click()
    summary, table = page.locator(".plot summary"), page.locator(".plot .scroll")
    rows = table.locator("tbody tr")
    rows.nth(12).wait_for(state="attached")
    for one in (summary, table):
        one.focus()
        before = rows.count()
        table.evaluate("one => { one.scrollTop = 30; }")
        rows.nth(before).wait_for(state="attached")
        expect(one).to_be_focused()
        assert table.evaluate("one => one.scrollTop") == 30
    page.get_by_role("button", name="Cancel the training").click()
    expect(page.get_by_text("The training was cancelled")).to_be_visible()


def test_a_training_is_cancelled(tab: Tab, file_of: FileOf) -> None:
    page = tab.page
    tab.go("/models/new")
    many = [(f"{text} {number}", label) for number in range(40) for text, label in tickets.single()]
    page.get_by_label("Training file").set_input_files(file_of("c.jsonl", tickets.as_jsonl(many)))
    page.get_by_role("button", name="Check the data").click()
    settle(tab)
    page.get_by_role("link", name="Next: settings").click()
    page.get_by_role("radio", name=re.compile("Thorough")).check()
    page.get_by_role("button", name="Train").click()
    page.get_by_role("button", name="Cancel the training").click()
    expect(page.get_by_text("The training was cancelled")).to_be_visible()
    tab.check()


@pytest.mark.parametrize("sample", ["Support messages", "Film genres"])
def test_a_sample_set_is_clicked_through(open_tab: OpenTab, sample: str) -> None:
    tab = open_tab()
    tab.sign_in()
    tab.go("/")
    if tab.page.get_by_text("Six sets to try").count():
        tab.page.get_by_text("Six sets to try").click()
    tab.page.get_by_role("button", name=f"Try it: {sample}").click()
    settle(tab)
    tab.page.get_by_role("tab", name="Validation").click()
    expect(tab.page.get_by_text("There is no evaluation file")).to_have_count(0)
    tab.check()
