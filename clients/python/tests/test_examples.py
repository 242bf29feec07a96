"""The examples, run as a user would run them."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import EXAMPLES, eventually, program
from test_worker import activity_failure

from durable import WorkflowFailed


@pytest.fixture
def example(db, conninfo):
    """Loads the SQL of an example and gives the command line of its worker."""

    def load(name, *arguments):
        db.execute((EXAMPLES / f"{name}.sql").read_text())
        return program(str(EXAMPLES / f"{name}.py"), conninfo, *arguments)

    return load


class StockService(BaseHTTPRequestHandler):
    """Refuses unknown articles, and is overloaded at its first request."""

    requests: list[tuple[str, str]] = []

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append((order["sku"], self.headers["Idempotency-Key"]))
        if order["sku"] == "unicorn":
            self.answer(422, {"error": "no such article"})
        elif len(self.requests) == 1:
            self.answer(503, {"error": "overloaded"}, {"Retry-After": "2"})
        else:
            self.answer(201, {"reserved": order["quantity"]})

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


def test_http_call(example, client):
    service = ThreadingHTTPServer(("127.0.0.1", 0), StockService)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    with example("reserve_stock", f"http://127.0.0.1:{service.server_port}"):
        client.start("order_stock", {"sku": "chair", "quantity": 4}, id="chairs")
        began = time.monotonic()
        assert client.result("chairs", 15) == {"reserved": 4}
        assert time.monotonic() - began > 1.9  # as long as it was asked to wait
        client.start("order_stock", {"sku": "unicorn", "quantity": 1}, id="unicorns")
        with pytest.raises(WorkflowFailed) as refused:
            client.result("unicorns", 10)
    service.shutdown()
    failure = activity_failure(refused.value.failure)
    assert failure["type"] == "RequestRefused"
    assert failure["details"] == {"status": 422, "body": '{"error": "no such article"}'}
    (first, second, last) = StockService.requests
    assert first == second  # one key for both attempts
    assert last[0] == "unicorn" and last[1] != first[1]


class MailServer:
    """As much of SMTP as a test needs."""

    def __init__(self, port):
        self.mails = []
        self.socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            with connection, connection.makefile("rwb") as stream:
                self.talk(stream)

    def talk(self, stream):
        def say(line):
            stream.write(line + b"\r\n")
            stream.flush()

        say(b"220 test")
        for line in stream:
            verb = line.split(None, 1)[0].upper()
            if verb == b"DATA":
                say(b"354 go on")
                mail = b"".join(iter(stream.readline, b".\r\n"))
                self.mails.append(mail.decode())
            say(b"221 bye" if verb == b"QUIT" else b"250 ok")


def test_email(example, client):
    port = socket.create_server(("127.0.0.1", 0)).getsockname()[1]  # nobody listens there yet
    with example("welcome_mail", "127.0.0.1", str(port)):
        client.start("welcome", {"name": "Ada", "address": "ada@example.com"}, id="ada")
        client.start("welcome", {"name": "Bob", "address": "bob"}, id="bob")
        with pytest.raises(WorkflowFailed) as invalid:
            client.result("bob", 10)
        failure = activity_failure(invalid.value.failure)
        assert failure["type"] == "InvalidEmailError"
        assert failure["attempt"] == 1
        server = MailServer(port)  # now; the next attempt will find it
        message_id = client.result("ada", 15)["message_id"]
    (mail,) = server.mails
    assert "To: ada@example.com" in mail and f"Message-ID: {message_id}" in mail


def test_import_of_a_million_rows(example, client, db, conninfo, tmp_path):
    """The worker is killed again and again, at no particular moments; every row is there once."""
    rows = 1_000_000
    path = tmp_path / "readings.csv"
    path.write_text("".join(f"{n},{n % 97}\n" for n in range(rows)))
    with example("import_file"):
        client.start("import_readings", {"path": str(path)}, id="readings")
        eventually(lambda: imported(db) > 0)
    kills = [imported(db)]
    for _ in range(2):
        with program(str(EXAMPLES / "import_file.py"), conninfo):
            eventually(lambda: imported(db) > kills[-1])
            time.sleep(random.uniform(0, 0.2))
        kills.append(imported(db))
    with program(str(EXAMPLES / "import_file.py"), conninfo):
        assert client.result("readings", 30) == {"rows": rows}
    assert 0 < kills[0] < kills[1]
    counted = db.execute("SELECT count(*), count(DISTINCT sensor) FROM reading").fetchone()
    assert counted == (rows, rows)


def imported(db):
    return db.execute("SELECT count(*) FROM reading").fetchone()[0]
