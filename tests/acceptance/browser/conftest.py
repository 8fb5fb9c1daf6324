"""A real Chromium in front of a real server, whose models stand on a tiny encoder so that training takes moments."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from fewfit.testing import write_toy_base
from tests.acceptance.browser.packages import ARGUMENTS, axe_script, chromium
from tests.acceptance.sdk import tickets
from tests.acceptance.sdk.server import LiveServer

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
# How long a step of a journey may take before it counts as broken: machines are slow at times.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
_SERIOUS = ("serious", "critical")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The server of all browser tests."""
    words = [text for text, _ in tickets.single()]
    base = write_toy_base(tmp_path_factory.mktemp("bases") / "toy", hidden=128, layers=1, texts=words, vocabulary=600)
    environ = {
        "FEWFIT_DEFAULT_BASE": str(base),
        "FEWFIT_EFFORT": "quick",
        "FEWFIT_POLL_INTERVAL_S": "0.05",
        "FEWFIT_WORKER_NICE": "0",
        "OMP_NUM_THREADS": "1",
    }
    live = LiveServer(tmp_path_factory.mktemp("server"), environ)
    live.start()
    yield live
    live.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield running
        running.close()


class Tab:
    """A page of the browser, and what a person does with it. `problems` are errors of scripts and blocked things."""

    def __init__(self, server: LiveServer, page: Page) -> None:
        self.server = server
        self.page = page
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.on("console", lambda said: self._note(said.type, said.text))
        page.on("request", self._watch)
        page.on("response", self._failed)

    def go(self, path: str) -> None:
        self.page.goto(self.server.url + path)

    def sign_in(self, key: str = "") -> None:
        self.go("/sign-in")
        self.page.get_by_label("API key").fill(key or self.server.key)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{self.server.url}/")

    def check(self) -> None:
        """No serious obstacle by axe-core, nothing wider than the window, no script that failed."""
        self.page.wait_for_load_state("load")
        # Through the debugger, which the page's policy does not concern.
        self.page.evaluate(axe_script() + ";0")
        result = self.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        found = [
            f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in result["violations"]
            if one["impact"] in _SERIOUS
        ]
        assert not found, f"{self.page.url}\n" + "\n".join(found)
        wide = self.page.evaluate(
            "[...document.querySelectorAll('main *, header *')].filter(e => e.getBoundingClientRect().right > "
            "document.documentElement.clientWidth + 1 && !e.closest('.scroll, pre, .unseen, svg, [hidden]') && "
            "getComputedStyle(e).position !== 'absolute').map(e => e.outerHTML.slice(0, 120))"
        )
        assert not wide, f"{self.page.url}: wider than the window: {wide[:3]}"
        assert not self.problems, self.problems

    def press_to(self, selector: str, most: int = 200) -> None:
        """Reaches an element with the tab key alone."""
        for _ in range(most):
            if self.page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the tab key does not reach {selector} on {self.page.url}")

    def _note(self, kind: str, text: str) -> None:
        # A page that answers 4xx is told on the console as well; tests of errors look at the page.
        if kind == "error" and "the server responded with a status of 4" not in text:
            self.problems.append(text)

    def _failed(self, response: Any) -> None:
        if response.status >= 500:
            self.problems.append(f"{response.status} {response.url}: {self.server.lines[-3:]}")

    def _watch(self, request: Any) -> None:
        if not request.url.startswith((self.server.url, "blob:", "data:")):
            self.problems.append(f"asks another machine: {request.url}")


OpenTab = Callable[..., Tab]


@pytest.fixture
def open_tab(server: LiveServer, browser: Browser) -> Iterator[OpenTab]:
    """Opens a tab in a window of its own; `phone` and `dark` say how it looks."""
    windows: list[BrowserContext] = []

    def open_one(*, phone: bool = False, dark: bool = False, **options: Any) -> Tab:
        window = browser.new_context(
            viewport=PHONE if phone else DESKTOP,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            **options,
        )
        windows.append(window)
        return Tab(server, window.new_page())

    yield open_one
    for window in windows:
        window.close()


@pytest.fixture
def tab(open_tab: OpenTab) -> Tab:
    """A signed-in tab on a desk."""
    opened = open_tab()
    opened.sign_in()
    return opened


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes a file to be uploaded."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write
