// Follows a job with the event source of npm, which reconnects by itself as browsers do. Prints one line of JSON per event,
// CONNECTED for every connection, and CLOSED with the status that told it to stay away.
import { EventSource } from 'eventsource';

const [address, key, jobId] = process.argv.slice(2);
const types = ['state', 'delta', 'snapshot', 'reset', 'usage', 'notice', 'final'];
const source = new EventSource(`${address}api/v1/jobs/${jobId}/events?after=0`, {
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${key}` } }),
});

for (const type of types) {
  source.addEventListener(type, (event) => console.log(JSON.stringify({ seq: Number(event.lastEventId), event: type, data: JSON.parse(event.data) })));
}

// The source's own timer does not keep the process alive until it reconnects.
const alive = setInterval(() => {}, 1000);
source.addEventListener('open', () => console.log('CONNECTED'));
source.addEventListener('error', (event) => {
  if (source.readyState === EventSource.CLOSED) {
    console.log(`CLOSED ${event.code}`);
    clearInterval(alive);
  }
});
