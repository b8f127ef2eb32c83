const api = async (method, path, body, headers) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};

const question = { type: 'chat', input: { messages: [{ role: 'user', content: 'Why is the sky blue?' }] } };
let job = await api('POST', 'jobs', question, { prefer: 'wait=30' });

// 202 instead of 200: it takes longer. Nothing is lost; ask again for as long as you like.
while (!job.finished_at) job = await api('GET', `jobs/${job.id}?wait=30`);

console.log(`${job.status}: ${job.output.text}`);
