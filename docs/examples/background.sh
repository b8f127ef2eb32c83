URL=$AIBACKEND_URL/v1/responses
ID=$(curl -s "$URL" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "model": "default", "background": true, "input": "Why is the sky blue?" }' | sed -E 's/^\{"id":"([^"]+)".*/\1/')

# From the begin, and behind a number, today or in three weeks.
curl -sN "$URL/$ID?stream=true" -H "Authorization: Bearer $AIBACKEND_KEY"
curl -sN "$URL/$ID?stream=true&starting_after=8" -H "Authorization: Bearer $AIBACKEND_KEY"
