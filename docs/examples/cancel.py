import json
import os
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def api(method, path, body=None, headers={}):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", method=method, headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json", **headers})
    with urlopen(request, None if body is None else json.dumps(body).encode()) as answer:
        return json.loads(answer.read() or "null")


job = api("POST", "jobs", {"type": "chat", "input": {"messages": [{"role": "user", "content": "Write a long report."}]}})
try:
    api("POST", f"jobs/{job['id']}/cancel")
except HTTPError as refusal:
    if refusal.code != 409:  # It has ended already.
        raise

# What was written before stays readable, and is paid for.
job = api("GET", f"jobs/{job['id']}?wait=30")
print(f"{job['status']} at {job['finished_at']}")
