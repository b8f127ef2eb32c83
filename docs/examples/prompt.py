import json
import os
import uuid
from urllib.request import Request, urlopen


def call(method, path, body, **headers):
    request = Request(os.environ["AIBACKEND_URL"] + path, method=method, data=json.dumps(body).encode(), headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json", **headers})
    with urlopen(request) as answer:
        return json.loads(answer.read())


name = f"summary-{uuid.uuid4()}"

# Version 1, and jobs get it.
call("POST", "/api/v1/prompts", {"name": name, "template": {
    "messages": [{"role": "system", "content": "Answer in {{words}} words."},
                 {"role": "user", "content": "Summarise: {{text}}"}],
    "variables": {"text": {"max_length": 20000}, "words": {"type": "number", "default": 50}}}})
call("PUT", f"/api/v1/prompts/{name}/labels/production", {"version": 1})

prompt = {"name": name, "variables": {"text": "Two lamps for 120.50 EUR."}}
job = call("POST", "/api/v1/jobs", {"type": "chat", "input": {"prompt": prompt}}, Prefer="wait=30")
print(f"{job['served_by']['prompt']}: {job['output']['text']}")
