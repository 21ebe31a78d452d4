"""Values as users write them: durations and sizes with units, paths relative to the file, secrets from elsewhere."""

import math
import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr, ValidationInfo

DURATION_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
SIZE_UNITS_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
MAX_SECRET_BYTES = 64 * 1024


def parse_duration(value: Any) -> float:
    """ "1h30m" -> 5400.0 seconds; units ms, s, m, h, d, w as in Prometheus. ValueError says what is expected."""
    text = value if isinstance(value, str) else ""
    parts = re.findall(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d|w)", text) if len(text) <= 64 else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError('expected a duration such as "30s", "5m" or "1h30m"')
    return math.fsum(float(number) * DURATION_UNITS_S[unit] for number, unit in parts)


def parse_size(value: Any) -> int:
    """ "16MiB" -> 16777216 bytes; B, KB..TB are powers of ten, KiB..TiB of two. ValueError says what is expected."""
    text = value if isinstance(value, str) else ""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?([KMGT]i?B|B)", text)
    if match is None:
        raise ValueError('expected a size such as "500MB" or "1GiB"')
    return int(float(match[1]) * SIZE_UNITS_BYTES[match[2]])


def read_secret(value: Any, info: ValidationInfo) -> SecretStr:
    """A string, { env = "NAME" } or { file = "path" }; the text of an error never holds the secret."""
    match value:
        case str():
            return SecretStr(value)
        case {"env": str(name), **rest} if not rest:
            if name not in os.environ:
                raise ValueError(f"the environment variable {name} is not set")
            return SecretStr(os.environ[name])
        case {"file": str(name), **rest} if not rest:
            path = _folder(info) / Path(name).expanduser()
            try:
                with path.open("rb") as file:
                    return SecretStr(file.read(MAX_SECRET_BYTES).decode().strip())
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"the secret's file cannot be read: {error}") from None
    raise ValueError('expected a string, { env = "NAME" } or { file = "path" }')


def resolve_path(value: Any, info: ValidationInfo) -> Path:
    """An absolute path; a relative one starts at the configuration file's folder, ~ at the user's home."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("expected a path")
    return Path(os.path.normpath(_folder(info) / Path(value).expanduser()))


def _folder(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", Path.cwd()))


Seconds = Annotated[float, BeforeValidator(parse_duration)]
Bytes = Annotated[int, BeforeValidator(parse_size)]
Secret = Annotated[SecretStr, BeforeValidator(read_secret)]
FilePath = Annotated[Path, BeforeValidator(resolve_path)]
