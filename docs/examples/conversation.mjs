const api = async (method, path, body, headers) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
};

const talk = await api('POST', 'conversations', { title: 'Lamps', instructions: 'Answer in one sentence.' });
// Each job says only what is new; the model is told the rest.
for (const content of ['Why does my lamp blink?', 'And what do I do about it?']) {
  const job = { type: 'chat', conversation: { id: talk.id }, input: { messages: [{ role: 'user', content }] } };
  await api('POST', 'jobs', job, { prefer: 'wait=30' });
}
const messages = await api('GET', `conversations/${talk.id}/messages`);
for (const { seq, role, content } of messages.data) console.log(`${seq} ${role}: ${content}`);
