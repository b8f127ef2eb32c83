import OpenAI from 'openai'; // npm install openai

const client = new OpenAI({ baseURL: `${process.env.AIBACKEND_URL}/v1`, apiKey: process.env.AIBACKEND_KEY });
const begun = await client.responses.create({ model: 'default', background: true, input: 'Why is the sky blue?' });

let last;
for (let ended = false; !ended; ) {
  try {
    const from = last === undefined ? {} : { starting_after: last };
    for await (const event of await client.responses.retrieve(begun.id, { stream: true, ...from })) {
      last = event.sequence_number;
      ended ||= ['response.completed', 'response.failed', 'response.incomplete'].includes(event.type);
      if (event.type === 'response.output_text.delta') process.stdout.write(event.delta);
    }
  } catch (cut) {
    if (cut instanceof OpenAI.APIError && cut.status) throw cut;
    await new Promise((done) => setTimeout(done, 1000)); // Then go on behind the last number that was seen.
  }
}
