// An upstream for both protocols that nobody here wrote, with an answer for each question the tests ask.
// Prints "READY <url>" when it listens; ends with its standard input, and so with the test process.
import { LLMock } from '@copilotkit/aimock';

const long = Array.from({ length: 200 }, (_, i) => `part-${i + 1}`).join(' ');
const mock = new LLMock({ host: '127.0.0.1', port: 0 });

const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

mock.onMessage('unicode', { content: 'Größe "5" \\ 世界 🎉\n```js\nlet a;\n```', usage }, { chunkSize: 3 });
mock.onMessage('cut short', { content: 'as long as allow', usage, finishReason: 'length' }, { chunkSize: 3 });
mock.onMessage('think', { content: 'The answer.', reasoning: 'A thought that stays here.' }, { chunkSize: 3 });
mock.onMessage('truncated', { content: long }, { chunkSize: 10, latency: 20, truncateAfterChunks: 5 });
mock.onMessage('disconnected', { content: long }, { chunkSize: 10, latency: 20, disconnectAfterMs: 200 });
mock.onMessage('slow', { content: long }, { chunkSize: 10, latency: 50 });
mock.onMessage('silent', { content: long }, { latency: 20_000 });
mock.onMessage('garbled', { content: long }, { chaos: { malformedRate: 1 } });
mock.onMessage('dropped', { content: long }, { chaos: { dropRate: 1 } });
mock.onMessage('throttled', { error: { message: 'too many', type: 'requests', code: 'rate_limit_exceeded' }, status: 429, retryAfter: 3 });
mock.onMessage('refused', { error: { message: 'bad key', type: 'invalid_request_error', code: 'invalid_api_key' }, status: 401 });
mock.onMessage('unknown model', { error: { message: 'no model', type: 'invalid_request_error', code: 'model_not_found' }, status: 404 });
mock.onMessage('too long', {
  error: { message: 'prompt is too long: 2 tokens > 1 maximum', type: 'invalid_request_error', code: 'context_length_exceeded' },
  status: 400,
});
mock.onMessage('overloaded', { error: { message: 'overloaded', type: 'server_error' }, status: 503 });
mock.onMessage('overrun', { error: { message: 'overloaded', type: 'overloaded_error' }, status: 529 });
mock.on({ userMessage: 'depends', model: 'down' }, { error: { message: 'down', type: 'api_error' }, status: 500 });
mock.on({ userMessage: 'depends', model: 'up' }, { content: 'Here I am.' });

await mock.start();
console.log(`READY ${mock.url}`);
process.stdin.on('end', () => process.exit(0)).resume();
