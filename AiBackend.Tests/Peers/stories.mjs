// A real language model, tiny and on one thread, behind the OpenAI protocol: tokens nobody scripted, counts and ends that are true.
// Prints "READY <url>" when it listens; ends with its standard input, and so with the test process.
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { getLlama } from 'node-llama-cpp';

const name = 'stories260K';
const contextSize = 512;
// What is installed runs as it is: nothing is compiled or fetched.
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false, maxThreads: 1, logLevel: 'error' });
const model = await llama.loadModel({ modelPath: fileURLToPath(new URL('stories/stories260K.gguf', import.meta.url)) });
const sequence = (await model.createContext({ contextSize, sequences: 1 })).getSequence();
const { bos } = model.tokens;
let turn = Promise.resolve();

async function tell(request, response) {
  const prompt = [bos, ...model.tokenize(request.messages.map((message) => message.content).join('\n'))];
  if (prompt.length >= contextSize) {
    response.writeHead(400, { 'Content-Type': 'application/json' });
    const message = `This model reads ${contextSize} tokens at most; these are ${prompt.length}.`;
    response.end(JSON.stringify({ error: { message, type: 'invalid_request_error', code: 'context_length_exceeded' } }));
    return;
  }

  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  const send = (body) => response.write(`data: ${JSON.stringify({ object: 'chat.completion.chunk', model: name, ...body })}\n\n`);
  const most = Math.min(request.max_tokens ?? contextSize, contextSize - prompt.length);
  const written = [];
  let told = '';
  let reason = 'length';
  await sequence.clearHistory();
  for await (const token of sequence.evaluate(prompt, { temperature: request.temperature ?? 0.8 })) {
    // It was taught that the next story begins where one ends.
    if (token === bos || model.isEogToken(token)) {
      reason = 'stop';
      break;
    }

    written.push(token);
    const text = model.detokenize(written);
    // A letter may be made of several tokens.
    if (!text.endsWith('\uFFFD')) {
      send({ choices: [{ index: 0, delta: { content: text.slice(told.length) }, finish_reason: null }] });
      told = text;
    }

    if (written.length === most || response.destroyed) break;
  }

  const usage = { prompt_tokens: prompt.length, completion_tokens: written.length, total_tokens: prompt.length + written.length };
  send({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });
  send({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}

const server = createServer(async (request, response) => {
  const body = JSON.parse(Buffer.concat(await request.toArray()).toString());
  // There is one context, so everybody waits for their turn.
  turn = turn.then(() => tell(body, response));
});
server.listen(0, '127.0.0.1', () => console.log(`READY http://127.0.0.1:${server.address().port}`));
process.stdin.on('end', () => process.exit(0)).resume();
