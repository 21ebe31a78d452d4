"""HTTP GET as an indexer needs it: bounded in time and size, and safe to point at hostile servers.

    ClientError
    |-- Unavailable    silent, too slow, TLS not valid
    |   `-- Unreachable    no such host, refused, or reset before the answer began, three times over
    |-- BadAnswer      too large, truncated, not HTTP, redirected in circles, not an address
    `-- Refused        a redirect to a private network or to another scheme than http and https

Answers of every status are returned; `Response.check` turns a bad status into its error, after the
caller has had a look at the body. Neither cookies nor proxies nor `.netrc` are used. Error texts
carry masked addresses only, and the causes, which carry the plain ones, are suppressed.
A client may be used from several threads.
"""

import http.client
import logging
import re
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from clients import connection
from clients.connection import Deadline, Dialer, DialingAdapter, Endpoint, IPAddress, Resolve, endpoint_of
from clients.errors import (
    AuthenticationFailed,
    BadAnswer,
    BadAnswerReason,
    ClientError,
    Gone,
    RateLimited,
    Refused,
    Unavailable,
    Unreachable,
)

MAX_REDIRECTS = 5
ATTEMPTS = 3
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0
LONGEST_RETRY_AFTER_S = 7 * 24 * 3600.0
CHUNK_BYTES = 64 * 1024
GZIP_MAGIC = b"\x1f\x8b"
REDIRECTS = (301, 302, 303, 307, 308)

# Possessive and atomic throughout: servers choose these texts, and none may take more than linear time.
_NAME = r"[^=?&;#\s]"
_SECRET_PARAMETER = re.compile(
    rf"([?&;#](?:(?>{_NAME}*?(?:key|pass|token|secret|auth|pwd|sid)){_NAME}*+|link|pid|tp|k|r)=)[^&#\s]*", re.I
)
_USER_INFO = re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)[^/?#\s]*@", re.I)
_LOOKS_SECRET = re.compile(
    rf"""
      [?&;]q=[^&;\#\s]*                                       # a title: it stays
    | ([?&;]{_NAME}*+=) (?:[\w-]|%2[BF]|%3D|=){{16,}}+ (?![^&;\#\s"'<>)])  # one word, maybe of Base64
    | ((?<!:/)/|%2F) [a-z0-9]{{20,}}+                           # a passkey in a path, or in a path in a parameter
    | ((?<=[\w/=%&?.~-])\#) [^\s]+                             # a fragment, which no server needs
    """,
    re.I | re.A | re.X,
)


def mask_secrets(url: str) -> str:
    """The address, or a text with addresses in it, without keys, passkeys, tokens and passwords.

    What only looks like one goes too: a parameter of 16 or more characters in one word, a path segment of 20 or more
    letters and digits, every fragment. The parameter `q`, a title, stays.
    """
    masked = _USER_INFO.sub(r"\1***@", _SECRET_PARAMETER.sub(r"\1***", url))
    return _LOOKS_SECRET.sub(lambda found: f"{found[found.lastindex]}***" if found.lastindex else found[0], masked)


@dataclass(frozen=True, kw_only=True)
class RequestFacts:
    """One HTTP exchange, for metrics and logs; `status` is None when no answer came."""

    url: str  # masked
    status: int | None
    error: str | None  # the name of the error's class
    received_bytes: int
    elapsed_s: float


@dataclass(frozen=True, kw_only=True)
class Response:
    """What came back: a body, or the magnet link that the server redirected to."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)  # of the last hop, with its secrets
    elapsed_s: float  # of the last hop
    magnet: str | None = field(default=None, repr=False)
    received_at: datetime

    @property
    def content_type(self) -> str:
        """The media type in lower case, without its parameters; empty when not sent."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def retry_after_s(self) -> float | None:
        """Seconds the server asks to wait, from a number or a date (RFC 9110, 10.2.3)."""
        text = self.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"[0-9]{1,12}", text):
            return min(float(text), LONGEST_RETRY_AFTER_S)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait_s = (until.replace(tzinfo=until.tzinfo or UTC) - self.received_at).total_seconds()
        return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S)

    def check(self) -> None:
        """Raises the error that the status stands for; nothing on 2xx and on a magnet link."""
        if self.status < 300 or self.magnet is not None:
            return
        text = f"{mask_secrets(self.url)} answered {self.status}"
        if self.status in (401, 403):
            raise AuthenticationFailed(text)
        if self.status == 429:
            raise RateLimited(text, retry_after_s=self.retry_after_s)
        if self.status in (404, 410):
            raise Gone(text)
        if self.status >= 500:
            raise Unavailable(text)
        raise BadAnswer(text, reason=BadAnswerReason.STATUS)


class HttpClient:
    """Gets documents over HTTP; every exchange is reported to `on_request`.

    `total_timeout_s` bounds a whole `get` with its redirects and retries, `max_bytes` the body
    both as sent and decompressed.
    """

    def __init__(
        self,
        *,
        connect_timeout_s: float = 5,
        read_timeout_s: float = 30,
        total_timeout_s: float = 60,
        max_bytes: int = 16 * 1024 * 1024,
        on_request: Callable[[RequestFacts], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Resolve = connection.resolve,
        is_allowed: Callable[[IPAddress], bool] = connection.is_public,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._total_timeout_s = total_timeout_s
        self._max_bytes = max_bytes
        self._on_request = on_request
        self._sleep = sleep
        self._clock = clock
        self._now = now
        self._resolve = resolve
        self._is_allowed = is_allowed

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        trusted_url: str | None = None,
    ) -> Response:
        """The answer to GET, after redirects.

        The host and port of `trusted_url` (by default of `url`) may be on a private network, any
        other host must be public. `headers` reach only the scheme, host and port of `url`.
        """
        request = _prepared(url, params, headers)
        trusted = endpoint_of(_prepared(trusted_url or url).url or "")
        with Deadline(self._total_timeout_s) as deadline:
            dialer = Dialer(
                trusted=trusted,
                deadline=deadline,
                connect_timeout_s=self._connect_timeout_s,
                resolve=self._resolve,
                is_allowed=self._is_allowed,
            )
            # An adapter without a session: `Session.send` reads the bodies of redirects without a limit.
            with closing(DialingAdapter(dialer)) as adapter:
                return self._follow(request, headers, adapter, deadline)

    def _follow(
        self,
        request: requests.PreparedRequest,
        headers: Mapping[str, str] | None,
        adapter: DialingAdapter,
        deadline: Deadline,
    ) -> Response:
        first_origin = _origin(request)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._exchange(request, adapter, deadline)
            target = _redirect_target(response)
            if target is None:
                return response
            if target.lower().startswith("magnet:"):
                return replace(response, magnet=target)
            request = _prepared(target)
            if _origin(request) == first_origin:
                request = _prepared(target, headers=headers)
        raise BadAnswer(
            f"{mask_secrets(response.url)} redirected more than {MAX_REDIRECTS} times",
            reason=BadAnswerReason.REDIRECT_LOOP,
        )

    def _exchange(self, request: requests.PreparedRequest, adapter: DialingAdapter, deadline: Deadline) -> Response:
        """One answer, asked for again at once while no connection comes about."""
        delay_s = FIRST_DELAY_S
        for _ in range(ATTEMPTS - 1):
            try:
                return self._attempt(request, adapter, deadline)
            except Unreachable:
                self._sleep(min(delay_s, deadline.remaining_s))
                delay_s = min(delay_s * 2, LONGEST_DELAY_S)
        return self._attempt(request, adapter, deadline)

    def _attempt(self, request: requests.PreparedRequest, adapter: DialingAdapter, deadline: Deadline) -> Response:
        started_s = self._clock()
        answer: requests.Response | None = None
        body = b""
        error_name: str | None = None
        try:
            answer = self._open(request, adapter, deadline)
            body = b"" if _has_location(answer) else self._body(answer, deadline)
        except ClientError as error:
            error_name = type(error).__name__
            raise
        finally:
            elapsed_s = self._clock() - started_s
            if answer is not None:
                answer.close()
            if self._on_request is not None:
                facts = RequestFacts(
                    url=mask_secrets(request.url or ""),
                    status=answer.status_code if answer is not None else None,
                    error=error_name,
                    received_bytes=len(body),
                    elapsed_s=elapsed_s,
                )
                self._on_request(facts)
        return Response(
            status=answer.status_code,
            headers=answer.headers,
            body=body,
            url=request.url or "",
            elapsed_s=elapsed_s,
            received_at=self._now(),
        )

    def _open(
        self, request: requests.PreparedRequest, adapter: DialingAdapter, deadline: Deadline
    ) -> requests.Response:
        try:
            return adapter.send(request, stream=True, timeout=(self._connect_timeout_s, self._read_timeout_s))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _translated(error, request, deadline) from None

    def _body(self, answer: requests.Response, deadline: Deadline) -> bytes:
        """The body, decompressed by what it is and not by what its header claims."""
        url = mask_secrets(answer.url)
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise BadAnswer(f"{url} answered in an encoding nobody asked for", reason=BadAnswerReason.MALFORMED)
        body = bytearray()
        try:
            for chunk in answer.raw.stream(CHUNK_BYTES, decode_content=False):
                body += chunk
                if len(body) > self._max_bytes:
                    raise _too_large(url, self._max_bytes)
        except urllib3.exceptions.HTTPError as error:
            raise _translated(error, answer.request, deadline, is_answering=True) from None
        if deadline.is_past:  # a body without a length just seems to end when the connection is cut
            raise Unavailable(f"{url}: no whole answer within {deadline.limit_s:g} s")
        return _gunzipped(bytes(body), url=url, max_bytes=self._max_bytes) if body[:2] == GZIP_MAGIC else bytes(body)


def _prepared(
    url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> requests.PreparedRequest:
    if not re.match(r"https?:", url, re.I):
        raise Refused(f"{mask_secrets(url)[:200]!r}: only http and https are followed")
    own = {"User-Agent": "understudy", "Accept": "*/*", "Accept-Encoding": "gzip", "Connection": "close"}
    try:
        return requests.Request("GET", url, params=params, headers=own | dict(headers or {})).prepare()
    except (ValueError, requests.RequestException):
        text = f"{mask_secrets(url)[:200]!r} is not an address"
        raise BadAnswer(text, reason=BadAnswerReason.MALFORMED) from None


def _origin(request: requests.PreparedRequest) -> tuple[str, Endpoint]:
    url = request.url or ""
    return urlsplit(url).scheme, endpoint_of(url)


def _has_location(answer: requests.Response) -> bool:
    return answer.status_code in REDIRECTS and "Location" in answer.headers


def _redirect_target(response: Response) -> str | None:
    """The absolute address redirected to; None if the response is no redirect."""
    if response.status not in REDIRECTS or "Location" not in response.headers:
        return None
    # http.client reads headers as Latin-1; servers send UTF-8.
    location = response.headers["Location"].strip().encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        return urljoin(response.url, location)
    except ValueError:
        text = f"{mask_secrets(response.url)} redirected to what is not an address"
        raise BadAnswer(text, reason=BadAnswerReason.MALFORMED) from None


def _translated(
    error: Exception, request: requests.PreparedRequest, deadline: Deadline, *, is_answering: bool = False
) -> ClientError:
    """Our error for what `requests` or `urllib3` raised, told without its text, which has the key in it."""
    url = mask_secrets(request.url or "")
    causes = list(_causes(error))
    if deadline.is_past:
        return Unavailable(f"{url}: no whole answer within {deadline.limit_s:g} s")
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return Unavailable(f"{url}: {getattr(cause, 'verify_message', '') or cause.reason or 'TLS failed'}")
        if isinstance(cause, requests.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
            return Unavailable(f"{url}: silent for too long")
        if isinstance(cause, http.client.IncompleteRead):
            return BadAnswer(f"{url}: the answer is cut off", reason=BadAnswerReason.TRUNCATED)
        if isinstance(cause, http.client.HTTPException) and not isinstance(cause, OSError):
            return BadAnswer(f"{url}: the answer is not HTTP", reason=BadAnswerReason.MALFORMED)
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    text = f"{url}: {reasons[-1].lower() if reasons else 'the connection failed'}"
    return Unavailable(text) if is_answering else Unreachable(text)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _gunzipped(body: bytes, *, url: str, max_bytes: int) -> bytes:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        whole = stream.decompress(body, max_bytes + 1)
    except zlib.error:
        raise BadAnswer(f"{url}: broken gzip", reason=BadAnswerReason.MALFORMED) from None
    if len(whole) > max_bytes:
        raise _too_large(url, max_bytes)
    if not stream.eof:
        raise BadAnswer(f"{url}: the gzip answer is cut off", reason=BadAnswerReason.TRUNCATED)
    return whole


def _too_large(url: str, max_bytes: int) -> BadAnswer:
    return BadAnswer(f"{url}: more than {max_bytes} bytes", reason=BadAnswerReason.TOO_LARGE)


class _MaskSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = mask_secrets(record.getMessage()), ()
        return True


# urllib3 logs whole addresses: every request at DEBUG, those with bad headers at WARNING.
logging.getLogger("urllib3.connectionpool").addFilter(_MaskSecrets())
