"""A webhook's other end: an HTTP server that keeps what it gets, and misbehaves on demand."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

Manner = Literal["takes", "fails", "refuses", "moves", "hangs", "trickles"]
_STATUS = {"takes": 200, "fails": 500, "refuses": 404, "moves": 302}


class Receiver:
    """Listens while a `with` block lasts."""

    def __init__(self, path: str = "/chat/CHANNEL/a-secret-path-71c3", *, port: int = 0) -> None:
        """Prepare it."""
        self.path = path
        self.manner: Manner = "takes"
        self.bodies: list[tuple[str, bytes]] = []
        """Path and body of each post, whatever came of it."""
        self.taken: list[dict[str, Any]] = []
        """The posts that it has taken, in order."""
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    @property
    def url(self) -> str:
        """The whole address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.path}"

    @property
    def texts(self) -> list[str]:
        """The texts that it has taken."""
        return [post["text"] for post in self.taken]

    def __enter__(self) -> Self:
        """Start it."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, and all that hangs."""
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.bodies.append((self.path, body))
                receiver._answer(self, body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.manner == "hangs":
            self._over.wait()
            return
        if self.manner == "trickles":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self._over.wait(1):
                try:
                    handler.wfile.write(b"X-More: 1\r\n")
                except OSError:
                    return
            return
        if self.manner == "takes":
            self.taken.append(json.loads(body))
        handler.send_response(_STATUS[self.manner])
        if self.manner == "moves":
            handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
