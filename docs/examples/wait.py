import json
import os
from urllib.request import Request, urlopen


def api(method, path, body=None, headers={}):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", method=method, headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json", **headers})
    with urlopen(request, None if body is None else json.dumps(body).encode()) as answer:
        return json.loads(answer.read() or "null")


question = {"type": "chat", "input": {"messages": [{"role": "user", "content": "Why is the sky blue?"}]}}
job = api("POST", "jobs", question, {"Prefer": "wait=30"})

# 202 instead of 200: it takes longer. Nothing is lost; ask again for as long as you like.
while not job["finished_at"]:
    job = api("GET", f"jobs/{job['id']}?wait=30")

print(f"{job['status']}: {job['output']['text']}")
