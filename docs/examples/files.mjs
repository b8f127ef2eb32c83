const authorization = `Bearer ${process.env.AIBACKEND_KEY}`;
const api = async (path, init = {}) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, { ...init, headers: { authorization, ...init.headers } });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer;
};

const form = new FormData();
form.append('file', new Blob(['month,sold\nMay,17\nJune,23\n']), 'sales.csv');
const file = await (await api('files', { method: 'POST', body: form })).json();

const answer = await api('jobs', {
  method: 'POST',
  headers: { 'content-type': 'application/json', prefer: 'wait=30' },
  body: JSON.stringify({
    type: 'chat',
    attachments: [{ file: file.id }],
    artifact: { name: 'report.md', type: 'text/markdown' },
    input: { messages: [{ role: 'user', content: 'Write a report about these sales.' }] },
  }),
});
const job = await answer.json();

// What the job has made is a file like any other.
const [artifact] = job.artifacts;
const report = await (await api(`files/${artifact.file}/content`)).text();
console.log(`${artifact.name}: ${report}`);
