"""A service to charge: 422 for bad amounts, 503 for the first request with a key, then 200.

Writes its port to standard output, and "KEY STATUS" for each request to the file it is given.
"""
import http.server
import json
import sys

seen = set()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        charge = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        if charge["amount"] < 0:
            self.answer(key, 422, {"error": "bad amount"})
        elif key not in seen:
            seen.add(key)
            self.answer(key, 503, {"error": "busy"})
        else:
            self.answer(key, 200, {"charged": charge})

    def answer(self, key, status, body):
        with open(sys.argv[1], "a") as log:
            print(key, status, file=log)
        data = json.dumps(body).encode()
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
