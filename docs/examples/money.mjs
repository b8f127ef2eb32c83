const api = async (method, path, body, headers) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};

// At most 20 dollars a day for a feature: what is beyond waits until tomorrow, and none of it fails.
const wanted = { scope: 'feature', subject: 'titles', window: 'day', limit_usd: 20, thresholds: [80, 100] };
const budget = await api('POST', 'budgets', wanted);
console.log(`${budget.spent_usd} of ${budget.limit_usd} US dollars spent`);

// Who spent what on which model.
const usage = await api('GET', 'usage?group_by=feature,model');
for (const row of usage.data) console.log(`${row.feature} ${row.model}: ${row.calls} calls, ${row.cost_usd} US dollars`);

// Without the budget whoever waits for it goes on.
await api('DELETE', `budgets/${budget.id}`);
