import json
import os
from urllib.request import Request, urlopen

body = {
    "type": "chat",
    "input": {"messages": [{"role": "user", "content": "Invoice 7: ACME Ltd owes 120.50 EUR for two lamps."}]},
    "contract": {
        "schema": {
            "type": "object", "required": ["customer", "total", "currency"], "additionalProperties": False,
            "properties": {"customer": {"type": "string"}, "total": {"type": "number"}, "currency": {"enum": ["EUR", "USD"]}},
        },
        "rules": [{"rule": "range", "path": "/total", "min": 0, "max": 10000}],
        "on_violation": "repair",
    },
}
request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/jobs", method="POST", data=json.dumps(body).encode(), headers={
    "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json", "Prefer": "wait=30"})
with urlopen(request) as answer:
    job = json.loads(answer.read())

# output.json is there when the contract was kept, and only then.
invoice = job["output"]["json"]
print(f"{invoice['customer']} pays {invoice['total']} (first pass: {job['contract']['first_pass']})")
