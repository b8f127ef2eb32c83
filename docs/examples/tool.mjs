const headers = { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json' };
const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/jobs`, {
  method: 'POST',
  headers: { ...headers, prefer: 'wait=30' },
  body: JSON.stringify({
    type: 'chat',
    max_tool_calls: 5,
    input: { messages: [{ role: 'user', content: 'Which day is it?' }], tools: ['current_time'], tool_choice: 'required' },
  }),
});
if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
const job = await answer.json();
console.log(job.status);

const calls = await fetch(`${process.env.AIBACKEND_URL}/api/v1/jobs/${job.id}/tool-calls`, { headers });
for (const call of (await calls.json()).data) console.log(`${call.tool}: ${call.state}, ${call.result}`);
