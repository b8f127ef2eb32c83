# A tool over HTTP. It does what it is asked, once for each Idempotency-Key, and shows what it did: python3 mail.py 9400
import http.server
import json
import sys
import urllib.parse

done = {}


class Mail(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        key = self.headers["Idempotency-Key"]
        arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        # A repeat has the answer of the first call, and no mail is sent again.
        done.setdefault(key, {"number": len(done) + 1, "path": self.path, **arguments})
        self.answer(200, done[key])

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        effect = urllib.parse.parse_qs(address.query).get("effect_id", [""])[0]
        if address.path == "/done":
            self.answer(200, list(done.values()))
        else:
            # verify_url: whether a call whose answer was lost did something.
            self.answer(200, done[effect]) if effect in done else self.answer(404, {})

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Mail).serve_forever()
