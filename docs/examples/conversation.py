import json
import os
from urllib.request import Request, urlopen


def api(method, path, body=None, headers={}):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", method=method, data=body and json.dumps(body).encode(), headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json", **headers})
    with urlopen(request) as answer:
        return json.loads(answer.read())


talk = api("POST", "conversations", {"title": "Lamps", "instructions": "Answer in one sentence."})
# Each job says only what is new; the model is told the rest.
for question in ["Why does my lamp blink?", "And what do I do about it?"]:
    job = {"type": "chat", "conversation": {"id": talk["id"]}, "input": {"messages": [{"role": "user", "content": question}]}}
    api("POST", "jobs", job, {"Prefer": "wait=30"})
for message in api("GET", f"conversations/{talk['id']}/messages")["data"]:
    print(f"{message['seq']} {message['role']}: {message['content']}")
