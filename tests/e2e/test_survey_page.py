"""Complete participation in a real browser, on a desktop, on a phone, and in two tabs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from chromalab.survey.database import Participant, Vote, open_database
from chromalab.survey.folder import SurveyFolder
from chromalab.survey.simulate import serving
from tests.survey.surveys import make_survey

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
    "locale": "fr",
}
READY = ".trial .buttons button:not([disabled])"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder, _ = make_survey(tmp_path_factory.mktemp("page"), trials=4, screening=True, stop={"participants": 50})
    with serving(folder) as address:
        yield folder, address


def rows(folder: Path, table: Any) -> list[Any]:
    database = open_database(SurveyFolder(folder), None)
    with database.read() as connection:
        found = list(connection.execute(select(table.__table__)))
    database.close()
    return found


def watched(browser: Browser, **context: Any) -> tuple[Page, list[str]]:
    page = browser.new_context(**context).new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    return page, faults


def to_first_trial(page: Page, address: str) -> None:
    page.goto(address)
    page.locator(".panel .buttons button").first.click()
    expect(page.locator(".screening img")).to_have_count(5)
    page.locator(".panel > button").click()
    expect(page.locator(".screening")).to_have_count(0)
    page.locator(".panel > button").click()
    expect(page.locator(READY).first).to_be_visible()


@pytest.mark.slow
def test_on_a_desktop_by_keyboard_with_reloads(browser: Browser, served: tuple[Path, str]) -> None:
    folder, address = served
    page, faults = watched(browser, **DESKTOP)
    to_first_trial(page, address)
    assert re.search(r"/s/[\w-]{22}$", page.url)
    for number in range(1, 6):
        expect(page.locator(".meta")).to_contain_text(f"{number} of 5")
        page.reload()
        expect(page.locator(READY).first).to_be_visible()
        expect(page.locator(".meta")).to_contain_text(f"{number} of 5")
        size = page.locator(".pictures img").first.bounding_box()
        assert size is not None
        assert (size["width"], size["height"]) == (40, 32)  # one device pixel for each pixel
        page.keyboard.press("ArrowRight" if number % 2 else "ArrowLeft")
    expect(page.locator(".code")).to_have_text(re.compile("[A-Z2-9]{8}"))
    page.go_back()
    assert faults == []
    votes = rows(folder, Vote)
    assert len(votes) == 5
    assert {vote.choice for vote in votes} == {"left", "right"}


@pytest.mark.slow
def test_on_a_phone_by_touch_in_french_then_withdraw(browser: Browser, served: tuple[Path, str]) -> None:
    folder, address = served
    before = len(rows(folder, Participant))
    page, faults = watched(browser, **PHONE)
    to_first_trial(page, address)
    expect(page.locator("h1")).to_have_text("Quelles couleurs préférez-vous ?")
    image = page.locator(".pictures img").first
    assert image.evaluate(
        "image => image.getBoundingClientRect().width * devicePixelRatio / image.naturalWidth"
    ) == pytest.approx(3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in page.locator(".trial .buttons button").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    page.locator(READY).first.tap()
    expect(page.locator(".meta")).to_contain_text("2 sur 5")
    page.locator("#pause").tap()
    expect(page.locator(".link")).to_contain_text("/s/")
    page.locator(".panel button").tap()
    expect(page.locator(READY).first).to_be_visible()
    page.locator("#withdraw").tap()
    page.locator("#dialog-yes").tap()
    expect(page.locator("h1")).to_have_text("Tout a été effacé")
    assert len(rows(folder, Participant)) == before
    assert faults == []


@pytest.mark.slow
def test_answers_survive_two_tabs_and_a_dropped_response(browser: Browser, served: tuple[Path, str]) -> None:
    folder, address = served
    one, _ = watched(browser, **DESKTOP)
    to_first_trial(one, address)
    before = len(rows(folder, Vote))
    two = one.context.new_page()
    two.goto(one.url)
    expect(two.locator(READY).first).to_be_visible()
    one.keyboard.press("ArrowLeft")
    expect(one.locator(".meta")).to_contain_text("2 of 5")
    two.locator(READY).last.click()  # the same trial, answered otherwise
    expect(two.locator(".meta")).to_contain_text("2 of 5")
    expect(two.locator(READY).first).to_be_visible()
    assert len(rows(folder, Vote)) == before + 1
    dropped: list[int] = []

    def drop_once(route: Any) -> None:
        answer = route.fetch()  # the server has it, the browser never hears of it
        if dropped:
            route.fulfill(response=answer)
        else:
            dropped.append(answer.status)
            route.abort()

    two.route("**/api/vote", drop_once)
    two.locator(READY).first.click()
    expect(two.locator(".meta")).to_contain_text("3 of 5")
    assert dropped == [200]
    assert len(rows(folder, Vote)) == before + 2
