const api = async (method, path, body) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
};

const { id } = await api('POST', 'jobs', {
  type: 'chat',
  input: { messages: [{ role: 'user', content: 'What does the letter say about the price? "We ask for 90 EUR."' }] },
  contract: {
    schema: { type: 'object', required: ['quote'], properties: { quote: { type: 'string' } } },
    rules: [{ rule: 'cited', path: '/quote', severity: 'review' }],
    review: { timeout_seconds: 86400, on_timeout: 'reject' },
  },
});
while ((await api('GET', `jobs/${id}`)).status !== 'waiting_for_review') {
  await new Promise((later) => setTimeout(later, 500));
}

// The model's quote is not in the letter, so a person decides: for the version that was seen, with a text that keeps the contract.
const review = await api('GET', `reviews/${id}-1`);
console.log(`wrong: ${review.question.check.violations[0].rule}`);
const { decision } = await api('POST', `reviews/${review.id}/approve`, {
  version: review.version,
  text: JSON.stringify({ quote: 'We ask for 90 EUR.' }),
  comment: 'Quoted as written.',
});

const job = await api('GET', `jobs/${id}`);
console.log(`${decision.kind}: ${job.output.text}`);
