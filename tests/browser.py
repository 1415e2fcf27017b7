"""Waiting for a page in the browser, also for one whose policy lets no script run."""

from __future__ import annotations

import time
from typing import Any

LONGEST_S = 30


def eventually(page: Any, expression: str, argument: object = None) -> None:
    """Wait until a JavaScript expression is true on a page.

    Playwright's own `wait_for_function` asks again by `eval` inside the page, which a policy without
    'unsafe-eval' forbids: it works only where the first answer is already true.

    Raises:
        AssertionError: it was not true within LONGEST_S seconds.
    """
    end = time.monotonic() + LONGEST_S
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, f"not true within {LONGEST_S} s: {expression}"
        page.wait_for_timeout(20)
