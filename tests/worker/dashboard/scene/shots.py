"""Takes screenshots of the scene: `python -m tests.worker.dashboard.scene.shots --out DIR`.

The live page, an enlarged defect and a report at three widths, in light and dark, as whole pages. With `--documents`,
the pictures of the documentation instead: `--documents --out deploy/view`.
"""

import argparse
import base64
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.worker.dashboard.conftest import chromium
from tests.worker.dashboard.scene.serve import served_scene
from tests.worker.dashboard.scene.story import RUNNING
from tests.worker.dashboard.viewers import text_of, until

_HEIGHT_MAX = 6_000  # Chromium refuses much larger pictures
SIZES = {390: 844, 1280: 800, 1920: 1080}


def resize(browser: webdriver.Chrome, width: int, height: int | None = None) -> None:
    """Set the size of the viewport in CSS pixels."""
    size = {"width": width, "height": height or SIZES[width], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": width < 500})  # as on a phone


def use_theme(browser: webdriver.Chrome, dark: bool, **features: str) -> None:
    """Emulate the light or dark preference of the system, and other media features."""
    wanted = {"prefers-color-scheme": "dark" if dark else "light", **features}
    media = [{"name": name, "value": value} for name, value in wanted.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})


def open_live_page(browser: webdriver.Chrome, address: str) -> None:
    """Open the page, and wait until it shows the scene with all its pictures."""
    browser.get(address)
    until(browser, lambda: "live" in text_of(browser, "#status"))
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#lines canvas[aria-label*=defect]")) >= 2)
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".card"))
    await_pictures(browser)


def await_pictures(browser: webdriver.Chrome) -> None:
    until(browser, lambda: browser.execute_script("return !document.querySelector('[data-state=loading]')"))


def open_report(browser: webdriver.Chrome, address: str, coil: str) -> None:
    browser.get(f"{address}report?coil={coil}")
    until(browser, lambda: text_of(browser, "h1") != "Coil report")
    await_pictures(browser)


def whole_page(browser: webdriver.Chrome) -> bytes:
    """Return a PNG of the page from its top to its end, or the first 6,000 px of it."""
    page = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": page["width"], "height": min(page["height"], _HEIGHT_MAX), "scale": 1}
    shot: dict[str, Any] = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
    )
    return base64.b64decode(shot["data"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="Folder for the pictures.")
    parser.add_argument("--documents", action="store_true", help="Take the pictures of the documentation.")
    asked = parser.parse_args()
    folder: Path = asked.out
    folder.mkdir(parents=True, exist_ok=True)
    with served_scene() as shown, chromium() as browser:
        coil = next(row["id"] for row in shown.history.state()["running"] if row["line"] == RUNNING)
        if asked.documents:
            _take_for_documents(browser, shown.address, coil, folder)
            return
        for width in SIZES:
            resize(browser, width)
            for dark in (False, True):
                use_theme(browser, dark)
                _take(browser, shown.address, coil, folder / f"{width}-{'dark' if dark else 'light'}")


def _take_for_documents(browser: webdriver.Chrome, address: str, coil: str, folder: Path) -> None:
    for name, width, height, dark in (
        ("laptop", 1280, 1480, False),
        ("wall", 1920, 1080, True),
        ("phone", 390, 844, False),
        ("report", 960, 1400, False),
    ):
        resize(browser, width, height)
        use_theme(browser, dark)
        if name == "report":
            open_report(browser, address, coil)
            until(browser, lambda: "Being read" not in text_of(browser, "main"))
            await_pictures(browser)
        else:
            open_live_page(browser, address)
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "jpeg", "quality": 64})
        (folder / f"{name}.jpg").write_bytes(base64.b64decode(shot["data"]))


def _take(browser: webdriver.Chrome, address: str, coil: str, name: Path) -> None:
    open_live_page(browser, address)
    browser.save_screenshot(f"{name}-screen.png")
    Path(f"{name}-page.png").write_bytes(whole_page(browser))
    browser.find_element(By.CSS_SELECTOR, ".card:has([data-state=shown])").click()
    await_pictures(browser)
    browser.save_screenshot(f"{name}-enlarged.png")
    open_report(browser, address, coil)
    Path(f"{name}-report.png").write_bytes(whole_page(browser))


if __name__ == "__main__":
    main()
