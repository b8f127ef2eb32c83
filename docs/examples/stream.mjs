import { EventSource } from 'eventsource'; // npm install eventsource: goes on behind the last event by itself when it is cut off

const headers = { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json' };
const jobs = `${process.env.AIBACKEND_URL}/api/v1/jobs`;
const question = { type: 'chat', input: { messages: [{ role: 'user', content: 'Tell me a story.' }] } };
const { id } = await (await fetch(jobs, { method: 'POST', headers, body: JSON.stringify(question) })).json();

let text = '';
const events = new EventSource(`${jobs}/${id}/events`, {
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization: headers.authorization } }),
});
const alive = setInterval(() => {}, 1000); // A program with nothing else to do would end while it waits to connect again.
events.addEventListener('delta', (event) => (text += JSON.parse(event.data).text));
events.addEventListener('snapshot', (event) => (text = JSON.parse(event.data).text));
events.addEventListener('reset', () => (text = '')); // The answer begins anew.
events.addEventListener('error', ({ code, message }) => {
  if (code >= 400 && code < 500 && code !== 429) {
    clearInterval(alive); // It will not come, however often it is asked for.
    events.close();
    console.error(message);
    process.exitCode = 1;
  }
});
events.addEventListener('final', () => {
  events.close();
  clearInterval(alive);
  console.log(text);
});
