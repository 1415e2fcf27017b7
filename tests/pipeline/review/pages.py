"""Pages of results as a browser sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fastapi.testclient import TestClient

from pipeline.review.options import ReviewOptions
from pipeline.review.review import Review, load_screener, opened_review
from pipeline.review.server.app import create_app
from pipeline.review.server.guard import host_check
from pipeline.screening.screener import Screener
from tests import EXAMPLES

BASE = "http://127.0.0.1:8000"
TOKEN = "a-token"
ORIGIN = {"origin": BASE}


@dataclass(frozen=True)
class Page:
    """A page as a browser with the link sees it."""

    client: TestClient
    review: Review

    def get(self, path: str) -> Any:
        """JSON of an answer that must be right."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, document: Any) -> Any:
        """The same of a document sent from the page."""
        answer = self.client.post(path, json=document, headers=ORIGIN)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def uids(self) -> list[str]:
        """Studies in the order of the worklist."""
        return [row["study_uid"] for row in self.get("/api/worklist")["studies"]]


def client_of(review: Review) -> TestClient:
    """A browser without the token."""
    app = create_app(review, TOKEN, "review-8000", host_check("127.0.0.1", 8000))
    return TestClient(app, base_url=BASE, follow_redirects=False, raise_server_exceptions=False)


@cache
def _screener(weights: Path | None) -> Screener:
    """The models, loaded once for all pages."""
    return load_screener(weights)


@contextmanager
def open_page(out: Path, cohort: Path | None = EXAMPLES, images: Path | None = None, **options: Any) -> Iterator[Page]:
    """Open a page of some results; further keyword arguments are of `ReviewOptions`."""
    loaded = patch("pipeline.review.review.load_screener", _screener)
    with loaded, opened_review(out, cohort, images, ReviewOptions(**options)) as review:
        client = client_of(review)
        assert client.get(f"/?token={TOKEN}").status_code == 303
        yield Page(client, review)


def drawn(study: Any) -> dict[str, Any]:
    """The boxes of a study as the page sends them back unchanged."""
    corners = ("level", "x0", "y0", "x1", "y1")
    return {
        view: {
            "boxes": [{name: box[name] for name in corners} for box in shown["boxes"]],
            "left_out": shown["left_out"],
        }
        for view, shown in study["views"].items()
    }
