"""The screenshots in the docs: `make screenshots` takes them anew of a real server with a real base."""

import json
import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.acceptance.browser.packages import ARGUMENTS, chromium
from tests.acceptance.sdk.server import LiveServer

HERE = Path(__file__).resolve().parents[3] / "docs" / "images"
LARGEST_BYTES = 150_000
_PATIENCE_MS = 600_000


def messy_reviews() -> str:
    """Reviews with things to repair, written for the picture."""
    from fewfit.samples import load_sample

    texts, labels = load_sample("sentiment", "train")
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    rows += [
        {"text": texts[0].upper(), "label": labels[0]},
        {"text": "My neighbour has the same one and swears by it.", "label": "Positive"},
        {"text": texts[1], "label": "neutral" if labels[1] != "neutral" else "negative"},
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def take(page: Page, name: str) -> None:
    """Takes what the window shows."""
    path = HERE / f"dashboard-{name}.png"
    page.screenshot(path=path, animations="disabled")
    size = path.stat().st_size
    assert size <= LARGEST_BYTES, f"{path.name} has {size:,} bytes; at most {LARGEST_BYTES:,} go into the docs"
    print(f"{path.name}: {size:,} bytes", file=sys.stderr)


def sign_in(page: Page, server: LiveServer) -> None:
    page.set_default_timeout(_PATIENCE_MS)
    page.goto(f"{server.url}/sign-in")
    page.get_by_label("API key").fill(server.key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{server.url}/")


def walk(page: Page, server: LiveServer) -> None:
    """The journey that the pictures show."""
    take(page, "first-visit")
    page.goto(f"{server.url}/models/new")
    page.get_by_label("Name of the dataset").fill("Reviews")
    page.get_by_label("Or paste rows").fill(messy_reviews())
    page.wait_for_selector("#requirements .unmet")
    take(page, "new-model")
    page.get_by_role("button", name="Check the data").click()
    page.wait_for_selector("#state:not([data-live])")
    take(page, "findings")
    page.get_by_role("link", name=re.compile("^Show")).first.click()
    page.get_by_role("link", name="Show all rows").click()
    take(page, "rows")
    page.goto(f"{server.url}/")
    page.get_by_text("Six sets to try").click()
    page.get_by_role("button", name="Try it: Support messages").click()
    page.get_by_role("link", name="Next: settings").click()
    take(page, "settings")
    page.get_by_role("radio", name=re.compile("english-small")).check()
    page.get_by_role("radio", name=re.compile("Quick")).check()
    page.get_by_role("button", name="Train").click()
    page.wait_for_selector(".plot tbody tr:nth-child(9)", state="attached")
    take(page, "training")
    page.wait_for_selector("#open")
    page.goto(f"{server.url}/playground")
    page.get_by_role("button", name="Sort them").click()
    page.wait_for_selector("#answers")
    take(page, "playground")
    page.goto(f"{server.url}/")
    take(page, "home")


def main() -> None:
    HERE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        environ = {"FEWFIT_DEFAULT_BASE": "english-small", "FEWFIT_POLL_INTERVAL_S": "0.05", "OMP_NUM_THREADS": "1"}
        server = LiveServer(Path(folder), environ)
        server.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
                page = browser.new_page(viewport={"width": 1180, "height": 860})
                sign_in(page, server)
                walk(page, server)
                model = page.locator("table.rows tbody th a").first.get_attribute("href")
                phone = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark")
                sign_in(phone, server)
                take(phone, "phone")
                page.goto(f"{server.url}{model}")
                take(page, "model")
                browser.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
