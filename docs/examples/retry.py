import json
import os
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def submit():
    """The key names what is wanted, such as an order's summary: whoever sends it again, however often, gets the same job."""
    body = {"type": "chat", "input": {"messages": [{"role": "user", "content": "Summarise order 4711."}]}}
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/jobs", json.dumps(body).encode(), {
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}",
        "Content-Type": "application/json",
        "Idempotency-Key": "summary-of-order-4711",
    })
    for seconds in (1, 2, 4, 8, 16, 32):
        try:
            with urlopen(request) as answer:
                return json.load(answer)["id"]
        except HTTPError as refusal:
            if refusal.code != 429 and refusal.code < 500:
                raise
        except (OSError, HTTPException):
            pass  # Nobody knows whether it arrived; with the key it does not matter.
        time.sleep(seconds)
    raise TimeoutError("No answer for a minute.")


print(submit())
print(submit())
