"""Ports that a test names before anybody listens there."""

import random
import socket

_PORTS = range(20_000, 32_000)
"""Below those that a system gives to whoever asks for any, and to connections (32768 on)."""


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens, and where nobody comes to by chance."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port is taken")
