"""A page in headless Chromium: dragging, keys, stepping, charts; an error on the page fails."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colorvid.evaluation.page.document import write_page
from tests.evaluation.page.conftest import Compared

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1200,1000",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    with webdriver.Chrome(options=options, service=service) as driver:
        driver.set_script_timeout(120)  # of a busy machine
        yield driver


class Reader:
    """Someone who looks at a page."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def find(self, name: str) -> Any:
        """The element with an id."""
        return self.browser.find_element("id", name)

    def do(self) -> Any:
        """Actions of mouse and keyboard."""
        from selenium.webdriver.common.action_chains import ActionChains

        return ActionChains(self.browser, duration=10)

    def press(self, element: Any, *keys: str) -> None:
        """Give an element the focus, and press keys."""
        self.browser.execute_script("arguments[0].focus()", element)
        self.do().send_keys(*keys).perform()

    def split(self) -> int:
        """Per cent of the left picture."""
        return int(self.find("divider").get_attribute("aria-valuenow"))

    def pictures(self) -> list[str]:
        """What the layers show, from below, once it is decoded."""
        names: list[str] = self.browser.execute_async_script(
            "const done = arguments[0]; const look = () => {"
            " const images = [...document.querySelectorAll('.layer img')];"
            " const layers = document.querySelectorAll('.layer').length;"
            " const frame = document.getElementById('frame-name').textContent.toLowerCase();"
            " if (images.length === layers && images.every((i) => i.alt.endsWith(`, ${frame}`)))"
            "  done(images.map((i) => i.alt)); else setTimeout(look, 10); }; look();"
        )
        return names

    def transform(self) -> tuple[float, ...]:
        """Scale and place of the picture, shares of its pane."""
        style = self.find("stage").get_attribute("style")
        values = dict(part.split(":") for part in style.replace(" ", "").rstrip(";").split(";"))
        return tuple(round(float(values[name]), 3) for name in ("--scale", "--x", "--y"))


def emulate(browser: Any, scheme: str, width: int) -> None:
    """Set colours and width of the window."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.fixture
def reader(browser: Any, compared: Compared, tmp_path: Path) -> Iterator[Reader]:
    path = tmp_path / "report.html"
    write_page(path, compared.page, overwrite=False)
    emulate(browser, "light", 1200)
    browser.get(path.as_uri())
    yield Reader(browser)
    assert browser.get_log("browser") == [], "errors and refused loads on the page"


def test_pictures_are_compared_by_mouse_and_keyboard(reader: Reader) -> None:
    from selenium.webdriver.common.keys import Keys

    assert reader.pictures() == ["colorvid, frame 0", "original, frame 0"]
    assert "key frame, " in reader.find("captions").text and reader.split() == 50
    divider, stage = reader.find("divider"), reader.find("stage")
    width = stage.size["width"]
    reader.do().click_and_hold(divider).move_by_offset(width // 4, 0).release().perform()
    assert reader.split() == 75
    reader.press(divider, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert reader.split() == 71
    reader.press(divider, Keys.HOME)
    assert reader.split() == 0
    reader.do().move_to_element_with_offset(stage, width // 10, 0).click().perform()
    assert reader.split() == 60
    reader.find("next").click()
    assert reader.pictures() == ["colorvid, frame 1", "original, frame 1"]
    reader.press(stage, ".", ".", ",")
    assert reader.pictures() == ["colorvid, frame 2", "original, frame 2"]
    reader.press(reader.find("frame"), Keys.END)
    assert reader.pictures()[0] == "colorvid, frame 4" and not reader.find("next").is_enabled()


def test_zoom_and_panning_are_those_of_all_panes(reader: Reader) -> None:
    from selenium.webdriver.common.keys import Keys

    stage = reader.find("stage")
    width, height = stage.size["width"], stage.size["height"]
    reader.browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", stage)
    place = (stage, width // 4, height // 4)
    reader.do().move_to_element_with_offset(*place).double_click().perform()
    scale, x, y = reader.transform()
    assert scale == 4 and (x, y) == (pytest.approx(-2.25, abs=0.02),) * 2
    drag = reader.do().move_to_element_with_offset(*place).click_and_hold()
    drag.move_by_offset(-width // 10, height // 10).release().perform()
    moved = (pytest.approx(x - 0.1, abs=0.01), pytest.approx(y + 0.1, abs=0.01))
    assert reader.transform() == (4, *moved)
    reader.find("beside").click()
    assert [name.split(",")[0] for name in reader.pictures()] == ["original", "colorvid", "jpeg"]
    places = reader.browser.execute_script(
        "return [...document.querySelectorAll('.layer img')].map((image) => {"
        " const { a, e, f } = new DOMMatrix(getComputedStyle(image).transform);"
        " return [a, e / image.clientWidth, f / image.clientHeight]; })"
    )
    assert len(places) == 3 and all(tuple(place) == (4, *moved) for place in places)
    reader.press(stage, Keys.ARROW_RIGHT, "+")
    assert reader.transform()[0] == 6
    reader.press(stage, "0")
    assert reader.transform() == (1, 0, 0)


def test_charts_show_the_figures_under_the_cursor(reader: Reader) -> None:
    from selenium.webdriver.common.keys import Keys

    chart = reader.find("frame-chart")
    reader.press(chart, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    rows = [row.text for row in chart.find_elements("css selector", ".u-legend tr")]
    series = reader.browser.execute_script(
        "return JSON.parse(document.getElementById('data').textContent).clips[0].series[0]"
    )
    value = series["rows"][1][series["columns"].index("psnr_yuv611_db")]
    assert rows[0] == "frame1" and rows[1] == f"colorvid{value:.4f} ({series['types'][1]})"
    curves = reader.find("curve-chart")
    over = curves.find_element("class name", "u-over")
    reader.do().move_to_element(over).perform()
    legend = [row.text for row in curves.find_elements("css selector", ".u-legend tr")]
    assert len(legend) == 3 and all("(quality " in text for text in legend[1:])


@pytest.mark.parametrize(
    ("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 27)")]
)
def test_it_fits_a_phone_in_light_and_dark(reader: Reader, scheme: str, paper: str) -> None:
    emulate(reader.browser, scheme, 360)
    reader.pictures()
    found = reader.browser.execute_script(
        "const { scrollWidth, clientWidth } = document.documentElement;"
        " return [scrollWidth - clientWidth, getComputedStyle(document.body).backgroundColor]"
    )
    assert found == [0, paper]
