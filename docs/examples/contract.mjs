const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/jobs`, {
  method: 'POST',
  headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json', prefer: 'wait=30' },
  body: JSON.stringify({
    type: 'chat',
    input: { messages: [{ role: 'user', content: 'Invoice 7: ACME Ltd owes 120.50 EUR for two lamps.' }] },
    contract: {
      schema: {
        type: 'object',
        required: ['customer', 'total', 'currency'],
        additionalProperties: false,
        properties: { customer: { type: 'string' }, total: { type: 'number' }, currency: { enum: ['EUR', 'USD'] } },
      },
      rules: [{ rule: 'range', path: '/total', min: 0, max: 10000 }],
      on_violation: 'repair',
    },
  }),
});
if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
const job = await answer.json();

// output.json is there when the contract was kept, and only then.
console.log(`${job.output.json.customer} pays ${job.output.json.total} (first pass: ${job.contract.first_pass})`);
