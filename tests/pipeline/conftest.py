"""Pages in headless Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium; what needs it is skipped, loudly, where it is missing."""
    path = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("NOT CHECKED in a browser: playwright is missing; pip install playwright")
    if path is None:
        pytest.skip("NOT CHECKED in a browser: chromium is missing; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """An empty page of 1280 x 800, which outlives its server; whatever else it complains of fails the test, but for
    words that the test expects."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(10_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    meant = ["net::ERR_CONNECTION_REFUSED", *([request.param] if hasattr(request, "param") else [])]
    yield page
    context.close()
    assert not [fault for fault in faults if not any(words in fault for words in meant)]
