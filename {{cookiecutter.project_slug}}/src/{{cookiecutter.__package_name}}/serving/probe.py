"""For HEALTHCHECK: exits with 0 when the service of this container is ready.

Run as a file, `python -IS probe.py`, so that a check every few seconds only costs a
socket, not an import of the service.
"""

import os
import socket
import sys

TIMEOUT_S = 2.0
REQUEST = (
    b"GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
)


def is_ready(port: int) -> bool:
    try:
        with socket.create_connection(("localhost", port), TIMEOUT_S) as connection:
            connection.sendall(REQUEST)
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


if __name__ == "__main__":
    port = os.environ.get("ML_PORT") or os.environ.get("PORT") or "8080"
    sys.exit(not is_ready(int(port)))
