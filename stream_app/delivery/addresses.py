"""Opens sockets to public addresses alone. What is checked is the address that is connected to, not what a name server
said before: a name that points elsewhere by then changes nothing.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable
from typing import Any

SocketFactory = Callable[[tuple[Any, ...]], socket.socket]
"""Makes the socket for an entry of ``getaddrinfo``; raises AddressRefused."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOT_GLOBAL = (
    ipaddress.ip_network("::/96"),  # IPv4 addresses, in a form that is deprecated
    ipaddress.ip_network("::ffff:0:0:0/96"),  # IPv4 addresses, translated
    ipaddress.ip_network("fec0::/10"),  # of a site, deprecated
    ipaddress.ip_network("64:ff9b:1::/48"),  # of a local NAT64
)


class AddressRefused(OSError):
    """The address is not a public one."""


def is_public(address: str) -> bool:
    """Is it an address of the Internet: neither private, loopback, link-local, multicast nor reserved?

    Of an IPv6 address that stands for an IPv4 address, the latter counts.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if any(ip in network for network in _NOT_GLOBAL):
            return False
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if embedded is None and ip in _NAT64:
            embedded = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(str(embedded))
    return ip.is_global and not ip.is_multicast


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """See SocketFactory."""
    family, kind, protocol, _, address = info
    if not is_public(address[0]):  # guarantee: private-addresses-are-refused
        why = f"{address[0]} is not a public address; allow_private = true of the receiver allows it"
        raise AddressRefused(errno.EACCES, why)
    return socket.socket(family, kind, protocol)


def any_socket(info: tuple[Any, ...]) -> socket.socket:
    """See SocketFactory; refuses nothing."""
    family, kind, protocol, _, _ = info
    return socket.socket(family, kind, protocol)
