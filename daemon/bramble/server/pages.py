"""The page and its files, read and compressed once. What is not in `web/` is not served, whatever a path says."""

import gzip
import hashlib
from pathlib import Path

import msgspec
from aiohttp import web

import bramble
from bramble.errors import BrambleError, NotFound

TYPES = {
    ".LICENSE": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
PAGE = ("text/html", "text/*", "*/*")
"""What a client accepts that may be sent the page."""
FOREVER = "private, max-age=31536000, immutable"
"""In browsers alone, which take what they can unpack: a shared cache would have to be told `Vary`, sixty times."""
PLACE = b"{{static}}"
"""Stands in index.html for the folder of the files, whose name changes with their content."""


class File(msgspec.Struct, frozen=True):
    """A file ready to be sent; `small` is empty where compressing gains nothing."""

    kind: str
    plain: bytes
    small: bytes


class PageMissing(BrambleError):
    """The installation is not whole."""

    code = "page_missing"


class Pages:
    """Serves one folder of files from memory. Raises PageMissing where there is no page in it.

    On `ollama_port` / is what Ollama's clients look for.
    """

    def __init__(self, folder: Path, ollama_port: int | str = "none") -> None:
        self._ollama_port = ollama_port
        if not (folder / "index.html").is_file():
            raise PageMissing(f"The page is missing: there is no {folder / 'index.html'}.")
        contents = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self.static = f"/static/{_digest(contents)}"
        page = contents.pop("index.html").replace(PLACE, self.static.encode())
        self._page = _file("index.html", page)
        self._tag = f'"{hashlib.sha256(page).hexdigest()[:16]}"'
        self._files = {
            f"{self.static}/{name}": _file(name, data) for name, data in contents.items()
        }

    def add_to(self, app: web.Application) -> None:
        """Put the routes in."""
        app.router.add_get("/", self.page)
        app.router.add_get("/static/{path:.*}", self.file)

    async def page(self, request: web.Request) -> web.Response:
        """GET /: asked for anew each time, sent only when it changed. Programs that look for Ollama find it."""
        if self._is_for_ollama(request):
            return web.Response(text="Ollama is running", headers={"Vary": "Accept"})
        headers = {"Cache-Control": "no-cache", "ETag": self._tag}
        if self._tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return _send(request, self._page, headers | {"Vary": "Accept, Accept-Encoding"})

    def _is_for_ollama(self, request: web.Request) -> bool:
        """A browser names text/html, curl takes anything; who asks for JSON or plain text alone is a client."""
        port = request.get_extra_info("sockname", ("", 0))[1]
        accepts = request.headers.get("Accept", "*/*")
        return port == self._ollama_port or not any(kind in accepts for kind in PAGE)

    async def file(self, request: web.Request) -> web.Response:
        """GET /static/<hash>/<name>: never changes under this name."""
        file = self._files.get(request.path)
        if file is None:
            raise NotFound("There is no such file.", "Load the page again.")
        headers = {"Cache-Control": FOREVER}
        if file.kind == TYPES[".svg"]:  # opened by itself it is a document
            headers["Content-Security-Policy"] = "default-src 'none'"
        return _send(request, file, headers)


def folder() -> Path:
    """Where the page is: in the package when installed, beside daemon/ in a working copy."""
    package = Path(bramble.__file__).parent
    installed = package / "web"
    return installed if installed.is_dir() else package.parent.parent / "web"


def _digest(contents: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, data in contents.items():
        whole.update(f"{name} {len(data)} ".encode() + data)
    return whole.hexdigest()[:16]


def _file(name: str, data: bytes) -> File:
    small = gzip.compress(data, 9, mtime=0)
    kind = TYPES.get(Path(name).suffix, "application/octet-stream")
    return File(kind, data, small if len(small) < 0.9 * len(data) else b"")


def _send(request: web.Request, file: File, headers: dict[str, str]) -> web.Response:
    headers |= {"Content-Type": file.kind}
    if file.small and "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=file.small, headers=headers | {"Content-Encoding": "gzip"})
    return web.Response(body=file.plain, headers=headers)
