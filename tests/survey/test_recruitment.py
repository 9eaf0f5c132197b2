"""Codes of a recruitment platform, and who can get them."""

from __future__ import annotations

import pytest

from chromalab.core.errors import ConfigError
from chromalab.survey.design import parse_design


@pytest.mark.parametrize(("code", "other"), [("C0DE42", "C0DE42"), ("C0DE42", "c0de43"), ("C0DE42", "XC0DE42")])
def test_codes_that_resemble_each_other_are_refused(code: str, other: str) -> None:
    for name in ("declined_code", "screened_code", "failed_code"):
        with pytest.raises(ConfigError, match=f"{name}.*choose unrelated codes"):
            parse_design({"protocol": "pairwise", "recruitment": {"code": code, name: other}}, origin="test")


def test_codes_need_controlled_access() -> None:
    with pytest.raises(ConfigError, match=r"recruitment\.failed_code: anyone could get it"):
        parse_design({"protocol": "pairwise", "recruitment": {"failed_code": "C0DE"}}, origin="test")
    for recruitment in ({"code": "C0DE"}, {"completion_url": "https://example.org"}):
        plan = {"protocol": "pairwise", "recruitment": recruitment}
        assert parse_design(plan, origin="test").access == "platform"
        with pytest.raises(ConfigError, match="set access to platform"):
            parse_design({**plan, "access": "open"}, origin="test")
