import json
import os
from urllib.request import Request, urlopen


def api(path, data=None, headers={}):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", data=data, headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", **headers})
    with urlopen(request) as answer:
        return answer.read()


form = ('--part\r\nContent-Disposition: form-data; name="file"; filename="sales.csv"\r\n\r\n'
        'month,sold\nMay,17\nJune,23\n\r\n--part--\r\n')
file = json.loads(api("files", form.encode(), {"Content-Type": "multipart/form-data; boundary=part"}))

question = {"type": "chat", "attachments": [{"file": file["id"]}], "artifact": {"name": "report.md", "type": "text/markdown"},
            "input": {"messages": [{"role": "user", "content": "Write a report about these sales."}]}}
job = json.loads(api("jobs", json.dumps(question).encode(), {"Content-Type": "application/json", "Prefer": "wait=30"}))

# What the job has made is a file like any other.
artifact = job["artifacts"][0]
report = api(f"files/{artifact['file']}/content").decode()
print(f"{artifact['name']}: {report}")
