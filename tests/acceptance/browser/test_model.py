"""From a trained model to a served one: metrics, thresholds, trying, correcting, retraining, comparing, switching,
rolling back, the snippet that is copied and run, reviewing, keys, and out. With the mouse, with keys, on a phone."""

import json
import os
import re
import subprocess
import time
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.browser.conftest import PATIENCE_MS, OpenTab, Tab
from tests.acceptance.sdk import tickets
from tests.acceptance.sdk.packages import PACKAGES, command, python
from tests.acceptance.sdk.server import LiveServer

_HOSTILE = "<img src=x onerror=alert(1)> \u202eesrever\u202c 🙂 <script>document.title='x'</script>"
_SINGLE = "single-label-classification-finetune-input"
_MULTI = "multi-label-classification-finetune-input"


def train(server: LiveServer, name: str, content: bytes, kind: str) -> str:
    """A model, trained over the API; gives its id."""
    edge = uuid.uuid4().hex
    head = f'--{edge}\r\nContent-Disposition: form-data; name="data"; filename="data.jsonl"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
    sent = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    made = server.request("POST", f"/v1/datasets?name=tickets&type={kind}", body, headers=sent)
    assert made.status == 200, made.content
    dataset = made.json["id"]
    wait(lambda: server.request("GET", f"/v1/datasets/{dataset}").json["dataset"]["validation_status"] == "validated")
    settings = {"base_model": {"base_type": "BASE_TYPE_CLASSIFICATION"}, "dataset_id": dataset}
    asked = server.request("POST", "/v1/finetuning/finetuned-models", {"name": name, "settings": settings})
    assert asked.status == 200, asked.content
    model = str(asked.json["finetuned_model"]["id"])
    path = f"/v1/finetuning/finetuned-models/{model}"
    wait(lambda: server.request("GET", path).json["finetuned_model"]["status"] == "STATUS_READY")
    return model


def wait(done: Any) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000 * 3
    while not done():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def router(server: LiveServer) -> str:
    """A single-label model."""
    return train(server, "Ticket router", tickets.as_jsonl(tickets.single()), _SINGLE)


@pytest.fixture(scope="session")
def topics(server: LiveServer) -> str:
    """A model that gives several labels."""
    return train(server, "Topics", tickets.as_jsonl(tickets.multi()), _MULTI)


def classify(page: Page, texts: str) -> None:
    page.get_by_label("Texts, one a line").fill(texts)
    page.get_by_role("button", name="Classify").click()
    # The answers first, then the reasons.
    page.wait_for_selector(".near")


def test_from_metrics_to_a_snippet_that_runs(open_tab: OpenTab, server: LiveServer) -> None:
    model = train(server, "Journey", tickets.as_jsonl(tickets.single()), _SINGLE)
    tab = open_tab(permissions=["clipboard-read", "clipboard-write"])
    tab.sign_in()
    page = tab.page
    tab.go("/models")
    page.get_by_role("link", name="Journey").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Journey v1")
    for name in ("Accuracy", "Macro precision", "Macro recall", "Macro F1", "Loss"):
        expect(page.locator("dt", has_text=re.compile(f"^{name}$"))).to_be_visible()
    expect(page.get_by_role("region", name="Confusion matrix")).to_be_visible()
    tab.check()

    page.get_by_role("link", name="Try it").first.click()
    tab.check()
    classify(page, f"{tickets.QUESTIONS['billing']}\n{_HOSTILE}")
    expect(page.locator(".case")).to_have_count(2)
    expect(page.locator(".case").first.locator(".answer")).to_have_text("billing")
    expect(page.get_by_text("The untuned base says").first).to_be_visible()
    expect(page.locator(".case").nth(1)).to_contain_text("<img src=x onerror=alert(1)>")
    tab.check()

    # That is wrong: said in place, without losing the other answer.
    case = page.locator(".case").nth(1)
    case.get_by_text("That is wrong").click()
    case.get_by_label("Right label").select_option("delivery")
    case.get_by_role("button", name="Add the corrected example").click()
    expect(case.get_by_text("It joins the dataset when you train")).to_be_visible()
    expect(page.locator(".case")).to_have_count(2)
    tab.check()

    page.get_by_role("link", name="Quality").click()
    expect(page.get_by_role("heading", name="Corrections that wait")).to_be_visible()
    tab.check()
    page.get_by_role("button", name=re.compile("Train with 1.correction")).click()
    expect(page.get_by_role("link", name="Compare the two")).to_be_visible(timeout=PATIENCE_MS * 3)
    tab.check()
    page.get_by_role("link", name="Compare the two").click()
    expect(page.get_by_role("heading", name="Version 1 beside version 2")).to_be_visible()
    expect(page.get_by_text("that neither was trained on")).to_be_visible()
    tab.check()
    page.get_by_role("button", name="Switch to version 2").click()
    expect(page.get_by_role("row", name=re.compile("Version 2")).get_by_text("Answers")).to_be_visible()
    tab.check()
    page.get_by_role("button", name="Roll back to version 1").click()
    expect(page.get_by_role("row", name=re.compile("Version 1")).get_by_text("Answers")).to_be_visible()

    secret = make_key(tab)
    tab.go(f"/models/{model}/call")
    tab.check()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"{model}-ft" in copied
    assert secret not in page.content(), "the key is never on the page"
    for line in run_python(copied.replace("ff_your_key", secret)).splitlines():
        assert re.search(r" (account|billing|delivery) 0\.\d+$", line), line

    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("as a folder")).click()
    assert download.value.suggested_filename == "journey-v1.zip"
    page.get_by_role("button", name="Make an ONNX file").click()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("as one ONNX file")).click(timeout=PATIENCE_MS * 3)
    assert download.value.path().stat().st_size > 1000

    tab.go("/usage")
    tab.check()
    tab.go("/account")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    tab.go(f"/models/{model}")
    page.wait_for_url("**/sign-in**")
    assert not tab.problems


def make_key(tab: Tab) -> str:
    """A key that may classify, made, copied once, seen in the list without its secret."""
    page = tab.page
    tab.go("/keys")
    tab.check()
    page.get_by_label("Name").fill("web shop")
    page.get_by_role("button", name="Make the key").click()
    secret = page.locator("#secret").inner_text()
    assert secret.startswith("ff_")
    tab.check()
    tab.go("/keys")
    row = page.get_by_role("row", name=re.compile("web shop")).first
    expect(row).to_contain_text("classify")
    assert secret not in page.content()
    return secret


def run_python(code: str) -> str:
    """What a program prints that runs in the environment of the Python SDK."""
    ran = subprocess.run([python(PACKAGES["python5"]), "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("\n") == 2
    return ran.stdout


@pytest.mark.parametrize("kind", ["router", "topics"])
def test_every_snippet_runs_as_it_is_shown(
    tab: Tab, server: LiveServer, request: pytest.FixtureRequest, kind: str
) -> None:
    model = request.getfixturevalue(kind)
    found = server.request("GET", f"/models/{model}/call", headers={"Accept": "application/json"}).json
    code = {language: text.replace("ff_your_key", server.key) for language, text in found["snippets"]}
    run_python(code["Python"])
    node = PACKAGES["node7"]
    command(node)  # installs it where it is not there
    environ = os.environ | {"NODE_PATH": str(node.folder / "node_modules")}
    ran = subprocess.run(["node", "-e", code["Node"]], capture_output=True, text=True, check=False, env=environ)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("\n") >= 2
    curled = subprocess.run(["sh", "-c", code["curl"]], capture_output=True, text=True, check=True)
    assert len(json.loads(curled.stdout)["classifications"]) == 2
    # What the page shows is what the twin says.
    tab.go(f"/models/{model}/call")
    shown = tab.page.locator("pre code").first.inner_text()
    assert shown.strip() == dict(found["snippets"])["Python"].strip()


def test_a_threshold_is_moved_by_keys_and_saved_as_a_version(tab: Tab, topics: str) -> None:
    page, keys = tab.page, tab.page.keyboard
    tab.go(f"/models/{topics}")
    tab.check()
    slider = page.get_by_role("slider", name="billing")
    effect = page.locator(".slider", has=slider).locator("output")
    expect(effect).to_contain_text("precision")
    tab.press_to(f"#{slider.get_attribute('id')}")
    keys.press("Home")
    expect(effect).to_contain_text("0.00")
    expect(effect).to_contain_text("recall 100")
    assert "recall 100" in str(slider.get_attribute("aria-valuetext"))
    before = server_thresholds(tab.server, topics)
    tab.press_to("#threshold-note")
    keys.type("everything about billing")
    keys.press("Enter")
    page.wait_for_url("**?version=*")
    number = int(page.url.rpartition("=")[2])
    after = server_thresholds(tab.server, topics, number)
    assert after["billing"] == 0
    # What was not touched is exactly what it was.
    assert {name: value for name, value in after.items() if name != "billing"} == {
        name: value for name, value in before.items() if name != "billing"
    }
    expect(page.get_by_text("everything about billing")).to_be_visible()
    tab.check()
    page.get_by_role("link", name="Compare the two").click()
    expect(page.get_by_role("heading", name=f"Version 1 beside version {number}")).to_be_visible()
    expect(page.get_by_role("heading", name="Texts whose answer changed")).to_be_visible()
    tab.check()
    tab.go(f"/models/{topics}/try?version={number}")
    classify(page, "hello number 7, thanks and a good day")
    expect(page.locator(".answer")).to_contain_text("billing")
    tab.check()


def test_a_double_click_acts_once(tab: Tab, topics: str) -> None:
    page = tab.page
    tab.go(f"/models/{topics}")
    page.get_by_role("slider", name="billing").press("End")
    save = page.get_by_role("button", name="Save as version")
    number = int(str(save.text_content()).rpartition(" ")[2])
    save.scroll_into_view_if_needed()
    box = save.bounding_box()
    assert box is not None
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(*place)
    time.sleep(0.1)  # as a hand does it
    page.mouse.down(click_count=2)
    page.mouse.up(click_count=2)
    page.wait_for_url(f"**?version={number}")
    page.go_back()
    slider = page.get_by_role("slider", name="billing")
    # What Back brings is what is said, and it can be sent again.
    expect(page.locator(".slider", has=slider).locator("output")).to_contain_text(f"{float(slider.input_value()):.2f}")
    tab.go(f"/models/{topics}/versions")
    expect(page.get_by_role("link", name=f"Version {number}", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=f"Version {number + 1}", exact=True)).to_have_count(0)


def server_thresholds(server: LiveServer, model: str, version: int | None = None) -> dict[str, float]:
    query = "" if version is None else f"?version={version}"
    report = server.request("GET", f"/v1/finetuning/finetuned-models/{model}/report{query}").json["report"]
    return dict(zip(report["labels"], report["thresholds"], strict=True))


def test_a_file_of_texts_is_tried(tab: Tab, router: str) -> None:
    page = tab.page
    tab.go(f"/models/{router}/try")
    rows = "".join(f'"{text}"\n' for text in tickets.QUESTIONS.values())
    page.get_by_label("File of texts").set_input_files(
        {"name": "texts.csv", "mimeType": "text/csv", "buffer": f"text\n{rows}".encode()}
    )
    page.wait_for_selector(".near")
    expect(page.locator(".answer")).to_have_text(list(tickets.QUESTIONS))
    # Too many are refused in words, and the input stays.
    page.get_by_label("Texts, one a line").fill("x\n" * 97)
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("alert")).to_contain_text("97 texts; at most 96")
    assert page.get_by_label("Texts, one a line").input_value().count("x") == 97
    tab.check()


def test_a_table_is_read_as_one_also_when_it_was_edited_or_pasted(tab: Tab, router: str) -> None:
    page = tab.page
    tab.go(f"/models/{router}/try")
    billing, delivery = tickets.QUESTIONS["billing"], tickets.QUESTIONS["delivery"]
    page.get_by_label("File of texts").set_input_files(
        {"name": "Of May.CSV", "mimeType": "text/csv", "buffer": f'id,text\n1,"{billing}"\n'.encode()}
    )
    expect(page.locator(".case .text")).to_have_text([billing])
    expect(page.get_by_label("Read as")).to_have_value("texts.csv")
    texts = page.get_by_label("Texts, one a line")
    texts.press("Control+End")
    page.keyboard.type(f'2,"{delivery}"')
    page.get_by_role("button", name="Classify").click()
    expect(page.locator(".case .text")).to_have_text([billing, delivery])
    # Other texts in its place are lines, until it is said what they are.
    texts.fill(f'n;text\n1;"{delivery}"\n')
    page.get_by_role("button", name="Classify").click()
    expect(page.locator(".case .text")).to_have_text(["n;text", f'1;"{delivery}"'])
    page.get_by_label("Read as").select_option("CSV")
    page.get_by_role("button", name="Classify").click()
    expect(page.locator(".case .text")).to_have_text([delivery])
    tab.check()


def test_a_network_that_is_away_loses_no_text(tab: Tab, router: str) -> None:
    page = tab.page
    tab.go(f"/models/{router}/try")
    page.get_by_label("Texts, one a line").fill("where is my invoice")
    page.context.set_offline(True)
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("alert")).to_have_text("The server did not answer. Try again.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Classify").click()
    expect(page.locator(".case .text")).to_have_text("where is my invoice")


@pytest.mark.parametrize("kind", ["router", "topics"])
def test_texts_are_reviewed_with_the_keyboard(
    tab: Tab, server: LiveServer, request: pytest.FixtureRequest, kind: str
) -> None:
    model = request.getfixturevalue(kind)
    page, keys = tab.page, tab.page.keyboard
    tab.go(f"/models/{model}/review")
    expect(page.get_by_text("Off unless you turn it on")).to_be_visible()
    tab.check()
    page.get_by_role("button", name="Keep texts for review").click()
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    texts = [_HOSTILE, "courier invoice password", "hello"]
    # The model's consent is believed for two seconds where it is served.
    time.sleep(2.5)
    asked = server.request("POST", "/v1/classify", {"model": f"{model}-ft", "inputs": texts})
    assert asked.status == 200, asked.content

    def kept() -> bool:
        twin = server.request("GET", f"/models/{model}/review", headers={"Accept": "application/json"}).json
        return bool(twin["n_waiting"] == len(texts))

    wait(kept)
    tab.go("/review")
    expect(page.get_by_role("link", name=re.compile("^Label")).first).to_be_visible()
    tab.check()
    tab.go(f"/models/{model}/review")
    tab.check()
    for left in (2, 1):
        if kind == "topics":
            for box in page.get_by_role("checkbox").all():
                box.uncheck()
        page.locator("body").press("2")
        if kind == "topics":
            page.locator("body").press("Enter")
        expect(page.get_by_text(re.compile(f"{left}.texts? waiting"))).to_be_visible()
    keys.press("s")
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    twin = server.request("GET", f"/models/{model}", headers={"Accept": "application/json"}).json
    reviewed = [one for one in twin["waiting"] if one["source"] == "review"]
    assert [one["labels"] for one in reviewed] == [["billing"], ["billing"]]
    page.get_by_text("Texts are kept since").click()
    page.get_by_role("button", name="Stop and delete the texts").click()
    expect(page.get_by_text("Off unless you turn it on")).to_be_visible()


def test_the_keyboard_alone_tries_corrects_and_undoes(open_tab: OpenTab, router: str) -> None:
    tab = open_tab()
    tab.sign_in()
    page, keys = tab.page, tab.page.keyboard
    tab.go(f"/models/{router}/try")
    tab.press_to("#texts")
    keys.type(tickets.QUESTIONS["account"])
    keys.press("Control+Enter")
    page.wait_for_selector(".near")
    tab.press_to(".case details:last-of-type > summary")
    keys.press("Enter")
    tab.press_to(".case select")
    keys.type("deliv")
    tab.press_to("form[data-correct] button")
    keys.press("Enter")
    expect(page.get_by_text("It joins the dataset when you train")).to_be_focused()
    tab.go(f"/models/{router}")
    tab.press_to("form[action$='/remove'] button")
    keys.press("Enter")
    page.wait_for_load_state()
    expect(page.get_by_text(tickets.QUESTIONS["account"])).to_have_count(0)


def test_a_model_is_renamed_and_deleted_by_typing_its_name(tab: Tab, server: LiveServer) -> None:
    model = train(server, "Short-lived", tickets.as_jsonl(tickets.single()), _SINGLE)
    page = tab.page
    tab.go(f"/models/{model}/versions")
    page.get_by_label("Name", exact=True).fill(_HOSTILE)
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x")
    assert page.title() != "x"
    tab.check()
    page.get_by_text("Delete this model").click()
    button = page.get_by_role("button", name="Delete the model")
    expect(button).to_be_disabled()
    page.get_by_label(re.compile("^Type")).fill(page.get_by_label("Name", exact=True).input_value())
    expect(button).to_be_enabled()
    button.click()
    page.wait_for_url("**/models")
    assert server.request("GET", f"/v1/finetuning/finetuned-models/{model}").status == 404


@pytest.mark.parametrize(("phone", "dark"), [(True, False), (True, True), (False, True)])
def test_every_page_of_a_model_fits_and_has_no_obstacle(
    open_tab: OpenTab, router: str, topics: str, phone: bool, dark: bool
) -> None:
    tab = open_tab(phone=phone, dark=dark)
    tab.sign_in()
    for model in (router, topics):
        for path in ("", "/versions", "/compare", "/try", "/call", "/review"):
            tab.go(f"/models/{model}{path}")
            tab.check()
            if path == "/try":
                classify(tab.page, tickets.QUESTIONS["billing"])
                tab.check()
    for path in ("/review", "/usage", "/usage?days=30", "/keys"):
        tab.go(path)
        tab.check()


def test_long_names_stand_beside_numbers_on_a_phone(open_tab: OpenTab, server: LiveServer) -> None:
    words = {"billing": "Invoices_and_everything_else_that_is_about_money_" * 3, "account": "ein langer Name " * 6}
    rows = [(text, words.get(label, label).strip()) for text, label in tickets.single()]
    model = train(server, "A" * 190, tickets.as_jsonl(rows), _SINGLE)
    tab = open_tab(phone=True)
    tab.sign_in()
    tab.go(f"/models/{model}")
    for name in tab.page.locator(".scroll tbody th").all():
        box = name.bounding_box()
        assert box is not None
        assert box["width"] >= 100
    broken = (
        "[...document.querySelectorAll('.confusion thead bdi')].filter(e => !/[_ ]/.test(e.textContent) && "
        "e.getBoundingClientRect().height > 1.5 * parseFloat(getComputedStyle(e).lineHeight)).map(e => e.textContent)"
    )
    assert tab.page.evaluate(broken) == [], "a word over a column is read in one piece"
    for path in ("", "/versions", "/compare"):
        tab.go(f"/models/{model}{path}")
        tab.check()


def test_a_reader_sees_the_pages_without_what_it_may_not_do(open_tab: OpenTab, server: LiveServer, router: str) -> None:
    key = server.request("POST", "/v1/keys", {"name": "reader", "scopes": ["read"]}).json
    tab = open_tab()
    tab.sign_in(key["secret"])
    for path in (f"/models/{router}", f"/models/{router}/versions", f"/models/{router}/review", "/keys", "/usage"):
        tab.go(path)
        tab.check()
    expect(tab.page.get_by_role("button", name="Train again")).to_have_count(0)
