"""The defaults are documented: who relies on one must not find another."""

from __future__ import annotations

import re

import pytest

from gobstopper_http.limits import Limits
from gobstopper_http.multipart import FormLimits

UNITS = {"": 1, "KiB": 1024, "MiB": 1024 * 1024}


@pytest.mark.parametrize("limits", [Limits(), FormLimits()])
def test_the_defaults_are_those_of_the_docstring(limits: Limits | FormLimits) -> None:
    text = re.sub(r"\s+", " ", type(limits).__doc__ or "")
    said = re.findall(r"(\w+): [^:]*: ([\d,]+) ?(MiB|KiB|)[. ]", text)
    documented = {name: int(number.replace(",", "")) * UNITS[unit] for name, number, unit in said}
    assert documented == {name: getattr(limits, name) for name in limits.__struct_fields__}
