import OpenAI from 'openai'; // npm install openai

const client = new OpenAI({ baseURL: `${process.env.AIBACKEND_URL}/v1`, apiKey: process.env.AIBACKEND_KEY });

const answer = await client.chat.completions.create({ model: 'default', messages: [{ role: 'user', content: 'Why is the sky blue?' }] });
console.log(answer.choices[0].message.content);

const messages = [{ role: 'user', content: 'And in one sentence?' }];
for await (const chunk of await client.chat.completions.create({ model: 'default', messages, stream: true })) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? '');
}
