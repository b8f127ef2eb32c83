KEYS=$AIBACKEND_URL/api/v1/keys
curl -s "$KEYS" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "name": "web shop", "scopes": ["jobs:read", "jobs:write"], "expires_in_days": 90, "limits": { "requests_per_minute": 600 } }' | tee new-key.json
ID=$(sed -E 's/.*"id":"([^"]+)".*/\1/' new-key.json) # new-key.json has the key itself, in "value", this once.

# Another key that may do the same; the old one is accepted for an hour more.
curl -s -X POST "$KEYS/$ID/roll" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" -d '{ "overlap_seconds": 3600 }' | tee new-key.json
ID=$(sed -E 's/.*"id":"([^"]+)".*/\1/' new-key.json)

# Refused everywhere within 5 s.
curl -s -X DELETE "$KEYS/$ID" -H "Authorization: Bearer $AIBACKEND_KEY"
curl -s "$KEYS/$ID" -H "Authorization: Bearer $AIBACKEND_KEY"
