// The key names what is wanted, such as an order's summary: whoever sends it again, however often, gets the same job.
const submit = async () => {
  for (let seconds = 1; seconds < 60; seconds *= 2) {
    try {
      const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/jobs`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${process.env.AIBACKEND_KEY}`,
          'content-type': 'application/json',
          'idempotency-key': 'summary-of-order-4711',
        },
        body: JSON.stringify({ type: 'chat', input: { messages: [{ role: 'user', content: 'Summarise order 4711.' }] } }),
      });
      if (answer.ok) return (await answer.json()).id;
      if (answer.status !== 429 && answer.status < 500) throw new Error(await answer.text());
    } catch (cut) {
      // A TypeError: nobody knows whether it arrived; with the key it does not matter.
      if (!(cut instanceof TypeError)) throw cut;
    }
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
  throw new Error('No answer for a minute.');
};

console.log(await submit());
console.log(await submit());
