// The openai package of npm, unmodified, when it is refused: the scenario that is named says by what. Prints what came of it as one line of JSON.
import OpenAI, { toFile } from 'openai';

const [baseURL, apiKey, scenario, model, more] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60_000 });
const messages = [{ role: 'user', content: 'Go on.' }];
const background = { model, input: 'Go on.', background: true };

const seen = {};
const note = async (name, call) => {
  seen[name] = await call.then(
    () => null,
    (failure) => ({
      kind: failure.constructor.name,
      isTyped: failure instanceof OpenAI.APIError,
      status: failure.status,
      code: failure.code,
      type: failure.type,
      param: failure.param,
      requestId: failure.requestID,
      retryAfter: failure.headers?.get('retry-after'),
      message: failure.message,
    })
  );
};

const scenarios = {
  // One key with all scopes, and one that may only read.
  refused: async () => {
    await note('badRequest', client.chat.completions.create({ model, messages, n: 2 }));
    await note('authentication', new OpenAI({ baseURL, apiKey: 'aib_test_no', maxRetries: 0 }).models.list());
    await note('permission', new OpenAI({ baseURL, apiKey: more, maxRetries: 0 }).responses.create(background));
    await note('notFound', client.responses.retrieve('resp_01900000000070008000000000000000'));
    await note('noModel', client.chat.completions.create({ model: 'gpt-none', messages }));
    const line = JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/responses', body: { model, input: 'x' } });
    const file = await client.files.create({ purpose: 'batch', file: await toFile(Buffer.from(line), 'a.jsonl') });
    const batch = await client.batches.create({ input_file_id: file.id, endpoint: '/v1/responses', completion_window: '24h' });
    await note('conflict', client.files.delete(file.id));
    await client.batches.cancel(batch.id);
    await client.responses.create(background, { headers: { 'Idempotency-Key': 'once' } });
    await note('unprocessable', client.responses.create({ ...background, input: 'Else.' }, { headers: { 'Idempotency-Key': 'once' } }));
  },

  // A key of which one job may wait: what the server says about when to come back is what the package does.
  busy: async () => {
    const first = await client.responses.create(background);
    await note('rateLimit', client.responses.create(background));

    const tries = [];
    const patient = new OpenAI({
      baseURL,
      apiKey,
      maxRetries: 3,
      fetch: async (address, init) => {
        const response = await fetch(address, init);
        tries.push({ at: performance.now(), status: response.status });
        if (tries.length === 1) {
          await client.responses.cancel(first.id);
        }
        return response;
      },
    });
    seen.second = (await patient.responses.create(background)).status;
    seen.statuses = tries.map((each) => each.status);
    seen.waited = tries[1].at - tries[0].at;
  },

  broken: async () => {
    await note('unavailable', client.responses.create(background));
    await note('defect', client.files.list());
  },
};

await scenarios[scenario]();
console.log(JSON.stringify(seen));
