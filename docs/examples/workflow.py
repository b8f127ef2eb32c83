import json
import os
from urllib.request import Request, urlopen


def api(method, path, body=None, headers={}):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", method=method, headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json", **headers})
    with urlopen(request, None if body is None else json.dumps(body).encode()) as answer:
        return json.loads(answer.read())


api("PUT", "workflows/invoices", {
    "steps": [{
        "name": "each", "type": "map", "over": "{{input.documents}}", "concurrency": 4,
        "step": {
            "type": "chat", "messages": [{"role": "user", "content": "What does this invoice ask for? {{item}}"}],
            "contract": {"schema": {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}},
        },
    }],
    "output": {"totals": "{{steps.each}}"},
})
documents = ["ACME Ltd: 120.50 EUR", "Globex: 80 EUR"]
run = api("POST", "workflows/invoices/runs", {"input": {"documents": documents}}, {"Prefer": "wait=60"})

print(f"{run['status']}: {run['output']['text']}")
for step in api("GET", f"jobs/{run['id']}/steps")["data"]:
    print(f"- {step['name']}: {step['status']}")
