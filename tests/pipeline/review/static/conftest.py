"""The page in headless Chromium, against the server itself."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.bundle.load import Bundle
from pipeline.review.options import ReviewOptions
from pipeline.review.review import opened_review
from pipeline.screening.folder import ScreeningOptions, screen_folder
from tests import EXAMPLES

PATIENTS = ("SIM0011-00003", "SIM0011-00005", "SIM0011-00006")
TOKEN = "token-of-the-tests"


@contextmanager
def served(out: Path, options: ReviewOptions | None = None, cohort: Path | None = EXAMPLES) -> Iterator[str]:
    """The link to a review of a folder of results."""
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("fastapi")
    from pipeline.review.server.app import create_app

    with opened_review(out, images=EXAMPLES, cohort=cohort, options=options) as review:
        app = create_app(review, TOKEN, "osteolens-review-test", lambda host: host.startswith("127.0.0.1:"))
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=20)
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            until = time.monotonic() + 20
            while not server.started:
                assert time.monotonic() < until, "the server did not start"
                time.sleep(0.02)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}/?token={TOKEN}"
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture(scope="session")
def screened_examples(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Path:
    """Results of three of the examples."""
    folder = tmp_path_factory.mktemp("review")
    for patient in PATIENTS:
        shutil.copytree(EXAMPLES / patient, folder / "images" / patient)
    shutil.copy(EXAMPLES / "cohort.csv", folder / "images")
    screen_folder(folder / "images", folder / "out", bundle, ScreeningOptions())
    return folder / "out"


@pytest.fixture
def results(screened_examples: Path, tmp_path: Path) -> Path:
    """The same, for one test to write into."""
    return Path(shutil.copytree(screened_examples, tmp_path / "out"))
