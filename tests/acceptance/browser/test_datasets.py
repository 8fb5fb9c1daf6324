"""Datasets and the playground in the browser: edits, hostile content, downloads, answers at once."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.acceptance.browser.conftest import OpenTab, Tab
from tests.acceptance.browser.test_new_model import hold, settle
from tests.acceptance.sdk import tickets

FileOf = Callable[[str, bytes], Path]
HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "\u202eright to left",
    "😀👩‍👩‍👧 emoji",
    "long " + "x" * 10_000,
)


def upload(tab: Tab, path: Path) -> str:
    """Uploads a file; gives the dataset's id."""
    tab.go("/models/new")
    tab.page.get_by_label("Training file").set_input_files(path)
    tab.page.get_by_role("button", name="Check the data").click()
    settle(tab)
    return tab.page.url.rpartition("/")[2]


def test_rows_are_found_edited_and_taken_back(tab: Tab, file_of: FileOf) -> None:
    page = tab.page
    dataset = upload(tab, file_of("rows.csv", tickets.as_csv(tickets.single())))
    tab.go(f"/datasets/{dataset}")
    tab.check()
    page.get_by_role("link", name="Browse and edit rows").click()
    page.get_by_label("Words in the text").fill("refund")
    page.get_by_role("button", name="Show", exact=True).click()
    page.locator("#label").select_option(label="billing (20)")
    page.wait_for_url(re.compile("label=%3Dbilling"))
    tab.check()
    page.get_by_role("link", name=re.compile("^Edit row")).first.click()
    tab.check()
    page.get_by_label(re.compile("^Label of row")).select_option("account")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Version 2: Labelled 1 row 'account'")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("checkbox").nth(1).check()
    page.get_by_role("button", name="Drop ticked").click()
    expect(page.get_by_role("status")).to_contain_text("Version 3: Dropped 2 rows")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_contain_text("Version 4: Back to version 2")
    tab.go(f"/datasets/{dataset}")
    settle(tab)
    with page.expect_download() as download:
        page.get_by_role("link", name="JSONL").click()
    rows = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert len(rows) == 60
    assert sum(row["label"] == "account" for row in rows) == 21


def show_rows_as_while_checking(page: Page) -> None:
    """Lets the page of a dataset's rows come as if they were still being checked, until it is unrouted."""

    def as_while_checking(route: Route) -> None:
        answer = route.fetch()
        body = answer.text().replace('id="state">', 'id="state" data-live="100">').replace(">Ready<", ">Checking<")
        route.fulfill(response=answer, body=body)

    page.route("**/rows", as_while_checking)


def test_rows_say_by_themselves_when_they_are_checked(tab: Tab, file_of: FileOf) -> None:
    page = tab.page
    dataset = upload(tab, file_of("rows.csv", tickets.as_csv(tickets.single())))
    show_rows_as_while_checking(page)
    release = hold(tab)
    tab.go(f"/datasets/{dataset}/rows")
    page.get_by_role("checkbox").first.check()
    expect(page.get_by_text("Checking", exact=True)).to_be_visible()
    page.unroute("**/rows")
    release()
    expect(page.locator("#state").get_by_text("Ready", exact=True)).to_be_visible()
    expect(page.get_by_role("checkbox").first).to_be_checked()


def test_labels_that_differ_in_their_spaces_look_different(tab: Tab, file_of: FileOf) -> None:
    rows = [
        (text, {"billing": "pay bill", "account": "pay  bill"}.get(label, label)) for text, label in tickets.single()
    ]
    dataset = upload(tab, file_of("spaces.jsonl", tickets.as_jsonl(rows)))
    tab.go(f"/datasets/{dataset}")
    finding = tab.page.locator(".finding", has_text="differ only by")
    assert "'pay  bill' (20), 'pay bill' (20)" in finding.inner_text()
    assert {"pay bill", "pay  bill"} <= set(tab.page.locator(".label-bar a").all_inner_texts())


def test_deleting_asks_for_the_name(tab: Tab, file_of: FileOf) -> None:
    page = tab.page
    dataset = upload(tab, file_of("short lived.csv", tickets.as_csv(tickets.single())))
    tab.go(f"/datasets/{dataset}")
    page.get_by_text("Delete the dataset").click()
    button = page.get_by_role("button", name="Delete for good")
    expect(button).to_be_disabled()
    page.get_by_label("Name of the dataset").fill("short lived")
    button.click()
    page.wait_for_url("**/datasets")
    expect(page.get_by_text(dataset)).to_have_count(0)


def test_hostile_labels_and_texts_stay_text(open_tab: OpenTab, file_of: FileOf) -> None:
    rows = tickets.single()
    rows += [(f"{bad} {number}", bad[:500]) for bad in HOSTILE for number in range(6)]
    rows += [(HOSTILE[0], "rare <b>label</b>")]
    content = tickets.as_jsonl(rows)
    for phone in (False, True):
        tab = open_tab(phone=phone)
        tab.sign_in()
        dataset = upload(tab, file_of("<img src=x>.jsonl", content))
        for path in (
            "/",
            "/datasets",
            f"/models/new/{dataset}",
            f"/datasets/{dataset}",
            f"/datasets/{dataset}/rows?page=2",
            f"/datasets/{dataset}/rows?page=2&edit=62",
            f"/datasets/{dataset}/rows?q=<script>alert(1)</script>",
            f"/models/new/{dataset}/settings",
        ):
            tab.go(path)
            tab.check()
            assert "owned" not in tab.page.title()
            assert tab.page.locator("main img, main script").count() == 0


def test_the_playground_answers_at_once(tab: Tab) -> None:
    page = tab.page
    tab.go("/playground")
    tab.check()
    page.get_by_role("button", name="Add a label").click()
    page.get_by_label("Label", exact=True).last.fill("weather")
    page.get_by_label("Examples, one a line").last.fill("it rains\nthe sun shines")
    page.get_by_role("button", name="Sort them").click()
    expect(page.get_by_role("heading", name="Answers")).to_be_visible()
    assert page.locator("table.rows tbody tr").count() == 3
    tab.check()
    page.get_by_role("button", name="Make a dataset").click()
    settle(tab)
    expect(page.get_by_role("heading", level=1)).to_have_text("From the playground")


def test_without_scripts_everything_is_there(open_tab: OpenTab, file_of: FileOf) -> None:
    tab = open_tab(java_script_enabled=False)
    page = tab.page
    tab.sign_in()
    tab.go("/models/new")
    page.get_by_label("Training file").set_input_files(file_of("n.csv", tickets.as_csv(tickets.single())))
    page.get_by_role("button", name="Check the data").click()
    for _ in range(100):
        if page.get_by_role("link", name="Next: settings").count():
            break
        page.wait_for_timeout(200)
        page.reload()
    expect(page.get_by_role("heading", name="Validation")).to_be_visible()
    expect(page.get_by_role("link", name="Datasets", exact=True)).to_be_visible()
    page.get_by_role("link", name="Next: settings").click()
    expect(page.get_by_role("button", name="Train")).to_be_enabled()
