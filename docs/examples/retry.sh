# The key names what is wanted, such as an order's summary: whoever sends it again, however often, gets the same job.
for TRY in 1 2; do
  curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
    -H "Idempotency-Key: summary-of-order-4711" \
    -d '{ "type": "chat", "input": { "messages": [ { "role": "user", "content": "Summarise order 4711." } ] } }' | sed -E 's/^\{"id":"([^"]+)".*/\1/'
  echo
done
