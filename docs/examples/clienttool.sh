curl -s -X PUT "$AIBACKEND_URL/api/v1/tools/ask_customer" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "kind": "client", "description": "Asks the customer, and gives the answer.", "timeout_seconds": 3600,
        "parameters": { "type": "object", "required": [ "question" ], "properties": { "question": { "type": "string" } } } }'
JOB=$(curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "type": "chat",
        "input": { "messages": [ { "role": "user", "content": "Which size does the customer want?" } ],
                   "tools": [ "ask_customer" ], "tool_choice": "required" } }' | sed -E 's/^\{"id":"([^"]+)".*/\1/')

# The job waits, for as long as timeout_seconds says, and no worker with it.
until curl -s "$AIBACKEND_URL/api/v1/jobs/$JOB" -H "Authorization: Bearer $AIBACKEND_KEY" | grep -q '"status":"waiting_for_tool"'; do sleep 1; done
CALL=$(curl -s "$AIBACKEND_URL/api/v1/jobs/$JOB/tool-calls" -H "Authorization: Bearer $AIBACKEND_KEY" \
  | sed -E 's/.*"tool_call_id":"([^"]+)".*/\1/')

# A repeat changes nothing. "error" in place of "output" tells the model that there is no result.
curl -s "$AIBACKEND_URL/api/v1/jobs/$JOB/tool-results" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "tool_call_id": "'"$CALL"'", "output": "Size 42." }'
curl -s "$AIBACKEND_URL/api/v1/jobs/$JOB?wait=30" -H "Authorization: Bearer $AIBACKEND_KEY"
