"""Takes a picture of the page: ``python -m tests.browser.screenshot http://127.0.0.1:8081/ page.png [--dark]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.browser.chromium import Chromium


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("file", type=Path)
    parser.add_argument("--width", type=int, default=1360, help="pixels")
    parser.add_argument("--height", type=int, default=900, help="pixels")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--whole", action="store_true", help="the page from top to end")
    parser.add_argument(
        "--wait-for",
        default="document.querySelector('.card, .empty:not([hidden]), .operation') !== null",
        help="JavaScript",
    )
    asked = parser.parse_args()
    with Chromium(width=asked.width, height=asked.height, dark=asked.dark) as browser:
        browser.open(asked.url)
        browser.wait_until(asked.wait_for, f"Nothing to see at {asked.url}")
        browser.evaluate(
            "Promise.all(document.getAnimations().map((animation) => animation.finished)).then(() => null)"
        )
        asked.file.write_bytes(browser.screenshot(asked.whole))
    print(asked.file)


if __name__ == "__main__":
    main()
