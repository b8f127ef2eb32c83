curl -s -X PUT "$AIBACKEND_URL/api/v1/knowledge/manuals/documents" -H "Authorization: Bearer $AIBACKEND_KEY" \
  -H "Content-Type: application/json" \
  -d '{ "source": "lamps.md", "title": "Lamp manual", "text": "The blue lamp blinks when its filter is full." }'
curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -H "Prefer: wait=30" \
  -d '{ "type": "chat", "retrieve": { "collection": "manuals", "limit": 3 },
        "input": { "messages": [ { "role": "user", "content": "Why does my lamp blink?" } ] } }'
