// The openai package of npm, unmodified, goes on with a conversation of the native API: each response says what comes next, and is told what
// was said. Prints what came of it as one line of JSON.
import OpenAI from 'openai';

const [baseURL, apiKey, , model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 2, timeout: 60_000 });

const native = async (path, body) => {
  const answer = await fetch(new URL(`/api/v1/conversations${path}`, baseURL), {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  return answer.json();
};

const { id } = await native('', { instructions: 'Be brief.' });
const first = await client.responses.create({ model, input: 'One.', conversation: id });
const second = await client.responses.stream({ model, input: 'Two.', conversation: { id } }).finalResponse();
const both = await client.responses.create({ model, input: 'Three.', conversation: id, previous_response_id: first.id }).then(
  () => null,
  ({ constructor, param }) => ({ kind: constructor.name, param })
);
const said = (await native(`/${id}/messages`)).data.map((each) => `${each.role}: ${each.content}`);
const read = (await client.responses.retrieve(second.id)).conversation;
console.log(JSON.stringify({ id, first: first.conversation, second: second.conversation, read, job: second.id, both, said }));
