const api = async (method, path, body, headers) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
};

await api('PUT', 'workflows/invoices', {
  steps: [
    {
      name: 'each',
      type: 'map',
      over: '{{input.documents}}',
      concurrency: 4,
      step: {
        type: 'chat',
        messages: [{ role: 'user', content: 'What does this invoice ask for? {{item}}' }],
        contract: { schema: { type: 'object', required: ['total'], properties: { total: { type: 'number' } } } },
      },
    },
  ],
  output: { totals: '{{steps.each}}' },
});
const documents = ['ACME Ltd: 120.50 EUR', 'Globex: 80 EUR'];
const run = await api('POST', 'workflows/invoices/runs', { input: { documents } }, { prefer: 'wait=60' });

console.log(`${run.status}: ${run.output.text}`);
const steps = await api('GET', `jobs/${run.id}/steps`);
for (const step of steps.data) console.log(`- ${step.name}: ${step.status}`);
