curl -s -X PUT "$AIBACKEND_URL/api/v1/workflows/invoices" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -d '{ "steps": [
          { "name": "each", "type": "map", "over": "{{input.documents}}", "concurrency": 4,
            "step": { "type": "chat", "messages": [ { "role": "user", "content": "What does this invoice ask for? {{item}}" } ],
                      "contract": { "schema": { "type": "object", "required": [ "total" ],
                                                "properties": { "total": { "type": "number" } } } } } } ],
        "output": { "totals": "{{steps.each}}" } }'
curl -s "$AIBACKEND_URL/api/v1/workflows/invoices/runs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -H "Prefer: wait=60" \
  -d '{ "input": { "documents": [ "ACME Ltd: 120.50 EUR", "Globex: 80 EUR" ] } }'
