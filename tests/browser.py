"""A real Chromium, headless, that reaches nothing but this machine. For tests marked `browser`."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

SECONDS = 20.0
PROGRAMS = ("chromium", "chromedriver")
REMEDY = "Chromium was not found: apt-get install chromium chromium-driver"
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)


def require_chromium() -> None:
    """Skips the test where there is none; on CI that is a failure."""
    if all(shutil.which(program) for program in PROGRAMS):
        return
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(f"{REMEDY}, and CI must not go without it.")
    pytest.skip(REMEDY)


class Browser:
    """Acts as a person does: by the words on the page. Everything waits, none of it for ever."""

    def __init__(self, driver: webdriver.Chrome, base_url: str) -> None:
        self.driver = driver
        self.base_url = base_url

    def forget(self) -> None:
        """Be a stranger with an ordinary window again."""
        self.driver.delete_all_cookies()
        self.driver.set_window_size(1280, 1000)
        self.driver.get("about:blank")
        self.driver.get_log("browser")

    def take_session(self, key: str) -> None:
        """Go on with a session that was begun elsewhere."""
        self.open("/login/")
        self.driver.add_cookie({"name": "sessionid", "value": key})

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        waiting = WebDriverWait(self.driver, SECONDS, poll_frequency=0.05)
        return waiting.until(lambda _: condition(), f"{what}; the page says: {self.text()[:2000]}")

    def open(self, path: str) -> None:
        self.driver.get(self.base_url + path)

    def text(self) -> str:
        """Empty for the moment in which one page follows another."""
        found = self.driver.execute_script("return document.body ? document.body.innerText : ''")
        return str(found)

    def expect(self, words: str) -> None:
        self.wait(lambda: words in self.text(), f"“{words}” does not appear")

    def fill(self, label: str, value: str, within: str = "body") -> None:
        field = self.field(label, within)
        field.clear()
        field.send_keys(value)

    def field(self, label: str, within: str) -> WebElement:
        path = f'.//label[normalize-space()="{label}"]'
        found = self.driver.find_element(By.CSS_SELECTOR, within).find_element(By.XPATH, path)
        return self.driver.find_element(By.ID, str(found.get_attribute("for")))

    def press(self, button: str) -> None:
        """Press a button, and wait until the next page is there."""
        self._leave_by(f"//button[normalize-space()='{button}']")

    def follow(self, link: str) -> None:
        self._leave_by(f"//a[contains(normalize-space(), '{link}')]")

    def _leave_by(self, path: str) -> None:
        self.driver.execute_script("document.body.dataset.old = 'yes'")
        element = self.wait(lambda: self.driver.find_elements(By.XPATH, path), f"no {path}")[0]
        element.click()
        script = "return document.readyState === 'complete' && !document.body.dataset.old"
        self.wait(lambda: self.driver.execute_script(script), "no next page came")


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.binary_location = str(shutil.which(PROGRAMS[0]))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(str(shutil.which(PROGRAMS[1])))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.set_page_load_timeout(SECONDS)
        yield driver
    finally:
        driver.quit()
