import json
import os
from urllib.request import Request, urlopen

url = os.environ["AIBACKEND_URL"]
headers = {"Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json"}
body = {
    "type": "chat",
    "max_tool_calls": 5,
    "input": {"messages": [{"role": "user", "content": "Which day is it?"}], "tools": ["current_time"], "tool_choice": "required"},
}
request = Request(f"{url}/api/v1/jobs", method="POST", data=json.dumps(body).encode(), headers={**headers, "Prefer": "wait=30"})
with urlopen(request) as answer:
    job = json.loads(answer.read())
print(job["status"])

with urlopen(Request(f"{url}/api/v1/jobs/{job['id']}/tool-calls", headers=headers)) as answer:
    for call in json.loads(answer.read())["data"]:
        print(f"{call['tool']}: {call['state']}, {call['result']}")
