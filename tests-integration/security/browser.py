"""A small client: raw enough for attacks, with cookies like a browser's."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """One answer."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        return ", ".join(value for key, value in self.fields if key == name)

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


def exchange(port: int, message: bytes, timeout: float = 10.0) -> Answer:
    """Send bytes, read one whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(message)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Answer(int(start.split()[1]), [(name.lower(), value.strip()) for name, _, value in pairs], body)


@dataclass
class Browser:
    """Keeps cookies, and sends what today's browsers send with a request of the same origin."""

    port: int
    host: str = "localhost"
    cookies: dict[str, str] = field(default_factory=dict)
    modern: bool = True

    def send(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"", **options: Any
    ) -> Answer:
        """One request on a connection of its own."""
        fields: dict[str, str] = {"host": self.host, "connection": "close"}
        if self.cookies:
            fields["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method not in {"GET", "HEAD"}:
            fields["content-length"] = str(len(body))
            if self.modern:
                fields |= {"sec-fetch-site": "same-origin", "origin": f"https://{self.host}"}
        fields |= headers or {}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        answer = exchange(self.port, f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body, **options)
        for name, value in answer.fields:
            if name == "set-cookie":
                cookie, _, text = value.partition(";")[0].partition("=")
                if "max-age=0" in value.lower():
                    self.cookies.pop(cookie, None)
                else:
                    self.cookies[cookie] = text
        return answer

    def get(self, target: str, **headers: str) -> Answer:
        """GET; underscores in names of headers are dashes."""
        return self.send("GET", target, {name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, target: str, form: str = "", **headers: str) -> Answer:
        """POST a form."""
        fields = {"content-type": "application/x-www-form-urlencoded"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", target, fields, form.encode())
