"""The example with a model in its own page, in a real browser without JavaScript."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import examples.embedded.app as embedded
from tests.support.browser import Witness, chromium, serving

pytestmark = pytest.mark.full


def test_visitor_fills_in_the_form_and_mends_it() -> None:
    with serving(embedded.create_app()) as address, chromium() as browser:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        witness = Witness(page, address)
        page.goto(address)
        page.get_by_label("petal_width cm").fill("31")
        page.get_by_role("button", name="Tell me").click()
        wrong = page.get_by_label("petal_width cm")
        expect(wrong).to_have_attribute("aria-invalid", "true")
        expect(wrong).to_have_accessible_description("from 0 to 30 must be at most 30")
        wrong.fill("2.5")
        page.get_by_label("petal_length cm").fill("6")
        page.get_by_role("button", name="Tell me").click()
        expect(page.get_by_role("status").locator(".skmodels-output")).to_have_text("2")
        expect(page.get_by_role("meter")).to_have_count(3)
        assert witness.found == []


def test_page_is_accessible() -> None:
    with serving(embedded.create_app()) as address, chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        page.get_by_role("button", name="Tell me").click()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
