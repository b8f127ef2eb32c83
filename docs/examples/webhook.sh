# Says what is sent where. The answer has the secret (whsec_…), this once.
curl -s "$AIBACKEND_URL/api/v1/webhooks" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "url": "https://hooks.example.com/ai", "events": ["job.completed", "job.failed"] }' | tee webhook.json
ID=$(sed -E 's/^\{"id":"([^"]+)".*/\1/' webhook.json)

# Sends a message to try it, and shows how that went.
curl -s -X POST "$AIBACKEND_URL/api/v1/webhooks/$ID/test" -H "Authorization: Bearer $AIBACKEND_KEY"
curl -s "$AIBACKEND_URL/api/v1/webhooks/$ID/deliveries" -H "Authorization: Bearer $AIBACKEND_KEY"

curl -s -X DELETE "$AIBACKEND_URL/api/v1/webhooks/$ID" -H "Authorization: Bearer $AIBACKEND_KEY"
