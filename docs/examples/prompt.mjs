async function call(method, path, body, headers = {}) {
  const answer = await fetch(`${process.env.AIBACKEND_URL}${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}
const name = `summary-${crypto.randomUUID()}`;

// Version 1, and jobs get it.
await call('POST', '/api/v1/prompts', {
  name,
  template: {
    messages: [
      { role: 'system', content: 'Answer in {{words}} words.' },
      { role: 'user', content: 'Summarise: {{text}}' },
    ],
    variables: { text: { max_length: 20000 }, words: { type: 'number', default: 50 } },
  },
});
await call('PUT', `/api/v1/prompts/${name}/labels/production`, { version: 1 });

const input = { prompt: { name, variables: { text: 'Two lamps for 120.50 EUR.' } } };
const job = await call('POST', '/api/v1/jobs', { type: 'chat', input }, { prefer: 'wait=30' });
console.log(`${job.served_by.prompt}: ${job.output.text}`);
