// Takes webhooks as the package of Standard Webhooks says, and answers them with the given statuses, one after another; the last one
// stays. Prints one line of JSON for each request.
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

const [secret, ...statuses] = process.argv.slice(2);
const webhook = new Webhook(secret);

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString();
    let error = null;
    try {
      webhook.verify(body, request.headers);
    } catch (failure) {
      error = failure.message;
    }
    const status = Number(statuses.length > 1 ? statuses.shift() : statuses[0]);
    console.log(JSON.stringify({ error, status, path: request.url, id: request.headers['webhook-id'], message: body }));
    response.writeHead(status, { location: '/elsewhere', ...(status === 503 && { 'retry-after': '3600' }) }).end('secret words of the receiver');
  });
});
server.listen(0, '127.0.0.1', () => console.log(`READY http://127.0.0.1:${server.address().port}/`));
