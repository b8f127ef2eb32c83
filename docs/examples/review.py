import json
import os
import time
from urllib.request import Request, urlopen


def api(method, path, body=None):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", method=method, headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json"})
    with urlopen(request, None if body is None else json.dumps(body).encode()) as answer:
        return json.loads(answer.read())


job = api("POST", "jobs", {
    "type": "chat",
    "input": {"messages": [{"role": "user", "content": 'What does the letter say about the price? "We ask for 90 EUR."'}]},
    "contract": {
        "schema": {"type": "object", "required": ["quote"], "properties": {"quote": {"type": "string"}}},
        "rules": [{"rule": "cited", "path": "/quote", "severity": "review"}],
        "review": {"timeout_seconds": 86400, "on_timeout": "reject"},
    },
})
while api("GET", f"jobs/{job['id']}")["status"] != "waiting_for_review":
    time.sleep(0.5)

# The model's quote is not in the letter, so a person decides: for the version that was seen, with a text that keeps the contract.
review = api("GET", f"reviews/{job['id']}-1")
print(f"wrong: {review['question']['check']['violations'][0]['rule']}")
review = api("POST", f"reviews/{review['id']}/approve", {
    "version": review["version"], "text": json.dumps({"quote": "We ask for 90 EUR."}), "comment": "Quoted as written."})

job = api("GET", f"jobs/{job['id']}")
print(f"{review['decision']['kind']}: {job['output']['text']}")
