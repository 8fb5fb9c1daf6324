"""Signing in and out: whose session it is, when it ends, and that other sites cannot use it."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from fewfit.service.errors import UnauthorizedError
from fewfit.service.store.tables import SessionRow, utc_now
from tests.unit.dashboard.conftest import JSON, SignedIn, Visit, browse, check_html
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import Shop


def test_a_page_leads_to_the_sign_in_and_back(shop: Shop, client: TestClient) -> None:
    answer = client.get("/account?x=1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Faccount%3Fx%3D1")
    page = client.get(answer.headers["location"]).text
    assert 'name="next" value="/account?x=1"' in page


def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(shop: Shop, client: TestClient) -> None:
    secret = shop.service.first_key() or ""
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/sign-in").text)
    assert token is not None
    fields = {"csrf": token[1], "key": f" {secret} ", "next": "/account"}
    answer = client.post("/sign-in", data=fields, follow_redirects=False)
    assert answer.headers["location"] == "/account"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie
    assert secret not in cookie
    assert client.get("/account").status_code == 200


def test_whoever_has_no_session_cannot_make_the_server_keep_a_large_form(client: TestClient) -> None:
    own = {"Sec-Fetch-Site": "same-origin"}
    for path, most in (("/sign-in", 64 * 1024), ("/datasets/ds_1/edit", 256 * 1024)):
        answer = client.post(path, data={"note": "x" * most}, headers=own, follow_redirects=False)
        assert "x" * 1000 not in answer.text
        assert "xxx" in client.post(path, data={"next": "/xxx", "key": "xxx", "note": "xxx"}, headers=own).text
    refused = client.post("/sign-in", data={"key": "x" * 64 * 1024}, headers={"Accept": "application/json"})
    assert refused.status_code == 400
    assert refused.json()["message"] == "The body is larger than 65,536 bytes, the most that is allowed here."


def test_over_https_the_cookie_insists_on_it(open_shop: OpenShop) -> None:
    shop = open_shop(public_url="https://fewfit.example")
    client = browse(shop)
    secret = shop.service.first_key() or ""
    https = TestClient(client.app, base_url="https://testserver")
    token = re.search(r'name="csrf" value="(\w+)"', https.get("/sign-in").text)
    assert token is not None
    answer = https.post("/sign-in", data={"csrf": token[1], "key": secret}, follow_redirects=False)
    assert "Secure" in answer.headers["set-cookie"]


def test_a_wrong_key_says_so_and_signs_nobody_in(client: TestClient) -> None:
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/sign-in").text)
    assert token is not None
    answer = client.post("/sign-in", data={"csrf": token[1], "key": "ff_<b>wrong</b>"})
    assert answer.status_code == 401
    assert "The API key is not known" in answer.text
    assert "wrong</b>" not in answer.text
    assert client.get("/", follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1", "/\tx", ""]
)
def test_after_sign_in_nobody_is_led_elsewhere(shop: Shop, client: TestClient, target: str) -> None:
    secret = shop.service.first_key() or ""
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/sign-in", params={"next": target}).text)
    assert token is not None
    fields = {"csrf": token[1], "key": secret, "next": target}
    assert client.post("/sign-in", data=fields, follow_redirects=False).headers["location"] == "/"


def test_signing_out_ends_the_session_on_the_server(visit: Visit) -> None:
    token = visit.client.cookies["fewfit_session"]
    assert visit.post("/sign-out") == "/sign-in"
    assert "fewfit_session" not in visit.client.cookies
    visit.client.cookies.set("fewfit_session", token)
    assert visit.client.get("/", follow_redirects=False).status_code == 303


def test_revoking_the_key_ends_its_sessions_at_once(shop: Shop, signed_in: SignedIn) -> None:
    visit = signed_in()
    key_id = visit.json("/account")["key_id"]
    shop.service.keys.revoke(shop.admin, key_id)
    assert visit.client.get("/", follow_redirects=False).headers["location"] == "/sign-in"
    assert visit.client.get("/", headers=JSON).status_code == 401


def test_a_session_ends_by_itself(shop: Shop, visit: Visit) -> None:
    with shop.service.database.writing() as session:
        session.execute(update(SessionRow).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert visit.client.get("/", follow_redirects=False).status_code == 303
    new = shop.service.keys.create_for("default", name="b", scopes=("read",))
    shop.service.sessions.start(new.secret)
    with shop.service.database.reading() as session:
        assert len(list(session.scalars(select(SessionRow)))) == 1, "old ones are swept"


def test_only_the_digest_of_a_token_is_kept(shop: Shop, visit: Visit) -> None:
    token = visit.client.cookies["fewfit_session"]
    with shop.service.database.reading() as session:
        (row,) = session.scalars(select(SessionRow))
    assert token not in (row.digest, row.key_id)
    with pytest.raises(UnauthorizedError):
        shop.service.sessions.caller(row.digest)


def test_a_form_without_our_token_is_refused(visit: Visit) -> None:
    for fields in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "ä"}):
        answer = visit.client.post("/sign-out", data=fields)
        assert answer.status_code == 403
        assert "not one of this session" in answer.text
    assert visit.client.get("/account").status_code == 200


def test_a_form_of_one_session_is_no_good_in_another(visit: Visit, signed_in: SignedIn) -> None:
    other = signed_in()
    token = re.search(r'name="csrf" value="(\w+)"', other.get("/account"))
    assert token is not None
    assert visit.client.post("/sign-out", data={"csrf": token[1]}).status_code == 403


def test_what_was_written_before_signing_in_again_can_be_sent_once_more(shop: Shop, signed_in: SignedIn) -> None:
    visit, other = signed_in(), signed_in()
    own = {"Sec-Fetch-Site": "same-origin"}
    fields = {"csrf": _token(visit), "name": "written <b>\r\n", "scope": ["read", "train"], "days": ""}
    sent = other.client.post("/keys", data=fields, headers=own)
    assert sent.status_code == 403
    assert "Load its page again" in sent.text
    assert "key that may do this" not in sent.text
    again = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', sent.text)
    assert again == [
        ("csrf", _token(other)),
        ("name", "written &lt;b&gt;\n"),
        ("scope", "read"),
        ("scope", "train"),
        ("days", ""),
    ]
    check_html(sent.text)
    # A session that is over: sign in elsewhere, and send it again.
    visit.post("/sign-out")
    sent = visit.client.post("/keys", data=fields, headers=own)
    assert sent.status_code == 401
    assert "Sign in in another tab" in sent.text
    assert 'name="name" value="written &lt;b&gt;' in sent.text
    assert 'name="csrf"' not in sent.text
    # Nothing is shown of what may have come from elsewhere.
    assert "written" not in other.client.post("/keys", data=fields).text
    assert visit.client.post("/keys", data=fields, follow_redirects=False).status_code == 303
    assert all("written" not in key.name for key in shop.service.keys.list(shop.admin))


def test_a_sign_in_page_that_is_too_old_asks_for_the_key_once_more(shop: Shop, client: TestClient) -> None:
    secret = shop.service.first_key() or ""
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = client.post("/sign-in", data={"csrf": "0" * 64, "key": secret, "next": "/usage"}, headers=headers)
    assert answer.status_code == 401
    assert "Enter the key once more" in answer.text
    assert secret not in answer.text
    token = re.search(r'name="csrf" value="(\w+)"', answer.text)
    assert token is not None
    fields = {"csrf": token[1], "key": secret, "next": "/usage"}
    assert client.post("/sign-in", data=fields, follow_redirects=False).headers["location"] == "/usage"


def _token(visit: Visit) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', visit.get("/account"))
    assert found is not None
    return found[1]


def test_a_form_from_another_site_is_refused(visit: Visit) -> None:
    token = re.search(r'name="csrf" value="(\w+)"', visit.get("/account"))
    assert token is not None
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert visit.client.post("/sign-out", data={"csrf": token[1]}, headers=headers).status_code == 403


def test_a_program_uses_its_key_and_no_cookie(shop: Shop, client: TestClient) -> None:
    headers = JSON | {"Authorization": f"Bearer {shop.service.first_key()}"}
    assert client.get("/account", headers=headers).json()["scopes"] == ["admin"]
    assert client.get("/account", headers=JSON | {"Authorization": "Bearer ff_x"}).status_code == 401


def test_posts_count_as_requests_of_the_key(open_shop: OpenShop) -> None:
    shop = open_shop(rate_limit_per_minute=3)
    new = shop.service.keys.create_for("default", name="a", scopes=("read",))
    visit = Visit(browse(shop))
    visit.sign_in(new.secret)
    for _ in range(10):
        visit.get("/account")
    codes = [visit.client.post("/sign-out", data={"csrf": "x"}).status_code for _ in range(4)]
    assert codes == [403, 403, 429, 429]


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/models", 401)])
def test_a_program_that_asks_for_a_page_gets_its_error_as_json(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path, headers={"Accept": "*/*"}, follow_redirects=False)
    assert answer.status_code == status
    assert set(answer.json()) == {"message", "id"}
