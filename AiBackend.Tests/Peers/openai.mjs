// The openai package of npm, unmodified: only address and key are ours. Runs the scenario that is named and prints what came of it
// as one line of JSON.
import OpenAI, { toFile } from 'openai';

const [baseURL, apiKey, scenario, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 2, timeout: 60_000 });
const messages = [{ role: 'user', content: 'Go on.' }];

const failureOf = (failure) => ({
  kind: failure.constructor.name,
  status: failure.status,
  code: failure.code,
  type: failure.type,
  param: failure.param,
  requestId: failure.requestID ?? failure.request_id,
});

const collect = async (stream) => {
  let text = '';
  let reason = null;
  let usage = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? '';
    reason = chunk.choices[0]?.finish_reason ?? reason;
    usage = chunk.usage ?? usage;
  }
  return { text, reason, usage };
};

const scenarios = {
  models: async () => {
    const ids = [];
    for await (const each of client.models.list()) {
      ids.push(each.id);
    }
    return { ids, one: (await client.models.retrieve('default')).id };
  },

  chat: async () => {
    const { data, response, request_id } = await client.chat.completions.create({ model, messages }).withResponse();
    return {
      text: data.choices[0].message.content,
      reason: data.choices[0].finish_reason,
      usage: data.usage,
      request: request_id,
      job: response.headers.get('x-aibackend-job-id'),
    };
  },

  stream: async () => collect(await client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } })),

  // The package's own helper, which folds the chunks to a whole completion and objects to what does not fit.
  helper: async () => {
    const whole = await client.chat.completions.stream({ model, messages }).finalChatCompletion();
    return { text: whole.choices[0].message.content, reason: whole.choices[0].finish_reason };
  },

  // The package's own loop: it calls what the model asks for and sends the results until there is an answer.
  tools: async () => {
    const called = [];
    const runner = client.chat.completions.runTools({
      model,
      messages,
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'Tells the weather.',
            parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
            parse: JSON.parse,
            function: (given) => {
              called.push(given);
              return 'Rain.';
            },
          },
        },
      ],
    });
    const text = await runner.finalContent();
    return { text, called, roles: runner.messages.map((message) => message.role) };
  },

  toolStream: async () => {
    const whole = await client.chat.completions
      .stream({
        model,
        messages,
        parallel_tool_calls: true,
        tools: ['weather', 'time'].map((name) => ({
          type: 'function',
          function: { name, parameters: { type: 'object', properties: { city: { type: 'string' } } } },
        })),
      })
      .finalChatCompletion();
    const { message, finish_reason: reason } = whole.choices[0];
    return { reason, calls: message.tool_calls.map((call) => ({ name: call.function.name, given: JSON.parse(call.function.arguments) })) };
  },

  schema: async () => {
    const whole = await client.chat.completions.parse({
      model,
      messages,
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'place',
          strict: true,
          schema: {
            type: 'object',
            properties: { city: { type: 'string' }, size: { type: 'integer' } },
            required: ['city', 'size'],
            additionalProperties: false,
          },
        },
      },
    });
    return { place: JSON.parse(whole.choices[0].message.content) };
  },

  // Begun in the background, left in the middle, and gone on with from the number that was seen last.
  responses: async () => {
    const begun = await client.responses.create({ model, input: 'Go on.', instructions: 'Be brief.', background: true, stream: true });
    let [id, text, last, pieces] = [null, '', -1, 0];
    for await (const event of begun) {
      id = event.response?.id ?? id;
      last = event.sequence_number;
      if (event.type === 'response.output_text.delta') {
        text += event.delta;
        if (++pieces === 3) {
          break;
        }
      }
    }

    const left = text;
    let end = null;
    for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: last })) {
      text += event.type === 'response.output_text.delta' ? event.delta : '';
      end = event.type;
    }

    const whole = await client.responses.retrieve(id);
    const next = await client.responses.create({ model, input: 'And?', previous_response_id: id });
    const items = [];
    for await (const item of client.responses.inputItems.list(next.id)) {
      items.push(item.content[0].text);
    }

    await client.responses.delete(id);
    const gone = await client.responses.retrieve(id).then(() => null, failureOf);
    return {
      left,
      text,
      end,
      whole: whole.output_text,
      status: whole.status,
      usage: whole.usage,
      next: next.output_text,
      previous: next.previous_response_id,
      id,
      items,
      gone,
    };
  },

  cancelResponse: async () => {
    const begun = await client.responses.create({ model, input: 'Go on.', background: true });
    const cancelled = await client.responses.cancel(begun.id);
    return { begun: begun.status, cancelled: cancelled.status };
  },

  // The package's own helper folds the events to a whole response, and parses what a schema asked for.
  responseHelper: async () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
    const stream = client.responses.stream({ model, input: 'Where?', text: { format: { type: 'json_schema', name: 'place', schema, strict: true } } });
    const whole = await stream.finalResponse();
    const tools = await client.responses.create({
      model,
      input: 'Weather?',
      tool_choice: 'required',
      tools: [{ type: 'function', name: 'weather', parameters: schema, strict: true }],
    });
    return { text: JSON.parse(whole.output_text), status: whole.status, call: tools.output[0] };
  },

  embeddings: async () => {
    const usual = await client.embeddings.create({ model, input: ['one', 'two'], dimensions: 16 });
    const numbers = await client.embeddings.create({ model, input: 'two', dimensions: 16, encoding_format: 'float' });
    const refused = await client.embeddings.create({ model: 'sim', input: 'one' }).then(() => null, failureOf);
    return { usual: usual.data.map((each) => [...each.embedding]), numbers: numbers.data[0].embedding, usage: usual.usage, refused };
  },

  files: async () => {
    const made = await client.files.create({ file: await toFile(Buffer.from('{"a":1}\n'), 'a.jsonl'), purpose: 'batch' });
    const ids = [];
    for await (const each of client.files.list({ limit: 1 })) {
      ids.push(each.id);
    }
    const content = await (await client.files.content(made.id)).text();
    const one = await client.files.retrieve(made.id);
    const gone = await client.files.delete(made.id);
    return { id: made.id, listed: ids.includes(made.id), content, name: one.filename, bytes: one.bytes, deleted: gone.deleted };
  },

  batches: async () => {
    const line = (id, body) => JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/chat/completions', body });
    const lines = [line('one', { model, messages }), line('two', { model, messages }), line('odd', { model, messages, n: 2 })];
    const file = await client.files.create({ file: await toFile(Buffer.from(lines.join('\n')), 'a.jsonl'), purpose: 'batch' });
    const made = await client.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
      metadata: { run: 'nightly' },
    });
    let batch = made;
    while (!['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      batch = await client.batches.retrieve(made.id);
    }
    const read = async (id) => (await (await client.files.content(id)).text()).trim().split('\n').map((each) => JSON.parse(each));
    const answers = await read(batch.output_file_id);
    const errors = await read(batch.error_file_id);
    let listed = false;
    for await (const each of client.batches.list({ limit: 1 })) {
      listed ||= each.id === made.id;
    }
    return {
      status: batch.status,
      counts: batch.request_counts,
      run: batch.metadata.run,
      listed,
      answers: answers.map((each) => `${each.custom_id}: ${each.response.body.choices[0].message.content}`),
      errors: errors.map((each) => `${each.custom_id}: ${each.response.body.error.code}`),
      cancel: await client.batches.cancel(made.id).then(() => null, failureOf),
    };
  },

  errors: async () => {
    const seen = {};
    const note = async (name, call) => {
      seen[name] = await call.then(() => null, failureOf);
    };
    await note('key', new OpenAI({ baseURL, apiKey: 'aib_test_no' }).models.list());
    await note('model', client.chat.completions.create({ model: 'gpt-none', messages }));
    await note('parameter', client.chat.completions.create({ model, messages, n: 2 }));
    return seen;
  },

  broken: async () => {
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    let text = '';
    try {
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta?.content ?? '';
      }
      return { text, failure: null };
    } catch (failure) {
      return { text, failure: failureOf(failure) };
    }
  },

  timeout: async () => {
    const headers = { authorization: `Bearer ${apiKey}` };
    // A server that has more to do may have made no job of it when the first is up.
    for (const timeout of [1500, 5_000, 20_000]) {
      const impatient = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout });
      const failure = await impatient.chat.completions.create({ model, messages }).then(() => null, failureOf);
      const jobs = await fetch(new URL('/api/v1/jobs?limit=200', baseURL), { headers });
      if (failure === null || (await jobs.json()).data.some((job) => job.model === model)) {
        return failure;
      }
    }
  },

  abort: async () => {
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    let seen = 0;
    for await (const chunk of stream) {
      seen += chunk.choices[0]?.delta?.content ? 1 : 0;
      if (seen === 3) {
        stream.controller.abort();
        break;
      }
    }
    return { seen };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
