ID=$(curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "type": "chat", "input": { "messages": [ { "role": "user", "content": "Tell me a story." } ] } }' | sed -E 's/^\{"id":"([^"]+)".*/\1/')

# To its end. Every event has a number; a reader that was cut off goes on behind the last one that it saw.
curl -sN "$AIBACKEND_URL/api/v1/jobs/$ID/events" -H "Authorization: Bearer $AIBACKEND_KEY"
curl -sN "$AIBACKEND_URL/api/v1/jobs/$ID/events" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Last-Event-ID: 3"
