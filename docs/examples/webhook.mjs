import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks'; // npm install standardwebhooks

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const seen = new Set(); // Keep it where it survives: a message may come twice.

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    // Byte for byte: what is parsed and written again is signed otherwise.
    const message = webhook.verify(Buffer.concat(chunks).toString(), request.headers);
    if (!seen.has(request.headers['webhook-id'])) console.log(message.type, message.data.id);
    seen.add(request.headers['webhook-id']);
    response.writeHead(204).end();
  } catch {
    response.writeHead(401).end();
  }
});
const { hostname, port } = new URL(process.env.RECEIVER ?? 'http://localhost:8080');
server.listen(port, hostname);
