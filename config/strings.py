"""Strings that must look like something: names, addresses, ids, titles, naming patterns."""

import difflib
import ipaddress
import re
import unicodedata
from collections.abc import Collection
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints

from movies.errors import UnknownQuality
from movies.failure import TAXONOMY
from movies.job import KINDS
from movies.movie import parse_wanted
from movies.naming import movie_folder, render
from movies.quality import quality_named


def without_control_characters(value: Any) -> Any:
    """The value as it is. ValueError: it is a string that databases, file systems or headers would refuse later."""
    if isinstance(value, str) and any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("holds a control character")
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", value):
        raise ValueError("expected a name of at most 63 letters, digits, dots, dashes and underscores")
    return value


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        is_usable = False
    if not is_usable or " " in value:
        raise ValueError('expected an address such as "http://127.0.0.1:9117/api"')
    return value


def _listen_address(value: str) -> str:
    match = re.fullmatch(r"(?:\[(.+)\]|((?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63})):([0-9]{1,5})", value)
    if not match or int(match[3]) > 65535 or (match[1] and not _is_ipv6(match[1])):
        raise ValueError('expected HOST:PORT such as "127.0.0.1:7878" or "[::1]:7878"')
    return value


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _folder_in_root(value: str) -> str:
    folder = value.removesuffix("/")
    if any(part in ("", ".", "..") for part in folder.split("/")):
        raise ValueError('expected a folder inside each root, such as ".understudy/recycle"')
    return folder


def _with_paired_braces(value: str) -> str:
    if value.count("{") != value.count("}"):
        raise ValueError("a brace has no partner")
    return value


def _folder_pattern(value: str) -> str:
    if movie_folder(_with_paired_braces(value), {"Movie Title": "One"}) == movie_folder(
        value, {"Movie Title": "Other"}
    ):
        raise ValueError("expected a pattern with {Movie Title}, or all movies would share one folder")
    return value


def _file_pattern(value: str) -> str:
    if "/" in _with_paired_braces(value):
        raise ValueError('expected a name without "/"; folders belong into naming.folder')
    if not render(value, {"Movie Title": "One", "Quality Full": "Other"}):
        raise ValueError("expected a pattern with {Movie Title}")
    return value


def _quality_name(value: str) -> str:
    try:
        return quality_named(value).name
    except UnknownQuality as error:  # a KeyError, which pydantic would let through
        raise ValueError(str(error)) from None


def _one_of(value: str, known: Collection[str], what: str) -> str:
    if value not in known:
        close = difflib.get_close_matches(value, known, n=1)
        hint = f'did you mean "{close[0]}"?' if close else f"there are {', '.join(known)}"
        raise ValueError(f'unknown {what} "{value}": {hint}')
    return value


def _failure_reason(value: str) -> str:
    return _one_of(value, TAXONOMY, "reason")


def _job_kind(value: str) -> str:
    return _one_of(value, KINDS, "kind of job")


def _time_of_day(value: str) -> str:
    if value and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise ValueError('expected a time of day such as "03:30", or ""')
    return value


def _time_zone(value: str) -> str:
    try:
        if value:
            ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError('expected a time zone such as "Europe/Berlin" or "UTC", known to this machine') from None
    return value


def _imdb_id(value: str) -> str:
    if not re.fullmatch(r"tt[0-9]{7,10}", value):
        raise ValueError('expected an IMDb id such as "tt0133093"')
    return value


def _wanted_title(value: str) -> str:
    parse_wanted(without_control_characters(value))
    return value


Name = Annotated[str, AfterValidator(_name)]
HttpUrl = Annotated[str, AfterValidator(_http_url), Field(repr=False)]
"""Not shown, since some indexers are known by an address that holds the key."""
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
FolderInRoot = Annotated[str, AfterValidator(_folder_in_root)]
FolderPattern = Annotated[str, AfterValidator(_folder_pattern)]
FilePattern = Annotated[str, AfterValidator(_file_pattern)]
FailureReason = Annotated[str, AfterValidator(_failure_reason)]
JobKind = Annotated[str, AfterValidator(_job_kind)]
QualityName = Annotated[str, AfterValidator(_quality_name)]
"""A quality's name in any case; the table's spelling afterwards."""
TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
ImdbId = Annotated[str, AfterValidator(_imdb_id)]
WantedTitle = Annotated[str, StringConstraints(max_length=512), AfterValidator(_wanted_title)]
