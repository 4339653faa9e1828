"""Requests that arrive through reverse proxies: their client, scheme, and the prefix of their paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riyl.core.setting_checks import is_root_path

KEY = "riyl.root_path"
"""Key of the root path in a request's ASGI scope. ASGI's own `root_path` would be removed from the beginning of a path,
where the proxy has removed it already: `/music/music/metrics` would be `/metrics`, past a rule of the proxy.
"""

FOR, PROTO, PREFIX = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-prefix"

MAX_HOPS = 20
"""Maximum number of addresses of X-Forwarded-For that are read, from the right."""

MAX_ADDRESS_LENGTH = 64
"""Maximum length of an address there, in characters."""

MAX_KEPT_ADDRESSES = 10_000
"""Maximum number of addresses for which it is cached whether they are trusted."""

SCHEMES = frozenset({b"http", b"https"})

HOST = re.compile(rb"[A-Za-z0-9._-]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
"""Values of the header Host that addresses in responses repeat."""


class TrustedProxies:
    """Check of whether an address is that of a trusted proxy.

    Args:
        networks: addresses, or networks in CIDR notation.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(network) for network in networks]
        self.trusts = lru_cache(MAX_KEPT_ADDRESSES)(self._trusts)

    def _trusts(self, address: str) -> bool:
        plain = plain_address(address)
        return plain is not None and any(ip_address(plain) in network for network in self._networks)

    def client_of(self, proxy: str, hops: str) -> str:
        """Return the client of a request: the rightmost address that is not of a trusted proxy.

        Each proxy appends the address from which it received the request, so that addresses to the left of an
        untrusted one may be made up. Behind text that is no address, the last proxy before it is the client.

        Args:
            proxy: address of the trusted proxy that sent the request.
            hops: the header X-Forwarded-For; several are joined by commas.
        """
        client = proxy
        for hop in reversed(hops.rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
            address = plain_address(hop.strip())
            if address is None:
                break
            client = address
            if not self.trusts(address):
                break
        return client


def plain_address(text: str) -> str | None:
    """Return an IP address without brackets and port, an IPv4 address in IPv6 as IPv4; None where there is none."""
    if len(text) > MAX_ADDRESS_LENGTH or "%" in text:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


class ProxyMiddleware:
    """Middleware that takes client, scheme and root path from the headers of trusted proxies.

    It adds the root path to the addresses in the headers Location and Link, so that routes and services name paths as
    they are without a proxy. The path of a request stays as it is: the proxy removes the prefix.

    Args:
        trusted: the proxies whose headers are read; others change nothing.
        root_path: prefix of all paths behind the proxy; where it is empty, X-Forwarded-Prefix is used.
    """

    def __init__(self, app: ASGIApp, trusted: TrustedProxies, root_path: str) -> None:
        self._app = app
        self._trusted = trusted
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        root_path, client = self._root_path, scope.get("client")
        if client is not None and self._trusted.trusts(client[0]):
            headers: dict[bytes, list[bytes]] = {FOR: [], PROTO: [], PREFIX: []}
            for name, value in scope["headers"]:
                if name in headers:
                    headers[name].append(value)
            if headers[FOR]:
                hops = b",".join(headers[FOR]).decode("latin-1")
                scope = {**scope, "client": (self._trusted.client_of(client[0], hops), 0)}
            if len(headers[PROTO]) == 1 and headers[PROTO][0] in SCHEMES:
                scope = {**scope, "scheme": headers[PROTO][0].decode()}
            if not root_path and len(headers[PREFIX]) == 1:
                prefix = headers[PREFIX][0].decode("latin-1").rstrip("/")
                root_path = prefix if is_root_path(prefix) else ""
        if not root_path:
            await self._app(scope, receive, send)
            return
        before = root_path.encode()

        async def prefixed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [(name, _prefixed(name, value, before)) for name, value in message["headers"]]
            await send(message)

        await self._app({**scope, KEY: root_path}, receive, prefixed_send)


def _prefixed(name: bytes, value: bytes, prefix: bytes) -> bytes:
    if name == b"location" and value.startswith(b"/"):
        return prefix + value
    return value.replace(b"</", b"<" + prefix + b"/") if name == b"link" else value


def root_path_of(scope: Scope) -> str:
    """Return the prefix of the service's paths as the client sees them; empty where there is none."""
    root_path = scope.get(KEY, "")
    if not isinstance(root_path, str):
        raise TypeError(f"scope[{KEY!r}] is {type(root_path).__name__}; wanted str")
    return root_path


def address_of_service(scope: Scope) -> str:
    """Return the address of the service as the client sees it, without a last slash; empty if its Host is none."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or HOST.fullmatch(hosts[0]) is None:
        return ""
    return f"{scope['scheme']}://{hosts[0].decode()}{root_path_of(scope)}"
