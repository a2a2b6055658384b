"""A stand-in for a DataHub server: takes proposals and gives aspects back, over the REST calls that its clients make.

No package registry carries the server (DataHub's `gms` is a container image); this answers what acryl-datahub 1.7 asks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_CONFIG = {
    "models": {},
    "noCode": "true",
    "versions": {"acryldata/datahub": {"version": "v1.7.0", "commit": "x"}},
    "statefulIngestionCapable": True,
    "patchCapable": True,
    "datahub": {"serverType": "quickstart", "serverEnv": "core"},
    "retention": "true",
}
_CLASSES = {"schemaMetadata": "com.linkedin.schema.SchemaMetadata"}


class DatahubServer:
    """What was proposed, by (URN, aspect), and with which token."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.aspects: dict[tuple[str, str], Any] = {}
        self.tokens: set[str] = set()

    def take(self, proposal: dict[str, Any]) -> None:
        """Keep one proposal's aspect."""
        value = json.loads(proposal["aspect"]["value"])
        self.aspects[proposal["entityUrn"], proposal["aspectName"]] = value


@contextmanager
def serve_datahub() -> Iterator[DatahubServer]:
    """Run the stand-in on a free port of the loopback interface."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.state = DatahubServer(f"http://127.0.0.1:{http.server_address[1]}")  # type: ignore[attr-defined]
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield http.state  # type: ignore[attr-defined]
    finally:
        http.shutdown()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if not url.path.startswith("/aspects/"):
            return self._answer(_CONFIG)
        name = parse_qs(url.query)["aspect"][0]
        found = self._state.aspects.get((unquote(url.path.removeprefix("/aspects/")), name))
        if found is None:
            return self._answer({}, 404)
        return self._answer({"aspect": {_CLASSES[name]: found}, "version": 0})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        self._state.tokens.add(self.headers.get("Authorization", ""))
        if "getTimeseriesAspectValues" in self.path:
            return self._answer({"value": {"values": []}})
        for proposal in body.get("proposals", [body["proposal"]] if "proposal" in body else []):
            self._state.take(proposal)
        return self._answer({"value": "urn:li:x", "data": {}})

    @property
    def _state(self) -> DatahubServer:
        return self.server.state  # type: ignore[attr-defined]

    def _answer(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""
