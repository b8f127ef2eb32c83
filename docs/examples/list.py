import json
import os
from urllib.parse import quote
from urllib.request import Request, urlopen


def api(method, path, body=None, headers={}):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", method=method, headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json", **headers})
    with urlopen(request, None if body is None else json.dumps(body).encode()) as answer:
        return json.loads(answer.read() or "null")


# What did not go well, newest first; a minus sign negates. The cursor is where the next page begins.
jobs = "jobs?status=-completed&status=-cancelled&feature=support-summary&limit=50"
path = jobs
while path:
    page = api("GET", path)
    for job in page["data"]:
        print(job["id"], job["status"], job["created_at"])
    path = page["next_cursor"] and f"{jobs}&cursor={quote(page['next_cursor'])}"
