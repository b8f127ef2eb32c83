JOB=$(curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "type": "chat",
        "input": { "messages": [ { "role": "user", "content": "What does the letter say about the price? \"We ask for 90 EUR.\"" } ] },
        "contract": {
          "schema": { "type": "object", "required": [ "quote" ], "properties": { "quote": { "type": "string" } } },
          "rules": [ { "rule": "cited", "path": "/quote", "severity": "review" } ],
          "review": { "timeout_seconds": 86400, "on_timeout": "reject" } } }' | sed -E 's/^\{"id":"([^"]+)".*/\1/')

# The model's quote is not in the letter, so a person decides. A review is named by the job and the attempt that asked.
until curl -sf "$AIBACKEND_URL/api/v1/reviews/$JOB-1" -H "Authorization: Bearer $AIBACKEND_KEY" > /dev/null; do sleep 1; done

curl -s "$AIBACKEND_URL/api/v1/reviews/$JOB-1/approve" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "version": 1, "text": "{ \"quote\": \"We ask for 90 EUR.\" }", "comment": "Quoted as written." }'
curl -s "$AIBACKEND_URL/api/v1/jobs/$JOB" -H "Authorization: Bearer $AIBACKEND_KEY"
