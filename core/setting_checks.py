"""Checks of single settings: each takes the raw value and returns the parsed one, or raises an error."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from riyl.core.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

ORIGIN = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
"""Origin as browsers send it: no path, no slash at the end."""

HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[?[0-9a-f]*:[0-9a-f:.]*\]?")
"""Host name, wildcard for every name below one, or IP address; in lower case."""

ROOT_PATH, MAX_ROOT_PATH_LENGTH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*"), 200
"""Prefix of paths: segments of unreserved characters, none of them . or .., without a slash at the end."""
WEB_ADDRESS = re.compile(ORIGIN.pattern + r"(/[A-Za-z0-9._~/-]*)?")
"""Address of a service: an origin and a path, without a query or a user."""

SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://\S*")
"""Value that Kubernetes and Docker put into NAME_PORT of every container beside a service called NAME."""

PORT = 8000


# Libraries are imported where they are needed: each import takes a tenth of a second.


def rate_limit(text: str) -> str:
    """Check limits such as "600/minute", separated by `;`."""
    import limits

    try:
        rates = limits.parse_many(text)
    except ValueError:
        rates = []
    if not rates or any(each.amount < 1 for each in rates):
        raise PydanticCustomError("rate_limit", "wanted limits such as 600/minute, separated by ;")
    return text


def origins(value: object) -> object:
    """Parse origins of pages from text, separated by commas."""
    if not isinstance(value, str):
        return value
    parts = tuple(part.strip() for part in value.split(","))
    if not all(origin == "*" or ORIGIN.fullmatch(origin) for origin in parts):
        raise PydanticCustomError(
            "origins", "wanted origins such as https://music.example:8443, separated by commas, or *"
        )
    return parts


def web_address(text: str) -> str:
    """Check the address of another service."""
    if WEB_ADDRESS.fullmatch(text) is None:
        raise PydanticCustomError("web_address", "wanted an address such as https://music.example/2.0/")
    return text


def hosts(value: object) -> object:
    """Parse host names and addresses from text, separated by commas; returned in lower case, without brackets."""
    if not isinstance(value, str):
        return value
    parts = tuple(part.strip().lower() for part in value.split(","))
    if not all(part == "*" or HOST.fullmatch(part) for part in parts):
        wanted = (
            "wanted names such as riyl.example.org, *.example.org or 192.0.2.7, separated by commas, without port, or *"
        )
        raise PydanticCustomError("hosts", "{wanted}", {"wanted": wanted})
    return tuple(part.strip("[]") for part in parts)


def is_root_path(text: str) -> bool:
    """Return whether a text is a prefix of paths such as /music, or empty."""
    return len(text) <= MAX_ROOT_PATH_LENGTH and ROOT_PATH.fullmatch(text) is not None


def root_path(text: str) -> str:
    """Check a prefix of paths; returned without a slash at the end."""
    prefix = text.rstrip("/")
    if not is_root_path(prefix):
        wanted = f"wanted a path such as /music, of at most {MAX_ROOT_PATH_LENGTH} letters, digits and . _ ~ - /"
        raise PydanticCustomError("root_path", "{wanted}", {"wanted": wanted})
    return prefix


def proxies(value: object) -> object:
    """Parse addresses and networks from text, separated by commas."""
    if not isinstance(value, str):
        return value
    parts = tuple(part.strip() for part in value.split(","))
    try:
        for part in parts:
            ip_network(part)
    except ValueError as error:
        wanted = "wanted addresses or networks such as 10.0.0.7, 10.1.0.0/16 or fd00::/8, separated by commas"
        raise PydanticCustomError("proxies", "{wanted}; {why}", {"wanted": wanted, "why": str(error)}) from error
    return parts


def cron(text: str) -> str:
    """Check five cron fields, or six with seconds first, that match some date, as the job engine reads them."""
    from croniter import CroniterError, croniter

    wanted = "wanted minute, hour, day, month and weekday, such as 0 3 * * *"
    if len(text.split()) not in (5, 6):
        raise PydanticCustomError("cron", "{wanted}", {"wanted": wanted})
    try:
        croniter(text, second_at_beginning=True).get_next()
    except (CroniterError, ValueError) as error:
        raise PydanticCustomError("cron", "{wanted}: {why}", {"wanted": wanted, "why": str(error)}) from error
    return text


def absolute_path(path: Path) -> Path:
    """Return the absolute form of a path, with ~ and ~name expanded as a shell does."""
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise PydanticCustomError("home", "wanted a path; ~ cannot be expanded: the user has no home") from error


def folder_of_tables(path: Path | None) -> Path | None:
    """Check that the folder exists."""
    if path is not None and not path.is_dir():
        actual = "a file" if path.exists() else "no such folder"
        raise PydanticCustomError(
            "folder", "found {found}; wanted a folder of tables, or an unset variable", {"found": actual}
        )
    return path


def readable_file(path: Path | None) -> Path | None:
    """Check that the file can be read."""
    if path is not None:
        try:
            path.read_bytes()
        except OSError as error:
            raise PydanticCustomError("file", "cannot be read: {why}", {"why": error.strerror or "?"}) from error
    return path


def postgres_url(address: str) -> URL:
    """Parse the address of a PostgreSQL database; error messages omit the address, which may contain a password.

    Raises:
        ConfigError: the address is invalid, or of another kind of database.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:  # such as a port that is not a number
        raise ConfigError("RIYL_DATABASE_URL: found an invalid database address; wanted postgresql://...") from error
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigError(
            f"RIYL_DATABASE_URL: found {url.drivername}://; wanted postgresql://, or an unset variable for SQLite"
        )
    return url


def postgres_address(address: SecretStr | None) -> SecretStr | None:
    """Check the address with `postgres_url`."""
    if address is not None:
        try:
            postgres_url(address.get_secret_value())
        except ConfigError as error:
            why = str(error).removeprefix("RIYL_DATABASE_URL: ")
            raise PydanticCustomError("address", "{why}", {"why": why}) from error
    return address


def port(value: object) -> object:
    """Return the default port in place of the address of a service that an orchestrator set; else the value itself."""
    return PORT if isinstance(value, str) and SERVICE_LINK.fullmatch(value) else value
