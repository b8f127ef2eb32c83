const api = async (method, path, body, headers) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
};

// The source names the document: the same call puts a newer text in its place.
await api('PUT', 'knowledge/manuals/documents', {
  source: 'lamps.md',
  title: 'Lamp manual',
  text: 'The blue lamp blinks when its filter is full.',
});
const job = await api(
  'POST',
  'jobs',
  {
    type: 'chat',
    retrieve: { collection: 'manuals', limit: 3 },
    input: { messages: [{ role: 'user', content: 'Why does my lamp blink?' }] },
  },
  { prefer: 'wait=30' },
);
console.log(`${job.status}: ${job.output.text}`);
