const api = async (method, path, body) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
};

await api('PUT', 'tools/ask_customer', {
  kind: 'client',
  description: 'Asks the customer, and gives the answer.',
  timeout_seconds: 3600,
  parameters: { type: 'object', required: ['question'], properties: { question: { type: 'string' } } },
});
const { id } = await api('POST', 'jobs', {
  type: 'chat',
  input: {
    messages: [{ role: 'user', content: 'Which size does the customer want?' }],
    tools: ['ask_customer'],
    tool_choice: 'required',
  },
});

// The job waits, for as long as timeout_seconds says, and no worker with it.
while ((await api('GET', `jobs/${id}`)).status !== 'waiting_for_tool') {
  await new Promise((later) => setTimeout(later, 500));
}
for (const call of (await api('GET', `jobs/${id}/tool-calls`)).data) {
  console.log(`${call.tool} ${call.arguments}`);
  // A repeat changes nothing. "error" in place of "output" tells the model that there is no result.
  await api('POST', `jobs/${id}/tool-results`, { tool_call_id: call.tool_call_id, output: 'Size 42.' });
}

const job = await api('GET', `jobs/${id}?wait=30`);
console.log(`${job.status}: ${job.output.text}`);
