"""The interface or address a torrent session is bound to: whether it is there, and how libtorrent is told of it."""

import contextlib
import fcntl
import ipaddress
import socket
import struct

SIOCGIFFLAGS = 0x8913
IFF_UP, IFF_LOOPBACK = 0x1, 0x8


def problem_of(bind: str | None) -> str | None:
    """Why nothing can be reached through `bind` now, for a person to read; None when it is there."""
    if bind is None:
        return None
    if address := _address(bind):
        return None if _is_ours(address) else f"address {bind} is gone"
    flags = _interface_flags(bind)
    if flags is None:
        return f"interface {bind} is gone"
    return None if flags & IFF_UP else f"interface {bind} is down"


def is_loopback(bind: str | None) -> bool:
    if bind is None:
        return False
    if address := _address(bind):
        return address.is_loopback
    return bool((_interface_flags(bind) or 0) & IFF_LOOPBACK)


def interfaces_of(bind: str | None, port: int) -> tuple[str, str]:
    """libtorrent's `listen_interfaces` and `outgoing_interfaces` for peers and trackers through `bind` only.

    A name is given to libtorrent as it is: it then binds sockets to the device, and follows its changes of address.
    """
    if bind is None:
        return f"0.0.0.0:{port},[::]:{port}", ""
    address = _address(bind)
    host = f"[{bind}]" if address and address.version == 6 else bind
    return f"{host}:{port}", bind


def _address(bind: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(bind)
    return None


def _is_ours(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def _interface_flags(name: str) -> int | None:
    request = struct.pack("16sH14x", name.encode()[:15], 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe, SIOCGIFFLAGS, request)
        except OSError:
            return None
    return int(struct.unpack("16sH14x", answer)[1])
