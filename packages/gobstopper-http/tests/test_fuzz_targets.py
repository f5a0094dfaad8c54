"""The fuzz targets hold on their seeds, and on a little that Hypothesis makes up."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

FILE = Path(__file__).parents[1] / "fuzz" / "targets.py"
SEEDS: dict[str, list[bytes]] = {
    "query": [b"", b"a=1&b=%20+&%zz=%ff&&=", b"&" * 1000],
    "cookie": [b'a=1; b="x\\"\\101"; =; ;c', b'a="\\', b"a=\xff"],
    "multipart": [
        b"\n",
        b'\n--x\r\nContent-Disposition: form-data; name="a"; filename="../b\\c"\r\n\r\nbody\r\n--x--\r\n',
        b"\n--x\r\nContent-Disposition: form-data; name*=utf-8''%ff\r\n\r\n\r\n--x--",
        b"application/x-www-form-urlencoded\na=1&_charset_=latin-1&b=%e9",
        b"text/plain\n",
    ],
    "range": [b"\x01\x00bytes=0-5,3-9,-2", b"\x00\x00bytes=0-", b"\xff\xffbytes=" + b"1-2," * 50, b"\0\1bytes=-0"],
    "accept": [b'a/b;q=0.5, */*;q=0, text/html;x="\\"', b"a;filename*=utf-8''%e2%82%ac; a*0=b; a*1=c", b",;=\xff"],
    "json": [b'{"a": [1]}', b"[" * 100, b'"\\'],
}


def load() -> Any:
    if not FILE.exists():
        return None  # an installed wheel is tested without the repository around it
    spec = importlib.util.spec_from_file_location("gobstopper_http_fuzz_targets", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TARGETS


TARGETS = load()
pytestmark = pytest.mark.skipif(TARGETS is None, reason="the fuzz folder belongs to the repository, not to the wheel")


def test_every_target_has_seeds() -> None:
    assert set(TARGETS) == set(SEEDS)


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name, seeds in SEEDS.items() for seed in seeds])
def test_seeds(name: str, seed: bytes) -> None:
    TARGETS[name](seed)


@pytest.mark.parametrize("name", sorted(SEEDS))
@given(data=st.binary(max_size=80) | st.text(alphabet='ab=;,&%"\\*-/ 0159\r\n:', max_size=80).map(str.encode))
def test_anything(name: str, data: bytes) -> None:
    TARGETS[name](data)
