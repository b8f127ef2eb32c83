const api = async (method, path, body, headers) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};

const wanted = { name: 'web shop', scopes: ['jobs:read', 'jobs:write'], expires_in_days: 90, limits: { requests_per_minute: 600 } };
const key = await api('POST', 'keys', wanted);
console.log(`Keep it, it is shown this once: ${key.value}`);

// Another key that may do the same; the old one is accepted for an hour more.
const next = await api('POST', `keys/${key.id}/roll`, { overlap_seconds: 3600 });

// Refused everywhere within 5 s.
await api('DELETE', `keys/${next.id}`);
const now = await api('GET', `keys/${next.id}`);
console.log(`${now.id} is ${now.status}`);
