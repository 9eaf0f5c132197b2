"""Complete participation in a real browser, on a desktop, on a phone, and in two tabs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from chromalab.survey.database import Participant, Vote
from chromalab.survey.simulate import serving
from tests.survey.surveys import make_survey, rows

from .conftest import Chromalab

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


def watched(browser: Browser, **context: Any) -> tuple[Page, list[str]]:
    page = browser.new_context(**context).new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    return page, faults


def assert_accessible(page: Page) -> None:
    """Check a page by the rules of WCAG 2.2 AA that axe-core can check."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    assert found.violations_count == 0, found.generate_report()


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
    expect(page.locator("h1")).to_have_text("Thank you!")
    expect(page.locator(".code")).to_have_count(0)  # anyone can join this survey
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download my data").click()
    assert len(json.loads(waiting.value.path().read_text())["answers"]) == 5
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


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Serve a survey with images of 480x384 px."""
    folder, _ = make_survey(tmp_path_factory.mktemp("large"), enlarged=12, trials=4, practice=0)
    with serving(folder) as address:
        yield folder, address


@pytest.mark.slow
@pytest.mark.parametrize(
    ("window", "scale", "stacked"),
    [((1366, 768), 1, False), ((700, 500), 1 / 2, False), ((390, 844), 3 / 4, True), ((360, 640), 1 / 3, False)],
)
def test_images_are_whole_in_every_window(
    browser: Browser, large: tuple[Path, str], window: tuple[int, int], scale: float, stacked: bool
) -> None:
    folder, address = large
    page, faults = watched(browser, viewport={"width": window[0], "height": window[1]})
    page.goto(address)
    page.locator(".panel .buttons button").first.click()
    page.locator(".panel > button").click()
    if scale < 1:
        page.get_by_role("button", name="Continue with smaller images").click()
    expect(page.locator(READY).first).to_be_visible()
    boxes = [image.bounding_box() for image in page.locator(".pictures img").all()]
    assert len(boxes) == 2
    for box in boxes:
        assert box is not None
        assert (box["width"], box["height"]) == pytest.approx((480 * scale, 384 * scale))
        assert min(box["x"], box["y"]) >= 0
        assert box["x"] + box["width"] <= window[0]
    assert (boxes[0]["x"] == boxes[1]["x"]) == stacked  # type: ignore[index]
    page.locator(READY).first.click()
    expect(page.locator(".meta")).to_contain_text("2 of 4")  # the smaller images are accepted once
    vote = rows(folder, Vote)[-1]
    assert ("reduced" in vote.flags) == (scale < 1)
    assert (vote.view["width"], vote.view["window_width"]) == pytest.approx((480 * scale, window[0]))
    assert vote.view["visible"] != ("hidden" in vote.flags)
    assert faults == []


def to_trial(page: Page, address: str) -> None:
    """Come to the first trial of a survey without screening."""
    page.goto(address)
    page.locator(".panel .buttons button").first.click()
    page.locator(".panel > button").click()
    expect(page.locator(READY).first).to_be_visible()


@pytest.mark.slow
def test_rankings_by_keyboard_mouse_and_touch(browser: Browser, tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, protocol="rank_order", enlarged=6, trials=4, practice=1, languages=["en"])
    with serving(folder) as address:
        page, faults = watched(browser, **DESKTOP)
        to_trial(page, address)
        assert_accessible(page)

        def order() -> str:
            return "".join(str(place.get_attribute("data-role")) for place in page.locator(".place").all())

        expect(page.locator("figcaption")).to_have_text(["1 · best", "2", "3 · worst"])
        page.locator(".place").first.focus()
        page.keyboard.press("ArrowRight")
        assert order() == "213"
        page.keyboard.press("3")
        assert order() == "231"
        expect(page.locator("#status")).to_have_text("Photograph A: 3 · worst")
        expect(page.locator(".place").nth(2)).to_be_focused()
        expect(page.locator("figcaption")).to_have_text(["1 · best", "2", "3 · worst"])
        page.get_by_role("button", name="Continue").click()
        expect(page.locator(".meta")).to_contain_text("2 of 5")
        expect(page.locator(READY)).to_be_visible()
        page.locator(".place").nth(2).drag_to(page.locator(".place").nth(0))
        assert order() == "312"
        expect(page.locator(".place[aria-pressed=true]")).to_have_count(0)  # a drag is no press
        page.reload()  # the order is not yet an answer
        expect(page.locator(READY)).to_be_visible()
        assert order() == "123"
        page.wait_for_timeout(120)
        page.locator(".place").nth(0).click()
        expect(page.locator(".place[aria-pressed=true]")).to_have_attribute("data-role", "1")
        page.locator(".place").nth(1).click()
        assert order() == "213"
        page.get_by_role("button", name="Continue").click()
        expect(page.locator(".meta")).to_contain_text("3 of 5")
        expect(page.locator(READY)).to_be_visible()
        page.get_by_role("button", name="Continue").click()
        expect(page.locator(".feedback")).to_contain_text("You have not moved any image")
        page.get_by_role("button", name="Continue").click()
        expect(page.locator(".meta")).to_contain_text("4 of 5")
        assert faults == []
        phone, faults = watched(browser, **PHONE | {"viewport": {"width": 360, "height": 640}})
        to_trial(phone, address)
        boxes = [image.bounding_box() for image in phone.locator(".pictures img").all()]
        assert all(box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
        assert len({(box["width"], box["height"]) for box in boxes if box}) == 1
        phone.locator(".place").nth(2).tap()
        phone.locator(".place").nth(0).tap()
        phone.locator(READY).tap()
        expect(phone.locator(".meta")).to_contain_text("2 of 5")
        assert_accessible(phone)
        assert faults == []
    votes = rows(folder, Vote)
    assert [vote.choice for vote in votes] == ["231", "213", "123", "312"]
    assert ["unmoved" in vote.flags for vote in votes] == [False, False, True, False]
    assert all(vote.view["visible"] for vote in votes)


@pytest.mark.slow
def test_pairs_can_be_inspected_in_one_place_and_enlarged(browser: Browser, tmp_path: Path) -> None:
    folder, _ = make_survey(
        tmp_path, enlarged=6, trials=2, practice=0, reference=True, inspect=["flicker", "zoom"], flicker_hz=2.5,
        languages=["en"],
    )  # fmt: skip
    with serving(folder) as address:
        page, faults = watched(browser, **DESKTOP)
        to_trial(page, address)
        left, right = (page.locator(f".pictures figure:has-text('{name}')") for name in ("Left", "Right"))
        page.keyboard.press("Space")
        expect(right).not_to_be_visible()
        assert left.bounding_box() == right.bounding_box()
        page.keyboard.press("Space")
        expect(left).not_to_be_visible()
        page.get_by_role("button", name="Side by side").click()
        expect(left).to_be_visible()
        expect(right).to_be_visible()
        assert left.bounding_box() != right.bounding_box()
        assert_accessible(page)
        frames = page.locator(".frame")
        size = frames.first.bounding_box()
        page.keyboard.press("+")
        page.get_by_role("button", name="Enlarge").click()
        expect(page.locator(".tools output")).to_have_text("300%")
        assert frames.first.bounding_box() == size
        image = frames.first.locator("img")
        assert image.evaluate("image => [image.offsetWidth, getComputedStyle(image).imageRendering]") == [
            720,
            "pixelated",
        ]
        assert frames.first.evaluate("frame => [frame.scrollLeft, frame.scrollTop]") == [240, 192]  # the center stays
        frames.first.focus()
        page.keyboard.press("ArrowRight")  # moves both images, and is no answer
        page.wait_for_timeout(100)
        assert page.locator(".frame").evaluate_all("frames => frames.map((frame) => frame.scrollLeft)") == [280, 280]
        assert_accessible(page)
        expect(page.locator(".meta")).to_contain_text("1 of 2")
        page.get_by_role("button", name="Reduce").click()
        page.get_by_role("button", name="Left").click()
        expect(page.locator(".meta")).to_contain_text("2 of 2")
        expect(page.locator(READY).first).to_be_visible()
        page.locator(".pictures figure").first.evaluate(
            "figure => { window.times = []; new MutationObserver(() => times.push(performance.now()))"
            ".observe(figure, { attributeFilter: ['class'] }); }"
        )
        page.get_by_role("button", name="Automatic").click()
        page.wait_for_timeout(1700)
        times = page.evaluate("times")
        assert len(times) >= 3
        assert times[-1] - times[0] > 0.9 * 400 * (len(times) - 1)  # at most 2.5 switches a second
        page.locator("h1").click()
        page.keyboard.press("ArrowRight")
        expect(page.locator("h1")).to_have_text("Thank you!")
        assert faults == []
    first, second = (vote.view for vote in rows(folder, Vote))
    assert (first["switches"], first["zoom"], second["zoom"]) == (1, 3, 1)
    assert second["switches"] >= 3


@pytest.mark.slow
def test_a_slider_needs_an_answer(browser: Browser, tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, protocol="rating", form="slider", trials=3, practice=0, languages=["en"])
    with serving(folder) as address:
        page, faults = watched(browser, **DESKTOP)
        page.goto(address)
        page.locator(".panel .buttons button").first.click()
        page.locator(".panel > button").click()
        scale = page.get_by_role("slider", name="How natural are these colors?")
        send = page.get_by_role("button", name="Continue")
        expect(scale).to_be_focused()
        assert_accessible(page)
        expect(send).to_be_disabled()
        page.keyboard.press("Enter")
        expect(page.locator(".meta")).to_contain_text("1 of 3")
        page.keyboard.press("PageUp")
        page.keyboard.press("ArrowRight")
        expect(send).to_be_enabled()
        page.keyboard.press("Enter")
        expect(page.locator(".meta")).to_contain_text("2 of 3")
        expect(scale).to_be_focused()
        expect(send).to_be_disabled()
        scale.click()  # in the middle, where the hidden thumb stands
        send.click()
        expect(page.locator(".meta")).to_contain_text("3 of 3")
        expect(scale).to_be_focused()
        page.keyboard.press("End")
        send.click()
        expect(page.locator("h1")).to_have_text("Thank you!")
        assert faults == []
    assert [vote.choice for vote in rows(folder, Vote)] == ["61/100", "50/100", "100/100"]


@pytest.mark.slow
def test_a_window_below_the_smallest_scale_gets_no_images(browser: Browser, tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, enlarged=12, trials=2, practice=0, viewing={"min_scale": 1})
    with serving(folder) as address:
        page, _ = watched(browser, viewport={"width": 700, "height": 500})
        page.goto(address)
        page.locator(".panel .buttons button").first.click()
        page.locator(".panel > button").click()
        expect(page.locator(".panel")).to_contain_text("too small for the images")
        expect(page.locator(".panel button")).to_have_count(0)
        page.set_viewport_size({"width": 1280, "height": 900})
        expect(page.locator(READY).first).to_be_visible()


def press_as_the_dot_vanishes(page: Page, after_ms: int) -> None:
    """Measure the distance by keyboard, with a clock that stands still but for these steps."""
    page.clock.pause_at(page.evaluate("Date.now() / 1000") + 10)
    page.get_by_role("button", name="Start").press("Enter")
    for number in range(1, 6):
        expect(page.get_by_text(f"{number} / 5")).to_be_visible()
        page.clock.run_for(after_ms)
        page.keyboard.press("Space")
        page.clock.run_for(50)
    page.clock.resume()


@pytest.mark.slow
def test_conditions_of_viewing_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    """Card, distance (first implausible, then repeated), brightness and summary, in dark mode with a gray surround."""
    folder, _ = make_survey(
        tmp_path, trials=1, practice=0, viewing={"card": True, "distance": True, "brightness": True}
    )
    with serving(folder) as address:
        page, faults = watched(browser, **DESKTOP, color_scheme="dark")
        page.clock.install()
        page.add_init_script("Math.random = () => 0")
        page.goto(address)
        expect(page.locator("body")).to_have_css("background-color", "rgb(28, 28, 28)")
        assert_accessible(page)
        page.get_by_role("button", name="agree").first.click()
        expect(page.get_by_label("Size of the outline")).to_be_focused()
        expect(page.locator("body")).to_have_css("background-color", "rgb(119, 119, 119)")
        page.keyboard.press("ArrowRight")
        box = page.locator(".card").bounding_box()
        assert box is not None
        assert box["width"] / box["height"] == pytest.approx(85.60 / 53.98, abs=0.01)
        assert_accessible(page)
        page.get_by_role("button", name="Continue").press("Enter")
        expect(page.get_by_role("button", name="Start")).to_be_visible()
        assert_accessible(page)
        press_as_the_dot_vanishes(page, 800)
        expect(page.get_by_role("alert")).to_contain_text("not plausible")
        press_as_the_dot_vanishes(page, 4000)
        page.get_by_label("4", exact=True).first.check()
        page.get_by_label("6", exact=True).nth(1).check()
        page.get_by_label("5", exact=True).last.check()
        assert_accessible(page)
        page.get_by_role("button", name="Continue").press("Enter")
        expect(page.locator(".measured li")).to_have_count(3)
        assert_accessible(page)
        page.get_by_role("button", name="Repeat: Brightness").press("Enter")
        page.get_by_role("button", name="I can't do this").press("Enter")
        expect(page.locator(".measured li").last).to_contain_text("skipped")
        page.get_by_role("button", name="Continue").press("Enter")
        page.get_by_role("button", name="Begin").press("Enter")
        expect(page.locator(READY).first).to_be_visible()
        page.keyboard.press("ArrowLeft")
        expect(page.locator("h1")).to_have_text("Thank you!")
        expect(page.locator("body")).to_have_css("background-color", "rgb(28, 28, 28)")
    (person,) = rows(folder, Participant)
    assert person.screen["screen_px_per_mm"] == pytest.approx(326 / 85.60, abs=0.001)
    # The dot starts 20 mm from the square and moves 20 mm per second after a rest of 0.7 seconds.
    assert person.screen["distance_mm"] == pytest.approx((20 + 20 * 3.3) / math.tan(math.radians(13.5)), rel=0.02)
    assert person.screen["gamma"] is None
    assert [line for line in faults if "400" not in line] == []


@pytest.mark.slow
def test_refusals_are_in_the_language_of_the_participant(browser: Browser, tmp_path: Path) -> None:
    folder, _ = make_survey(tmp_path, access="platform")
    with serving(folder) as address:
        page, _ = watched(browser, **PHONE)
        page.goto(f"{address}/?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}")
        expect(page.locator(".panel")).to_contain_text("Ouvrez l'étude par son lien sur la plateforme")
        expect(page.locator(".panel [lang=en]")).to_contain_text("For the researcher: the recruitment platform did not")
        page.goto(address)
        expect(page.locator(".panel")).to_contain_text("Ouvrez l'étude par son lien sur la plateforme")
        expect(page.locator(".panel [lang=en]")).to_have_count(0)


@pytest.mark.slow
def test_a_whole_study_on_a_platform(browser: Browser, chromalab: Chromalab, tmp_path: Path) -> None:
    """Join by link, consent, training with feedback, 40 trials with breaks, questions, code, approvals, analysis."""
    folder, _ = make_survey(
        tmp_path, trials=40, practice=2, feedback=True, true=True, scenes=20, access="platform",
        before=["age", "gender"], after=["expertise", "comment"], break_every=20, analysis={"draws": 100},
        languages=["en"],
        wording={"en": {"question": "Which is the better one?", "instructions": "Look at **both**.\n\nThen choose.",
        "thanks": "Come again."}}, recruitment={"code": "C0DE42"}, exclusions={"fast_share": 1},
    )  # fmt: skip
    identity = "5f0a1b2c3d4e5f6a7b8c9d0e"
    with serving(folder) as address:
        page, faults = watched(browser, **DESKTOP)
        page.goto(f"{address}/?PROLIFIC_PID={identity}&STUDY_ID=s&SESSION_ID=t")
        expect(page.get_by_role("button", name="agree").first).to_be_visible()
        assert_accessible(page)
        page.get_by_role("button", name="agree").first.click()
        page.get_by_label("How old are you").fill("42")
        assert_accessible(page)
        page.get_by_role("button", name="Continue").click()  # the gender is optional
        expect(page.locator("strong")).to_have_text("both")
        assert_accessible(page)
        page.get_by_role("button", name="Begin").click()
        for number in range(1, 43):
            if number in (21, 41):
                expect(page.locator("h1")).to_have_text("Time for a break")
                page.get_by_role("button", name="Continue").click()
            expect(page.locator(".meta")).to_contain_text(f"{number} of 42")
            expect(page.locator("h1")).to_have_text("Which is the better one?")
            expect(page.locator(READY).first).to_be_visible()
            if number == 3:
                assert_accessible(page)
            page.keyboard.press("ArrowRight" if number % 3 else "ArrowLeft")
            if number <= 2:
                expect(page.locator(".feedback")).to_contain_text("orrect.")
                expect(page.locator(".feedback")).to_contain_text("Those of the other were damaged on purpose.")
                expect(page.locator(".pictures img").first).to_be_visible()
                assert_accessible(page)
                page.keyboard.press("Enter")
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("h1")).to_have_text("A few last questions")  # one of them needs an answer
        page.get_by_label("some, as a hobby").check()
        page.get_by_label("anything that you would like").fill("=SUM(A1)")
        page.get_by_role("button", name="Continue").click()
        expect(page.locator(".code")).to_have_text("C0DE42")
        assert_accessible(page)
        expect(page.locator(".panel")).to_contain_text("Come again.")
        assert faults == []
        other, _ = watched(browser, **DESKTOP)
        other.goto(f"{address}/?PROLIFIC_PID={identity}")
        expect(other.locator(".panel")).to_contain_text("already started")
        other.goto(f"{address}/?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}")
        expect(other.locator(".panel")).to_contain_text("For the researcher")
    (person,) = rows(folder, Participant)
    assert person.answers == {"age": 42, "gender": None, "expertise": "some, as a hobby", "comment": "=SUM(A1)"}
    (tmp_path / "ids.txt").write_text(identity)
    done = chromalab("survey", "approve", folder, "--ids", tmp_path / "ids.txt", "--out", tmp_path / "list.csv")
    assert done.out == "1 approve\n"
    assert chromalab("survey", "export", folder, "--participants", tmp_path / "people.csv").code == 0
    assert "'=SUM(A1)" in (tmp_path / "people.csv").read_text()
    assert chromalab("survey", "analyze", folder).code == 0


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


@pytest.mark.slow
def test_an_answer_stays_until_the_survey_responds(browser: Browser, served: tuple[Path, str]) -> None:
    folder, address = served
    page, _ = watched(browser, **DESKTOP)
    to_first_trial(page, address)
    before = len(rows(folder, Vote))
    others = [
        {"status": 404, "body": "404 page not found", "content_type": "text/plain"},
        {"status": 404, "body": '{"detail": "Not Found"}', "content_type": "application/json"},
        {"status": 200, "body": "<html>Please sign in", "content_type": "text/html"},
        {"status": 200, "body": "{}", "content_type": "application/json"},
    ]

    def respond(route: Any) -> None:
        if others:
            route.fulfill(**others.pop(0))
        else:
            route.continue_()

    page.route("**/api/vote", respond)
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".meta")).to_contain_text("2 of 5", timeout=30_000)
    assert others == []
    assert len(rows(folder, Vote)) == before + 1


@pytest.mark.slow
def test_the_key_of_an_earlier_survey_at_the_address_is_forgotten(browser: Browser, served: tuple[Path, str]) -> None:
    _, address = served
    page, _ = watched(browser, **DESKTOP)
    page.goto(f"{address}/static/icon.svg")
    stored = json.dumps({"key": "of-an-earlier-survey", "platform": None})
    page.evaluate("value => localStorage.setItem('chromalab-survey-key', value)", stored)
    page.goto(address)
    expect(page.get_by_role("button", name="agree").first).to_be_visible()
    assert re.search(r"/s/[\w-]{22}$", page.url)
    key = page.url.rpartition("/")[2]
    page.goto(f"{address}/s/of-an-earlier-survey")
    expect(page.locator(".panel")).to_contain_text("deleted")
    assert key in page.evaluate("localStorage.getItem('chromalab-survey-key')")
