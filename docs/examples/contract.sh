curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -H "Prefer: wait=30" \
  -d '{ "type": "chat",
        "input": { "messages": [ { "role": "user", "content": "Invoice 7: ACME Ltd owes 120.50 EUR for two lamps." } ] },
        "contract": {
          "schema": { "type": "object", "required": [ "customer", "total", "currency" ], "additionalProperties": false,
                      "properties": { "customer": { "type": "string" }, "total": { "type": "number" },
                                      "currency": { "enum": [ "EUR", "USD" ] } } },
          "rules": [ { "rule": "range", "path": "/total", "min": 0, "max": 10000 } ],
          "on_violation": "repair" } }'
