// A server of the Model Context Protocol over standard input and output. It writes each call down in a file, by the effect id that it carries, and answers
// none while there is a file "hold" beside it. It ends with whoever started it.
import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const folder = process.env.RECEIVER_FOLDER;
const say = (id, rest) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, ...rest }) + '\n');

const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) {
    return;
  }
  if (method === 'initialize') {
    const serverInfo = { name: 'receiver', version: '1' };
    say(id, { result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo } });
  } else if (method === 'tools/list') {
    say(id, { result: { tools: [] } });
  } else if (method === 'tools/call') {
    appendFileSync(join(folder, 'calls'), `${params._meta.idempotency_key} ${params.name}\n`);
    while (existsSync(join(folder, 'hold'))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    say(id, { result: { content: [{ type: 'text', text: 'done' }] } });
  } else {
    say(id, { error: { code: -32601, message: 'There is no such method.' } });
  }
});
lines.on('close', () => process.exit(0));
