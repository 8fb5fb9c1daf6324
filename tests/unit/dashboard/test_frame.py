"""What holds for every page: its policy, its twin, its errors, and what it is made of."""

import gzip
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import fewfit.dashboard
from tests.unit.dashboard.conftest import JSON, Visit

STATIC = Path(fewfit.dashboard.__file__).parent / "static"


def test_a_page_allows_nothing_but_our_own_files(visit: Visit) -> None:
    headers = visit.client.get("/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_the_twin_is_asked_for_with_accept(visit: Visit) -> None:
    assert visit.client.get("/", headers=JSON).headers["content-type"] == "application/json"
    assert visit.client.get("/", headers={"Accept": "*/*"}).headers["content-type"].startswith("text/html")
    assert "Accept" in visit.client.get("/").headers["vary"]


def test_what_is_not_there_is_a_page_with_the_requests_id(visit: Visit) -> None:
    answer = visit.client.get("/nothing/<b>")
    assert answer.status_code == 404
    assert answer.headers["x-request-id"] in answer.text
    assert "<b>" not in answer.text.partition("<main")[2]
    twin = visit.client.get("/nothing", headers=JSON)
    assert twin.json() == {"message": "There is no page /nothing.", "id": twin.headers["x-request-id"]}


def test_the_api_is_where_it_was(visit: Visit) -> None:
    assert visit.client.get("/healthz").json() == {"status": "ok"}
    assert visit.client.get("/v1/datasets").status_code == 401
    assert visit.client.get("/v1/nothing", headers={"Authorization": "Bearer ff_x"}).json()["message"]
    assert visit.client.get("/docs").status_code == 200
    assert visit.client.get("/files/x").status_code == 404


def test_files_are_kept_by_browsers_under_the_name_of_their_content(client: TestClient) -> None:
    page = client.get("/sign-in").text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = client.get(address)
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    again = client.get("/static/app.css", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")
    assert client.get("/static/..%2f__init__.py").status_code == 404


def test_styles_and_scripts_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in STATIC.iterdir()}
    assert sum(sizes.values()) <= 100_000, sizes


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_a_script_writes_no_markup(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\.(inner|outer)HTML\s*=[^=]", text)
    assert "insertAdjacentHTML" not in text
    assert "eval(" not in text
    assert len(gzip.compress(text.encode())) < 20_000
