# At most 20 dollars a day for a feature: what is beyond waits until tomorrow, and none of it fails.
ID=$(curl -s "$AIBACKEND_URL/api/v1/budgets" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "scope": "feature", "subject": "summaries", "window": "day", "limit_usd": 20, "thresholds": [80, 100] }' | sed -E 's/^\{"id":"([^"]+)".*/\1/')
curl -s "$AIBACKEND_URL/api/v1/budgets/$ID" -H "Authorization: Bearer $AIBACKEND_KEY"

# Who spent what on which model.
curl -sG "$AIBACKEND_URL/api/v1/usage" -H "Authorization: Bearer $AIBACKEND_KEY" -d group_by=feature,model

# Without the budget whoever waits for it goes on.
curl -s -X DELETE "$AIBACKEND_URL/api/v1/budgets/$ID" -H "Authorization: Bearer $AIBACKEND_KEY"
