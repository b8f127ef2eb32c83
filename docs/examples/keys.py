import json
import os
from urllib.request import Request, urlopen


def api(method, path, body=None, headers={}):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", method=method, headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json", **headers})
    with urlopen(request, None if body is None else json.dumps(body).encode()) as answer:
        return json.loads(answer.read() or "null")


wanted = {"name": "web shop", "scopes": ["jobs:read", "jobs:write"], "expires_in_days": 90, "limits": {"requests_per_minute": 600}}
key = api("POST", "keys", wanted)
print(f"Keep it, it is shown this once: {key['value']}")

# Another key that may do the same; the old one is accepted for an hour more.
new = api("POST", f"keys/{key['id']}/roll", {"overlap_seconds": 3600})

# Refused everywhere within 5 s.
api("DELETE", f"keys/{new['id']}")
now = api("GET", f"keys/{new['id']}")
print(f"{now['id']} is {now['status']}")
