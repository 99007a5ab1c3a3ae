"""One GET request for a file: follows redirects, each checked, and speaks only to the addresses that were checked."""

import http.client
import socket
import ssl
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin

from bramble import __version__
from bramble.errors import ModelUnavailable
from bramble.models import reach
from bramble.models.reach import Target

CONNECT_SECONDS = 15.0
READ_SECONDS = 30.0
REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_OURS = {"User-Agent": f"bramble/{__version__}", "Accept-Encoding": "identity", "Accept": "*/*"}


class Broken(Exception):
    """This connection is over; another one may bring more. Its text says why, `wait` in seconds when to try again."""

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


class Answer:
    """What a server answered. `origin` is who, after all redirects."""

    def __init__(self, response: http.client.HTTPResponse, origin: str) -> None:
        self._response, self.origin = response, origin
        self.status = response.status

    def header(self, name: str) -> str:
        """A header's value, empty where it is absent."""
        return (self._response.getheader(name) or "").strip()

    def read(self, most: int) -> bytes:
        """The next bytes of the body as they come, empty at its end. Raises Broken."""
        with _told():
            return self._response.read1(most)


@contextmanager
def get(url: str, headers: Mapping[str, str], local_hosts: Collection[str]) -> Generator[Answer]:
    """Ask for `url`. Raises Broken where the connection fails, ModelUnavailable where it must not be made."""
    target = reach.parse(url, local_hosts)
    for _ in range(REDIRECTS + 1):
        with _told():
            connection = _connection(target)
        try:
            with _told():
                all_headers = {"Host": target.origin, **_OURS, **headers}
                connection.request("GET", target.path, headers=all_headers)
                response = connection.getresponse()
            with response:
                location = response.getheader("Location")
                if response.status not in _MOVED or not location:
                    yield Answer(response, target.origin)
                    return
        finally:
            connection.close()
        url = urljoin(url, location)
        target = reach.parse(url, local_hosts)
    raise ModelUnavailable(f"{target.origin} sends from one address to the next without an end.")


def _connection(target: Target) -> http.client.HTTPConnection:
    """A connection whose socket is made already, to an address that may be spoken to."""
    plain = _connect(target)
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.auto_open = 0
    try:
        if target.scheme == "https":
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(plain, server_hostname=target.host)
        else:
            connection.sock = plain
        connection.sock.settimeout(READ_SECONDS)
    except BaseException:
        plain.close()
        raise
    return connection


def _connect(target: Target) -> socket.socket:
    failure: OSError = ConnectionError("it has no address")
    for address in reach.addresses(target):
        try:
            return socket.create_connection((address, target.port), CONNECT_SECONDS)
        except OSError as error:
            failure = error
    raise failure


@contextmanager
def _told() -> Generator[None]:
    """Whatever breaks a connection, in words."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise ModelUnavailable(
            f"The server does not prove who it is: {error.verify_message}.",
            "Is this machine's clock right? Does this network want a sign-in on a web page first?",
        ) from error
    except TimeoutError as error:
        raise Broken("the server says nothing") from error
    except socket.gaierror as error:
        raise Broken(f"its name cannot be found ({error.strerror})") from error
    except OSError as error:
        raise Broken(f"the connection failed ({error.strerror or error})") from error
    except (http.client.HTTPException, ValueError) as error:
        raise Broken(f"the answer is no proper HTTP ({type(error).__name__})") from error
