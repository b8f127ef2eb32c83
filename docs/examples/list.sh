# What did not go well, newest first; a minus sign negates. `next_cursor` is where the next page begins.
curl -sG "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" \
  -d status=-completed -d status=-cancelled -d feature=support-summary -d limit=50
