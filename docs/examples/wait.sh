curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -H "Prefer: wait=30" \
  -d '{ "type": "chat", "input": { "messages": [ { "role": "user", "content": "Why is the sky blue?" } ] } }'
