import json
import os
from urllib.request import Request, urlopen


def api(method, path, body=None, headers={}):
    request = Request(f"{os.environ['AIBACKEND_URL']}/api/v1/{path}", method=method, headers={
        "Authorization": f"Bearer {os.environ['AIBACKEND_KEY']}", "Content-Type": "application/json", **headers})
    with urlopen(request, None if body is None else json.dumps(body).encode()) as answer:
        return json.loads(answer.read() or "null")


# At most 20 dollars a day for a feature: what is beyond waits until tomorrow, and none of it fails.
wanted = {"scope": "feature", "subject": "tags", "window": "day", "limit_usd": 20, "thresholds": [80, 100]}
budget = api("POST", "budgets", wanted)
print(f"{budget['spent_usd']} of {budget['limit_usd']} US dollars spent")

# Who spent what on which model.
for row in api("GET", "usage?group_by=feature,model")["data"]:
    print(f"{row['feature']} {row['model']}: {row['calls']} calls, {row['cost_usd']} US dollars")

# Without the budget whoever waits for it goes on.
api("DELETE", f"budgets/{budget['id']}")
