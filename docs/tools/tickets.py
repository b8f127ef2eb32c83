# A server of the Model Context Protocol over standard input and output, with one tool. A worker starts it for each call.
import hashlib
import json
import sys

TOOL = {
    "name": "create_ticket",
    "description": "Opens a ticket.",
    "inputSchema": {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}},
}


def create(parameters):
    # A real one keeps the key, so that a repeat finds the ticket of the first call.
    key = parameters["_meta"]["idempotency_key"]
    ticket = "T-" + hashlib.sha256(key.encode()).hexdigest()[:8]
    return {"content": [{"type": "text", "text": f"{ticket}: {parameters['arguments']['title']}"}]}


for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    parameters = request.get("params", {})
    answer = {"jsonrpc": "2.0", "id": request["id"]}
    if request["method"] == "initialize":
        answer["result"] = {
            "protocolVersion": parameters["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "tickets", "version": "1"},
        }
    elif request["method"] == "tools/list":
        answer["result"] = {"tools": [TOOL]}
    elif request["method"] == "tools/call":
        answer["result"] = create(parameters)
    else:
        answer["error"] = {"code": -32601, "message": "There is no such method."}
    print(json.dumps(answer), flush=True)
