"""Values as users write them: durations and sizes with units, paths relative to the file, secrets from elsewhere."""

import math
import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, SecretStr, ValidationInfo

DURATION_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
SIZE_UNITS_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
MAX_DURATION_S = 3650 * 86400.0
MAX_SIZE_BYTES = 2**63 - 1  # a bigint, and what statvfs counts in
MAX_SECRET_BYTES = 64 * 1024
MAX_WINDOW_CALLS, MAX_WINDOW_S = 1000, 3600.0


@dataclass(frozen=True, kw_only=True)
class CallWindow:
    """The calls that count: the last `size`, or those of the last `size` seconds."""

    kind: Literal["count", "time"]
    size: int


def parse_duration(value: Any) -> float:
    """ "1h30m" -> 5400.0 seconds; units ms, s, m, h, d, w as in Prometheus. ValueError says what is expected."""
    text = value if isinstance(value, str) else ""
    parts = re.findall(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d|w)", text) if len(text) <= 64 else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError('expected a duration such as "30s", "5m" or "1h30m"')
    duration_s = math.fsum(float(number) * DURATION_UNITS_S[unit] for number, unit in parts)
    if duration_s > MAX_DURATION_S:
        raise ValueError('expected a duration of at most "3650d"')
    return duration_s


def parse_window(value: Any) -> CallWindow:
    """3 -> the last three calls; "2m" -> those of the last two minutes. ValueError says what is expected."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MAX_WINDOW_CALLS:
            raise ValueError(f"expected 1 to {MAX_WINDOW_CALLS} calls")
        return CallWindow(kind="count", size=value)
    try:
        size_s = parse_duration(value)
    except ValueError:
        raise ValueError('expected a number of calls, or a duration such as "2m"') from None
    if not 1 <= size_s <= MAX_WINDOW_S:
        raise ValueError('expected a duration of "1s" to "1h"')
    return CallWindow(kind="time", size=round(size_s))


def parse_size(value: Any) -> int:
    """ "16MiB" -> 16777216 bytes; B, KB..TB are powers of ten, KiB..TiB of two. ValueError says what is expected."""
    text = value if isinstance(value, str) else ""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([KMGT]i?B|B)", text)
    if match is None:
        raise ValueError('expected a size such as "500MB" or "1GiB"')
    size_bytes = int(Fraction(match[1]) * SIZE_UNITS_BYTES[match[2]])
    if size_bytes > MAX_SIZE_BYTES:
        raise ValueError("expected a size of less than 8 EiB")
    return size_bytes


def read_secret(value: Any, info: ValidationInfo) -> SecretStr:
    """A string, { env = "NAME" } or { file = "path" }; the text of an error never holds the secret."""
    match value:
        case str():
            return SecretStr(value)
        case {"env": str(name), **rest} if not rest:
            if not os.environ.get(name):
                raise ValueError(f"the environment variable {name} is {'empty' if name in os.environ else 'not set'}")
            return SecretStr(os.environ[name])
        case {"file": str(name), **rest} if not rest:
            return SecretStr(_text_in(resolve_path(name, info)))
    raise ValueError('expected a string, { env = "NAME" } or { file = "path" }')


def _text_in(path: Path) -> str:
    """A file's text without the white space around it, such as the line's end that editors add."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
        text = data.decode().strip()
    except OSError as error:
        raise ValueError(f"the secret's file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the secret's file {path} is not UTF-8 text") from None
    if not text or len(data) > MAX_SECRET_BYTES:
        raise ValueError(f"the secret's file {path} is {'larger than 64 KiB' if text else 'empty'}")
    return text


def resolve_path(value: Any, info: ValidationInfo) -> Path:
    """An absolute path; a relative one starts at the configuration file's folder, ~ at the user's home."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("expected a path")
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f'"{Path(value).parts[0]}" is nobody\'s home folder') from None
    return Path(os.path.normpath(_folder(info) / path))


def _folder(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", Path.cwd()))


Seconds = Annotated[float, BeforeValidator(parse_duration)]
Window = Annotated[CallWindow, BeforeValidator(parse_window)]
Bytes = Annotated[int, BeforeValidator(parse_size)]
Secret = Annotated[SecretStr, BeforeValidator(read_secret)]
FilePath = Annotated[Path, BeforeValidator(resolve_path)]
