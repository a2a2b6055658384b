"""Listens to the loopback as anybody with the right to could: what passes a server's port in clear."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Collection
from types import TracebackType

_ALL_PROTOCOLS, _IPV4, _IPV6, _TCP = 0x0003, 0x0800, 0x86DD, 6
_IPV6_HEADER = 40
_BUFFER_BYTES = 256 << 20
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h: a buffer beyond the usual limit


class Wiretap:
    """Keeps the TCP payloads of some ports, by port. Needs the right to open raw sockets, as root has it."""

    def __init__(self, ports: Collection[int]) -> None:
        self.payloads: dict[int, list[bytes]] = {port: [] for port in ports}
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PROTOCOLS))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.2)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Wiretap:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()
        self._socket.close()

    def carried(self, port: int, text: bytes) -> bool:
        """Whether a port's traffic has the text in clear; a text that two packets share is not seen."""
        return any(text in payload for payload in self.payloads[port])

    def _listen(self) -> None:
        while True:
            try:
                packet, (_, protocol, *_) = self._socket.recvfrom(1 << 17)
            except TimeoutError:
                if self._end.is_set():
                    return
                continue
            self._keep(packet, protocol)

    def _keep(self, packet: bytes, protocol: int) -> None:
        if protocol == _IPV4 and packet[9] == _TCP:
            segment = packet[(packet[0] & 15) * 4 :]
        elif protocol == _IPV6 and packet[6] == _TCP:
            segment = packet[_IPV6_HEADER:]
        else:
            return
        for port in struct.unpack("!HH", segment[:4]):
            if port in self.payloads:
                self.payloads[port].append(segment[(segment[12] >> 4) * 4 :])
