talk=$(curl -s "$AIBACKEND_URL/api/v1/conversations" -H "Authorization: Bearer $AIBACKEND_KEY" \
  -H "Content-Type: application/json" -d '{ "title": "Lamps", "instructions": "Answer in one sentence." }' |
  sed 's/^{"id":"\([^"]*\)".*/\1/')
for question in "Why does my lamp blink?" "And what do I do about it?"; do
  curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
    -H "Prefer: wait=30" \
    -d "{ \"type\": \"chat\", \"conversation\": { \"id\": \"$talk\" },
          \"input\": { \"messages\": [ { \"role\": \"user\", \"content\": \"$question\" } ] } }"
done
curl -s "$AIBACKEND_URL/api/v1/conversations/$talk/messages" -H "Authorization: Bearer $AIBACKEND_KEY"
