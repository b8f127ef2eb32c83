import json
import os
from urllib.request import Request, urlopen


def api(method, path, body, headers={}):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", method=method, data=json.dumps(body).encode(), headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json", **headers})
    with urlopen(request) as answer:
        return json.loads(answer.read())


# The source names the document: the same call puts a newer text in its place.
api("PUT", "knowledge/manuals/documents", {
    "source": "lamps.md", "title": "Lamp manual", "text": "The blue lamp blinks when its filter is full."})
question = {"type": "chat", "retrieve": {"collection": "manuals", "limit": 3},
            "input": {"messages": [{"role": "user", "content": "Why does my lamp blink?"}]}}
job = api("POST", "jobs", question, {"Prefer": "wait=30"})
print(f"{job['status']}: {job['output']['text']}")
