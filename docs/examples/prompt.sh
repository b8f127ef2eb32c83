NAME="summary-$(date +%s%N)"
# Version 1, and jobs get it.
curl -s "$AIBACKEND_URL/api/v1/prompts" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "name": "'"$NAME"'",
        "template": {
          "messages": [ { "role": "system", "content": "Answer in {{words}} words." },
                        { "role": "user", "content": "Summarise: {{text}}" } ],
          "variables": { "text": { "max_length": 20000 }, "words": { "type": "number", "default": 50 } } } }'
curl -s -X PUT "$AIBACKEND_URL/api/v1/prompts/$NAME/labels/production" -H "Authorization: Bearer $AIBACKEND_KEY" \
  -H "Content-Type: application/json" -d '{ "version": 1 }'
# The job shows its version as served_by.prompt.
curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" -H "Prefer: wait=30" \
  -d '{ "type": "chat", "input": { "prompt": { "name": "'"$NAME"'", "variables": { "text": "Two lamps for 120.50 EUR." } } } }'
