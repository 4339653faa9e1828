"""What docker-compose.yml denies its containers, by its text; tests/deploy/compose.sh checks running ones."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EVERY_SERVICE = pytest.mark.parametrize("name", sorted(SERVICES))

NETWORKS = {
    "api": ["database", "outside"],
    "db": ["database"],
    "postgres": ["database"],
    "seed": ["database"],
    "worker": ["database"],
}
WRITABLE_VOLUMES = {
    "api": ["home:/data"],
    "db": ["home:/data"],
    "postgres": ["postgres:/var/lib/postgresql/data"],
    "seed": ["home:/data"],
    "worker": ["home:/data"],
}
TMPFS_MIB = {
    "api": {"/tmp": 384},
    "db": {"/tmp": 64},
    "postgres": {"/tmp": 16, "/var/run/postgresql": 1},
    "seed": {"/tmp": 64},
    "worker": {"/tmp": 64},
}
MEMORY_MIB = {"api": 2048, "db": 1024, "postgres": 512, "seed": 4096, "worker": 4096}

LOOSENING = {"cap_add", "devices", "ipc", "network_mode", "pid", "privileged", "userns_mode", "uts"}
"""Keys of a service that give a container more than its share of the host."""

MAX_PIDS = 1024
UPLOAD_CHILD_MIB = 768
API_MIB = 768
"""Memory of the process that decodes an upload, and of the service with 10,000 changes waiting (742 MiB), in MiB."""


def mib(size: str) -> int:
    """Return a size as compose writes it, such as 64m, in MiB."""
    return int(size[:-1]) * {"m": 1, "g": 1024}[size[-1]]


def tmpfs_mib(name: str) -> dict[str, int]:
    """Return the size of each folder in memory that a service has, in MiB."""
    return {path: mib(size) for path, size in (line.split(":size=") for line in SERVICES[name]["tmpfs"])}


@EVERY_SERVICE
def test_root_file_system_is_read_only(name: str) -> None:
    assert SERVICES[name]["read_only"] is True


@EVERY_SERVICE
def test_only_the_service_s_volume_and_sized_folders_in_memory_are_writable(name: str) -> None:
    writable = [line for line in SERVICES[name]["volumes"] if isinstance(line, str) and not line.endswith(":ro")]
    bound = [line for line in SERVICES[name]["volumes"] if isinstance(line, dict)]
    assert writable == WRITABLE_VOLUMES[name]
    assert [line["read_only"] for line in bound] == [True] * len(bound)
    assert tmpfs_mib(name) == TMPFS_MIB[name]


@EVERY_SERVICE
def test_no_capability_is_left_and_none_can_be_gained(name: str) -> None:
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    assert SERVICES[name].keys() & LOOSENING == set()


def test_postgres_does_not_run_as_root() -> None:
    assert SERVICES["postgres"]["user"] == "postgres"


@EVERY_SERVICE
def test_processes_and_memory_are_limited(name: str) -> None:
    assert 0 < SERVICES[name]["pids_limit"] <= MAX_PIDS
    assert mib(SERVICES[name]["mem_limit"]) == MEMORY_MIB[name]


def test_the_api_s_memory_has_room_for_full_tmpfs_and_the_decoding_of_an_upload() -> None:
    assert MEMORY_MIB["api"] - sum(tmpfs_mib("api").values()) - UPLOAD_CHILD_MIB >= API_MIB


@EVERY_SERVICE
def test_networks_are_those_that_the_service_needs(name: str) -> None:
    assert SERVICES[name]["networks"] == NETWORKS[name]


def test_the_database_s_network_leads_nowhere() -> None:
    network = COMPOSE["networks"]["database"]
    assert network["internal"] is True
    assert network["driver_opts"] == {"com.docker.network.bridge.inhibit_ipv4": "true"}


def test_one_port_is_published_at_the_loopback_address() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"api": ["${RIYL_PUBLISH:-127.0.0.1}:${RIYL_PORT:-8000}:8000"]}


def test_the_password_is_a_file_that_those_with_a_place_in_the_database_s_network_read() -> None:
    assert list(COMPOSE["secrets"]) == ["postgres_password"]
    readers = {name for name, service in SERVICES.items() if service["secrets"] == ["postgres_password"]}
    assert readers == {name for name, networks in NETWORKS.items() if "database" in networks}
    variables = {key for service in SERVICES.values() for key in service["environment"] if "PASSWORD" in key}
    assert variables == {"POSTGRES_PASSWORD_FILE", "RIYL_DATABASE_PASSWORD_FILE"}
