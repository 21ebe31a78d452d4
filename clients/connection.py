"""One TCP connection per request, opened only to checked addresses and cut at its deadline.

A host name is resolved once and the addresses that were checked are the ones dialled, so a name
server that changes its answer between check and connect gains nothing. The deadline shuts the
socket down from a timer thread: with read timeouts alone, a header or body of one byte a second
would keep a request alive for ever. A name server that hangs is bounded by the system's resolver.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool

from clients.errors import Refused

Endpoint = tuple[str, int]
IPAddress = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[str]]

_NAT64 = IPv6Network("64:ff9b::/96")


def endpoint_of(url: str) -> Endpoint:
    """Host in lower case and port of an http or https URL; ValueError if there is none."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("no host in the address")
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of `host` in the system's order of preference; OSError if there are none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return [str(address[0]) for _, _, _, _, address in found]


def is_public(address: IPAddress) -> bool:
    """Whether the address, and any IPv4 address carried inside it, is on the public Internet."""
    if isinstance(address, IPv6Address):
        embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            embedded.append(IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(is_public(inner) for inner in embedded if inner is not None):
            return False
        if address.ipv4_mapped is not None:
            return True
    return address.is_global and not address.is_multicast


class Deadline:
    """Shuts the watched connection down when the time is up; use as a context manager."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.is_past = False
        self._ends_at_s = time.monotonic() + limit_s
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._release()

    @property
    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._ends_at_s - time.monotonic())

    def watch(self, connection: socket.socket) -> None:
        """Cut `connection` at the deadline, in place of the one watched before.

        A duplicate is kept because TLS takes the descriptor away from the original object.
        """
        with self._lock:
            self._release()
            if self.is_past:
                raise TimeoutError("timed out")
            self._watched = connection.dup()

    def _cut(self) -> None:
        with self._lock:
            self.is_past = True
            if self._watched is not None:
                with suppress(OSError):  # the peer was faster
                    self._watched.shutdown(socket.SHUT_RDWR)

    def _release(self) -> None:
        if self._watched is not None:
            self._watched.close()
            self._watched = None


class Dialer:
    """Opens connections for one request: anywhere public, and to the one trusted endpoint."""

    def __init__(
        self,
        *,
        trusted: Endpoint,
        deadline: Deadline,
        connect_timeout_s: float,
        resolve: Resolve,
        is_allowed: Callable[[IPAddress], bool],
    ) -> None:
        self._trusted = trusted
        self._deadline = deadline
        self._connect_timeout_s = connect_timeout_s
        self._resolve = resolve
        self._is_allowed = is_allowed

    def dial(self, host: str, port: int) -> socket.socket:
        """A connection to the first address that answers.

        Raises Refused when any address of an untrusted host is not public, else OSError.
        """
        host = host.strip("[]").lower()
        addresses = self._resolve(host, port)
        if (host, port) != self._trusted:
            self._check(host, addresses)
        failure = OSError("the name has no address")
        for address in addresses:
            try:
                return self._connect(address, port)
            except OSError as error:
                failure = error
        raise failure

    def _check(self, host: str, addresses: list[str]) -> None:
        for address in addresses:
            if not self._is_allowed(ip_address(address)):
                raise Refused(
                    f"{host} is the private address {address}: only the configured host and port "
                    "may be on a private network; configure that address if it is meant"
                )

    def _connect(self, address: str, port: int) -> socket.socket:
        timeout_s = min(self._connect_timeout_s, self._deadline.remaining_s) or 0.001
        connection = socket.create_connection((address, port), timeout_s)
        try:
            self._deadline.watch(connection)
        except OSError:
            connection.close()
            raise
        return connection


class DialingAdapter(HTTPAdapter):
    """Sends requests over connections that `dialer` opens; made for one call, closed after it."""

    def __init__(self, dialer: Dialer) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        self._dialer = dialer

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> ConnectionPool:
        """The pool of the request's host, its connections opened by the dialer.

        `_new_conn` is the one step of urllib3 that opens a socket; urllib3's own SOCKS support
        replaces it in the same way. TLS, with the host name for SNI, is put on top by urllib3.
        """
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        assert isinstance(pool, HTTPConnectionPool)
        dial = self._dialer.dial
        pool.ConnectionCls = type(
            "DialedConnection",
            (pool.ConnectionCls,),
            {"_new_conn": lambda connection: dial(connection.host, connection.port)},
        )
        return pool
