ID=$(curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "type": "chat", "input": { "messages": [ { "role": "user", "content": "Write a long report." } ] } }' | sed -E 's/^\{"id":"([^"]+)".*/\1/')

curl -s -X POST "$AIBACKEND_URL/api/v1/jobs/$ID/cancel" -H "Authorization: Bearer $AIBACKEND_KEY"
curl -s "$AIBACKEND_URL/api/v1/jobs/$ID?wait=30" -H "Authorization: Bearer $AIBACKEND_KEY"
