// Signs a message as the package of Standard Webhooks does and posts it, twice. Prints the statuses and the last answer as one line of JSON.
import { Webhook } from 'standardwebhooks';

const [address, secret, id, body] = process.argv.slice(2);
const date = new Date();
const headers = {
  'content-type': 'application/json',
  'webhook-id': id,
  'webhook-timestamp': Math.floor(date.getTime() / 1000).toString(),
  'webhook-signature': new Webhook(secret).sign(id, date, body),
};
const statuses = [];
let answer = '';
for (let i = 0; i < 2; i++) {
  const response = await fetch(address, { method: 'POST', headers, body });
  statuses.push(response.status);
  answer = await response.text();
}
console.log(`ANSWER ${JSON.stringify({ statuses, answer })}`);
