"""Only who has the link, from the page itself, under a name of the server, is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline.review.review import opened_review
from pipeline.review.server.guard import MOST_BODY_BYTES, host_check
from tests.pipeline.review.pages import BASE, ORIGIN, TOKEN, Page, client_of, open_page


@pytest.fixture
def page(results: Path) -> Iterator[Page]:
    with open_page(results) as page:
        yield page


@pytest.fixture
def stranger(results: Path) -> Iterator[TestClient]:
    """A browser that never opened the link."""
    with opened_review(results) as review:
        yield client_of(review)


@pytest.mark.parametrize("path", ["/", "/api/worklist", "/app.js", "/api/export/readers.csv"])
def test_nothing_is_answered_without_the_token(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 403 and "token" in answer.json()["error"]


def test_a_wrong_token_opens_nothing_and_sets_no_cookie(stranger: TestClient) -> None:
    answer = stranger.get("/?token=another")
    assert answer.status_code == 403 and "set-cookie" not in answer.headers
    assert stranger.get("/api/worklist").status_code == 403


def test_the_link_sets_a_strict_cookie_and_drops_the_token_from_the_address(stranger: TestClient) -> None:
    answer = stranger.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert stranger.get("/api/worklist").status_code == 200


def test_a_token_in_any_other_address_counts_for_nothing(stranger: TestClient) -> None:
    assert stranger.get(f"/api/worklist?token={TOKEN}").status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example:8000", "127.0.0.1:8001", "localhost", "127.0.0.1.evil.example:8000", ""]
)
def test_another_host_is_refused(page: Page, host: str) -> None:
    answer = page.client.get("/api/worklist", headers={"host": host})
    assert answer.status_code == 403 and "name of the server" in answer.json()["error"]


@pytest.mark.parametrize("origin", ["http://evil.example", "https://127.0.0.1:8000", "http://127.0.0.1:8001", "null"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_origin_is_refused(page: Page, origin: str, method: str) -> None:
    path = f"/api/study/{page.uids[0]}/corrections" if method == "POST" else "/api/worklist"
    answer = page.client.request(method, path, json={"views": {}}, headers={"origin": origin})
    assert answer.status_code == 403 and "another page" in answer.json()["error"]
    assert page.review.log.states == {}


def test_a_change_without_an_origin_is_refused(page: Page) -> None:
    answer = page.client.post(f"/api/study/{page.uids[0]}/corrections", json={"views": {}})
    assert answer.status_code == 403 and page.review.log.states == {}


def test_a_request_that_the_browser_calls_foreign_is_refused(page: Page) -> None:
    answer = page.client.get("/api/worklist", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(page: Page, method: str) -> None:
    assert page.client.request(method, "/api/worklist", headers=ORIGIN).status_code == 403


def test_a_form_of_another_page_is_no_json(page: Page) -> None:
    path = f"/api/study/{page.uids[0]}/corrections"
    answer = page.client.post(path, content=b'{"views": {}}', headers={**ORIGIN, "content-type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("told", [True, False])
def test_a_large_body_is_refused_before_it_is_read(page: Page, told: bool) -> None:
    body = b" " * (MOST_BODY_BYTES + 1)
    path = f"/api/study/{page.uids[0]}/corrections"
    content = body if told else iter([body[:1000], body[1000:]])
    answer = page.client.post(path, content=content, headers={**ORIGIN, "content-type": "application/json"})
    assert answer.status_code == 413 and page.review.log.states == {}


@pytest.mark.parametrize("path", ["/", "/api/worklist", "/nothing", "/api/study/1/AP/image"])
def test_every_answer_forbids_foreign_and_inline_scripts(page: Page, path: str) -> None:
    headers = page.client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self';") and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_no_description_of_the_routes_is_served(page: Page) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert page.client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("host", "header", "known"),
    [
        ("127.0.0.1", "127.0.0.1:8000", True),
        ("127.0.0.1", "LOCALHOST:8000", True),
        ("127.0.0.1", "10.0.0.1:8000", False),
        ("::1", "[::1]:8000", True),
        ("10.0.0.1", "10.0.0.1:8000", True),
        ("10.0.0.1", "127.0.0.1:8000", False),
        ("0.0.0.0", "10.0.0.1:8000", True),
        ("0.0.0.0", "[fe80::1]:8000", True),
        ("0.0.0.0", "rebound.example:8000", False),
        ("reading-room", "reading-room:8000", True),
        ("127.0.0.1", "127.0.0.1:٨٠٠٠", False),
    ],
)
def test_a_server_knows_its_names(host: str, header: str, known: bool) -> None:
    assert host_check(host, 8000)(header) is known


def test_the_standard_port_may_be_left_out() -> None:
    assert host_check("127.0.0.1", 80)("127.0.0.1") and BASE.startswith("http://127.0.0.1")
