"""The small values that requests and responses are made of: multi-dicts, headers, addresses, URLs, the state bag."""

from ._headers import Headers as Headers
from ._headers import check_header as check_header
from ._multidict import FormData as FormData
from ._multidict import MultiDict as MultiDict
from ._multidict import QueryParams as QueryParams
from ._state import State as State
from ._url import URL as URL
from ._url import Address as Address
from ._url import parse_address as parse_address

__all__ = [
    "URL",
    "Address",
    "FormData",
    "Headers",
    "MultiDict",
    "QueryParams",
    "State",
    "check_header",
    "parse_address",
]
