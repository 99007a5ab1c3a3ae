"""A hub on loopback in the layout of Hugging Face, and all the ways in which one can be bad."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LINGER = 0.01


@dataclass
class Manners:
    """How the hub behaves; the defaults are good manners.

    `cuts` connections are cut after `cut_after` bytes each, by a reset where `reset`. `status` answers instead of the
    file, for the first `sick` requests or always (-1). `redirects` maps paths to where they are sent. `seconds` are
    waited for after every `cut_after` bytes where nothing is cut. `length` is told instead of the truth, `kind` is the
    Content-Type, `part` shifts what a range answers.
    """

    cuts: int = 0
    cut_after: int = 1 << 62
    reset: bool = False
    ranges: bool = True
    tag: str | None = '"one"'
    status: int = 200
    sick: int = -1
    retry_after: str = ""
    redirects: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0
    length: int | None = None
    kind: str = "application/octet-stream"
    encoding: str = ""
    part: int = 0
    shown_size: int | None = None
    garbage: bool = False


class Hub:
    """Serves `files` by path. `sent` counts bytes of bodies, `asked` remembers each request's path and Range."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.manners = Manners()
        self.sent = 0
        self.asked: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(LINGER,))
        self._thread.start()

    @property
    def host(self) -> str:
        """What `models.local_hosts` has to name."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """Its beginning of every address."""
        return f"http://{self.host}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None: ...

            def do_GET(self) -> None:
                hub.asked.append((self.path, self.headers.get("Range", "")))
                try:
                    hub.answer(self)
                except ConnectionError:
                    self.close_connection = True

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request."""
        manners = self.manners
        if manners.garbage:
            request.wfile.write(b"this is no HTTP\r\n\r\n")
            request.close_connection = True
        elif request.path in manners.redirects:
            self._say(request, 302, {"Location": manners.redirects[request.path]})
        elif manners.status != 200 and manners.sick:
            manners.sick -= 1
            self._say(request, manners.status, {"Retry-After": manners.retry_after})
        elif request.path not in self.files:
            self._say(request, 404, {})
        else:
            self._send(request, self.files[request.path])

    def _say(self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            if value:
                request.send_header(name, value)
        request.end_headers()

    def _send(self, request: BaseHTTPRequestHandler, content: bytes) -> None:
        manners = self.manners
        start = self._start(request, len(content))
        body = content[max(start + manners.part, 0) :] if start else content
        length = len(body) if manners.length is None else manners.length
        request.send_response(206 if start else 200)
        if start:
            size = len(content) if manners.shown_size is None else manners.shown_size
            first = start + manners.part
            request.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        if manners.tag:
            request.send_header("ETag", manners.tag)
        if manners.encoding:
            request.send_header("Content-Encoding", manners.encoding)
        request.send_header("Content-Type", manners.kind)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        self._pour(request, body)
        request.close_connection = True

    def _start(self, request: BaseHTTPRequestHandler, size: int) -> int:
        """Where the answer begins; 0 is all of it."""
        asked = request.headers.get("Range", "")
        same = request.headers.get("If-Range") in (None, self.manners.tag)
        if not (self.manners.ranges and asked and same):
            return 0
        return min(int(asked.removeprefix("bytes=").removesuffix("-")), size)

    def _pour(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        manners = self.manners
        step = max(min(manners.cut_after, 1 << 16), 1)
        for start in range(0, len(body), step):
            left = manners.cut_after - start if manners.cuts else step
            block = body[start : start + min(step, left)]
            if left <= 0:
                manners.cuts -= 1
                if manners.reset:
                    linger = b"\1\0\0\0\0\0\0\0"  # struct linger {on, 0 s}: close sends RST
                    request.connection.setsockopt(1, 13, linger)
                return
            request.wfile.write(block)
            self.sent += len(block)
            if manners.seconds:
                time.sleep(manners.seconds)


@contextmanager
def hub() -> Generator[Hub]:
    """A hub, for as long as it is needed."""
    server = Hub()
    try:
        yield server
    finally:
        server.close()


def catalogue_file(models_dir: Path, server: Hub) -> Path:
    """A catalogue of one's own that names this hub."""
    models_dir.mkdir(parents=True, exist_ok=True)
    file = models_dir / "catalogue.yaml"
    file.write_text(f"hub: {server.url}\n")
    return file
