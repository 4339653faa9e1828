"""Settings of a service behind reverse proxies; tests of the others are in test_settings."""

from __future__ import annotations

import pytest

from riyl.core.settings import load_settings
from tests.core.test_settings import refusal


def test_proxies_and_the_prefix_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (load_settings().root_path, load_settings().trusted_proxies) == ("", ())
    monkeypatch.setenv("RIYL_TRUSTED_PROXIES", "10.0.0.7, 10.1.0.0/16 ,fd00::/8")
    monkeypatch.setenv("RIYL_ROOT_PATH", "/music/riyl_2.0/")
    settings = load_settings()
    assert settings.trusted_proxies == ("10.0.0.7", "10.1.0.0/16", "fd00::/8")
    assert settings.root_path == "/music/riyl_2.0"
    monkeypatch.setenv("RIYL_ROOT_PATH", "/")
    assert load_settings().root_path == ""


@pytest.mark.parametrize("value", ["proxy.example", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.1,,10.0.0.2", "*", "::g"])
def test_what_is_no_proxy_is_told_what_is_wanted(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    message = refusal(monkeypatch, RIYL_TRUSTED_PROXIES=value)
    assert message.startswith("RIYL_TRUSTED_PROXIES: wanted addresses or networks such as 10.0.0.7, 10.1.0.0/16 or ")
    assert message.endswith(f"(found {value!r})")


@pytest.mark.parametrize("value", ["music", "//x", "/a//b", "/a/../b", "/a b", "/a?b", "http://x", "/" + "a" * 200])
def test_what_is_no_prefix_is_told_what_is_wanted(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    message = refusal(monkeypatch, RIYL_ROOT_PATH=value)
    assert message.startswith("RIYL_ROOT_PATH: wanted a path such as /music, of at most 200 letters")
