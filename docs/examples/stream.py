import json
import os
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

jobs = f"{os.environ['AIBACKEND_URL']}/api/v1/jobs"
headers = {"Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json"}
question = {"type": "chat", "input": {"messages": [{"role": "user", "content": "Tell me a story."}]}}
with urlopen(Request(jobs, json.dumps(question).encode(), headers)) as answer:
    job = json.load(answer)

text, last, ended = "", "0", False
while not ended:
    try:
        with urlopen(Request(f"{jobs}/{job['id']}/events", headers={**headers, "Last-Event-ID": last}), timeout=60) as events:
            event = {}
            for line in events:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    event[name] = value
                    continue
                if "data" in event:  # An empty line ends an event.
                    data, last, ended = json.loads(event["data"]), event["id"], event["event"] == "final"
                    if event["event"] == "delta":
                        text += data["text"]
                    elif event["event"] == "snapshot":
                        text = data["text"]
                    elif event["event"] == "reset":
                        text = ""  # The answer begins anew.
                event = {}
    except HTTPError as refusal:
        if refusal.code != 429 and refusal.code < 500:
            raise
        time.sleep(1)
    except (OSError, HTTPException):
        time.sleep(1)  # Then go on behind the last event that was seen.

print(text)
