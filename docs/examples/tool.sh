ID=$(curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -H "Prefer: wait=30" \
  -d '{ "type": "chat", "max_tool_calls": 5,
        "input": { "messages": [ { "role": "user", "content": "Which day is it?" } ],
                   "tools": [ "current_time" ], "tool_choice": "required" } }' | sed -E 's/^\{"id":"([^"]+)".*/\1/')

curl -s "$AIBACKEND_URL/api/v1/jobs/$ID/tool-calls" -H "Authorization: Bearer $AIBACKEND_KEY"
