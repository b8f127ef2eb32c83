curl -s "$AIBACKEND_URL/v1/chat/completions" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "model": "default", "messages": [ { "role": "user", "content": "Why is the sky blue?" } ] }'
