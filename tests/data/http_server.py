"""A small HTTP server of a test's own: ranges, cut connections, errors, ETags."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Served:
    """One file of the server and how it behaves."""

    content: bytes
    ranges: bool = True
    etag: str | None = '"v1"'
    #: Cut the connection after so many bytes, once for each entry.
    cuts: list[int] = field(default_factory=list)
    #: Answer so many times with this status before anything else.
    failures: list[int] = field(default_factory=list)
    length: bool = True


@dataclass
class Server:
    base: str
    files: dict[str, Served]
    #: Every request: path with query, and its Range header.
    requests: list[tuple[str, str | None]]


@contextmanager
def serve(files: dict[str, Served]) -> Iterator[Server]:
    requests: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            requests.append((self.path, self.headers.get("Range")))
            served = files.get(urlsplit(self.path).path)
            if served is None:
                self.send_error(404)
                return
            if served.failures:
                self.send_error(served.failures.pop(0))
                return
            start, status = 0, 200
            wanted = self.headers.get("Range")
            valid = self.headers.get("If-Range") in (None, served.etag)
            if wanted and served.ranges and valid:
                start = int(wanted.removeprefix("bytes=").split("-")[0])
                if start >= len(served.content):
                    self.send_error(416)
                    return
                status = 206
            body = served.content[start:]
            self.send_response(status)
            if served.length:
                self.send_header("Content-Length", str(len(body)))
            else:
                self.send_header("Connection", "close")
                self.close_connection = True
            if served.etag:
                self.send_header("ETag", served.etag)
            if status == 206:
                end = len(served.content) - 1
                self.send_header("Content-Range", f"bytes {start}-{end}/{len(served.content)}")
            self.end_headers()
            if served.cuts:
                self.wfile.write(body[: served.cuts.pop(0)])
                self.close_connection = True
                return
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{httpd.server_port}", files, requests)
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
