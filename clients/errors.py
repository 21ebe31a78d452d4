"""What can go wrong when another program is asked for something, one class per decision.

    ClientError
    |-- Unavailable           try again later: the dependency is down
    |   `-- Unreachable       not even a connection: no reason to wait longer each time
    |-- RateLimited           try again no sooner than `retry_after_s`
    |-- AuthenticationFailed  stop asking until the user mends the credentials
    |-- BadAnswer             it answered, but not with what was asked for; see `reason`
    |-- Refused               never ask for this again: it is unsafe or not allowed
    `-- Gone                  what was asked for no longer exists there

Texts are shown to users and written to logs, so they never carry a key, passkey or password.
"""

from enum import StrEnum


class BadAnswerReason(StrEnum):
    """Why an answer could not be used."""

    EMPTY = "empty"
    HTML = "html"
    NOT_XML = "not_xml"
    WRONG_ROOT = "wrong_root"
    DTD = "dtd"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    REDIRECT_LOOP = "redirect_loop"
    STATUS = "status"
    REQUEST_NOT_UNDERSTOOD = "request_not_understood"


class ClientError(Exception):
    """Base of every error raised by `clients`."""


class Unavailable(ClientError):
    """The dependency is down: refused, reset, timed out, no DNS, bad TLS, or HTTP 5xx."""


class Unreachable(Unavailable):
    """No connection came about, or it ended before an answer began."""


class RateLimited(ClientError):
    """The dependency asks for fewer requests; `retry_after_s` is None when it names no delay."""

    def __init__(self, text: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class AuthenticationFailed(ClientError):
    """The credentials are missing, wrong, or no longer honoured."""


class BadAnswer(ClientError):
    """The dependency answered with something that cannot be used."""

    def __init__(self, text: str, *, reason: BadAnswerReason) -> None:
        super().__init__(text)
        self.reason = reason


class Refused(ClientError):
    """What was asked is refused, here or there: an unsafe redirect, hostile file names, ..."""


class Gone(ClientError):
    """What was asked for no longer exists at the dependency."""
