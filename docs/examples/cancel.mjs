const api = async (method, path, body, headers) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};

const { id } = await api('POST', 'jobs', { type: 'chat', input: { messages: [{ role: 'user', content: 'Write a long report.' }] } });
await api('POST', `jobs/${id}/cancel`).catch((refusal) => {
  if (!refusal.message.startsWith('409')) throw refusal; // 409: it has ended already.
});

// What was written before stays readable, and is paid for.
const job = await api('GET', `jobs/${id}?wait=30`);
console.log(`${job.status} at ${job.finished_at}`);
