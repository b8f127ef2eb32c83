// The reference server of the Model Context Protocol over HTTP, on a free port. Its package has every feature for clients to try.
import { createServer } from 'node:net';

const free = createServer();
await new Promise((resolve) => free.listen(0, '127.0.0.1', resolve));
const { port } = free.address();
await new Promise((resolve) => free.close(resolve));

process.env.PORT = String(port);
process.argv[2] = 'streamableHttp';
await import('./node_modules/@modelcontextprotocol/server-everything/dist/index.js');

const address = `http://127.0.0.1:${port}/mcp`;
for (;;) {
  try {
    await fetch(address);
    break;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
console.log(`READY ${address}`);
