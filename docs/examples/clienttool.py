import json
import os
import time
from urllib.request import Request, urlopen


def api(method, path, body=None):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", method=method, headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json"})
    with urlopen(request, None if body is None else json.dumps(body).encode()) as answer:
        return json.loads(answer.read())


api("PUT", "tools/ask_customer", {
    "kind": "client", "description": "Asks the customer, and gives the answer.", "timeout_seconds": 3600,
    "parameters": {"type": "object", "required": ["question"], "properties": {"question": {"type": "string"}}},
})
job = api("POST", "jobs", {
    "type": "chat",
    "input": {"messages": [{"role": "user", "content": "Which size does the customer want?"}],
              "tools": ["ask_customer"], "tool_choice": "required"},
})

# The job waits, for as long as timeout_seconds says, and no worker with it.
while api("GET", f"jobs/{job['id']}")["status"] != "waiting_for_tool":
    time.sleep(0.5)
for call in api("GET", f"jobs/{job['id']}/tool-calls")["data"]:
    print(f"{call['tool']} {call['arguments']}")
    # A repeat changes nothing. "error" in place of "output" tells the model that there is no result.
    api("POST", f"jobs/{job['id']}/tool-results", {"tool_call_id": call["tool_call_id"], "output": "Size 42."})

job = api("GET", f"jobs/{job['id']}?wait=30")
print(f"{job['status']}: {job['output']['text']}")
