"""A TLS front before a service, for clients whose scheme or host is fixed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TLS_ADDRESS = "127.0.0.53"
"""Address of the TLS front: a loopback address whose port 443 no other service of the machine has."""

NGINX = """
daemon off;
worker_processes 1;
error_log stderr;
pid {folder}/nginx.pid;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {address}:443 ssl;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    location / {{
      proxy_pass {upstream};
      proxy_set_header Host $host;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class TlsFront:
    """A TLS front.

    Attributes:
        address: IP address that listens on port 443.
        certificate: file that clients must trust.
        names: hosts of the certificate.
    """

    address: str
    certificate: Path
    names: tuple[str, ...]


@contextlib.contextmanager
def tls_front(upstream: str, folder: Path, *names: str, address: str = TLS_ADDRESS) -> Iterator[TlsFront]:
    """Run nginx with a certificate for some hosts before a service; tests that run at once need addresses of their own.

    Skips the test where the machine has no nginx or openssl, or its user may not listen on port 443.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None or shutil.which("openssl") is None:
        pytest.skip("found no nginx or no openssl (Debian: apt-get install nginx-light openssl)")
    if os.geteuid() != 0:
        pytest.skip("found a user other than root, who may not listen on port 443")
    certificate = folder / "cert.pem"
    hosts = ",".join([f"IP:{address}", *(f"DNS:{name}" for name in names)])
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=riyl test", "-addext", f"subjectAltName={hosts}"),
            *("-keyout", folder / "key.pem", "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, address=address, upstream=upstream))
    process = subprocess.Popen([nginx, "-c", config, "-p", folder], stderr=subprocess.PIPE)
    try:
        _wait_for(address, certificate, process)
        yield TlsFront(address, certificate, names)
    finally:
        process.terminate()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _wait_for(address: str, certificate: Path, process: subprocess.Popen[bytes]) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    for _ in range(200):
        with (
            contextlib.suppress(ConnectionRefusedError),
            socket.create_connection((address, 443), timeout=5) as connection,
            context.wrap_socket(connection, server_hostname=address),
        ):
            return
        if process.poll() is not None:
            printed = b"" if process.stderr is None else process.stderr.read()
            raise RuntimeError(f"nginx ended with {process.returncode}: {printed.decode()}")
        time.sleep(0.02)
    raise TimeoutError("nginx does not listen")
