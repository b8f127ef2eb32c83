import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

SECRET = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
seen = set()  # Keep it where it survives: a message may come twice.


def is_genuine(headers, body):
    sent_at = headers.get("webhook-timestamp", "")
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    # Several signatures while a secret is rotated; one is enough.
    return sent_at.isdecimal() and abs(time.time() - int(sent_at)) < 300 and any(
        hmac.compare_digest(given.encode(), expected.encode()) for given in headers.get("webhook-signature", "").split(" "))


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not is_genuine(self.headers, body):
            return self.answer(401)
        if self.headers["webhook-id"] not in seen:
            message = json.loads(body)
            print(message["type"], message["data"]["id"], flush=True)
        seen.add(self.headers["webhook-id"])
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()


address = urlsplit(os.environ.get("RECEIVER", "http://localhost:8080"))
HTTPServer((address.hostname, address.port), Receiver).serve_forever()
