"""Allowed values of the header Host, so that no web page can reach the service under a host name of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address

from riyl.core.settings import Settings

LOOPBACK_NAMES = ("localhost", "*.localhost")

ANY = "*"

ALWAYS_ANSWERED = frozenset({"/healthz", "/readyz"})
"""Paths that are answered under any host: probes use an address that only the orchestrator knows."""

MAX_KEPT_HOSTS = 1_000
"""Maximum number of Host values whose result is cached."""


class AllowedHosts:
    """Check of whether the service answers for a header Host.

    A browser that a foreign page has pointed at this machine (DNS rebinding) sends the page's name.

    Args:
        names: names or addresses; `*.example.org` matches every name below example.org.
        loopback: also allow every name and address of this machine itself.
    """

    def __init__(self, names: Sequence[str], *, loopback: bool) -> None:
        names = [*names, *(LOOPBACK_NAMES if loopback else ())]
        self._names = frozenset(names)
        self._endings = tuple(name.removeprefix("*") for name in names if name.startswith("*."))
        self._loopback = loopback
        self.allows = lru_cache(MAX_KEPT_HOSTS)(self._allows)

    def _allows(self, header: bytes) -> bool:
        host = host_of(header.decode("latin-1"))
        return host in self._names or host.endswith(self._endings) or (self._loopback and is_loopback(host))


def allowed_hosts(settings: Settings) -> AllowedHosts | None:
    """Return the hosts that a service with these settings answers for; None for any host.

    Without RIYL_ALLOWED_HOSTS a service that listens on loopback answers for loopback names, and any other service for
    all hosts.
    """
    loopback = is_loopback(settings.host)
    if ANY in settings.allowed_hosts or not (loopback or settings.allowed_hosts):
        return None
    return AllowedHosts(settings.allowed_hosts, loopback=loopback)


def host_of(header: str) -> str:
    """Return the host of a header Host in lower case, without port, brackets and the root's dot."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def is_loopback(host: str) -> bool:
    """Return whether a name or an address is one of this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
