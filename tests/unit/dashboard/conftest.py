import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from starlette.testclient import TestClient

from fewfit.api.app import create_app
from fewfit.dashboard import create_dashboard
from fewfit.service.records import Scope
from tests.unit.service.conftest import OpenShop, new_database, open_shop, shop, small_base, store_settings
from tests.unit.service.shop import Shop

__all__ = ["OpenShop", "new_database", "open_shop", "shop", "small_base", "store_settings"]

JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}  # as browsers do
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "!doctype")
)


class Visit:
    """A browser without scripts: keeps cookies, and sends forms as the page has them."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, (answer.status_code, answer.text[:2000])
        assert answer.headers["content-type"].startswith("text/html")
        check_html(answer.text)
        return answer.text

    def json(self, path: str, status: int = 200) -> Any:
        answer = self.client.get(path, headers=JSON)
        assert answer.status_code == status, answer.text[:2000]
        return answer.json()

    def post(self, path: str, page: str | None = None, *, status: int = 303, **fields: Any) -> Any:
        """Sends a form to a path with the token of a page; gives where it leads, or the page that came."""
        text = self.client.get(page or "/account").text
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', text)
        assert token is not None, "the page has no form"
        answer = self.client.post(path, data={"csrf": token[1]} | fields, follow_redirects=False)
        assert answer.status_code == status, (answer.status_code, answer.text[:3000])
        return answer.headers["location"] if status == 303 else answer.text

    def sign_in(self, secret: str) -> None:
        text = self.client.get("/sign-in").text
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', text)
        assert token is not None
        answer = self.client.post("/sign-in", data={"csrf": token[1], "key": secret}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


class _Checker(HTMLParser):
    """Notes what a strict policy would stop or a screen reader stumble over."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in _VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(str(given["id"]))
        self.problems += [f"<{tag} {name}>" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not str(given.get("src", "")).startswith("/static/")):
            self.problems.append(f"<{tag}> inline or from elsewhere")
        for name in ("src", "href", "action"):
            value = str(given.get(name, "/"))
            if value.startswith(("http:", "https:", "//", "javascript:", "data:")):
                self.problems.append(f"<{tag} {name}={value}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "li", "option") and self.open and self.open[-1] != tag:
            self.problems.append(f"</{tag}> closes <{self.open[-1]}>")
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes something else")


def check_html(text: str) -> None:
    """The page is well-formed, holds nothing inline or from elsewhere, and has no id twice."""
    checker = _Checker()
    checker.feed(text)
    checker.close()
    assert not checker.problems, checker.problems[:5]
    assert not checker.open, checker.open
    assert len(checker.ids) == len(set(checker.ids)), sorted(checker.ids)


def browse(shop: Shop) -> TestClient:
    """The whole application of a shop, API and dashboard, behind a client."""
    settings = shop.service.settings
    app = create_app(shop.service, settings, create_dashboard(shop.service, settings))
    return TestClient(app, base_url="http://testserver", headers=HTML, raise_server_exceptions=False)


@pytest.fixture
def client(shop: Shop) -> Iterator[TestClient]:
    with browse(shop) as client:
        yield client


SignedIn = Callable[..., Visit]


@pytest.fixture
def signed_in(shop: Shop) -> SignedIn:
    """Somebody new, signed in with a key of these scopes (an admin without any)."""

    def enter(*scopes: Scope, organization_id: str = "default") -> Visit:
        new = shop.service.keys.create_for(organization_id, name="a key", scopes=scopes or ("admin",))
        visit = Visit(browse(shop))
        visit.sign_in(new.secret)
        return visit

    return enter


@pytest.fixture
def visit(signed_in: SignedIn) -> Visit:
    """An admin of the default organisation."""
    return signed_in()
