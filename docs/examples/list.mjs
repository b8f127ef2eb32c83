const api = async (method, path, body, headers) => {
  const answer = await fetch(`${process.env.AIBACKEND_URL}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.AIBACKEND_KEY}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};

// What did not go well, newest first; a minus sign negates. The cursor is where the next page begins.
const filter = 'jobs?status=-completed&status=-cancelled&feature=support-summary&limit=50';
for (let path = filter; path; ) {
  const page = await api('GET', path);
  for (const job of page.data) console.log(job.id, job.status, job.created_at);
  path = page.next_cursor && `${filter}&cursor=${encodeURIComponent(page.next_cursor)}`;
}
