FILE=$(printf 'month,sold\nMay,17\nJune,23\n' | curl -s "$AIBACKEND_URL/api/v1/files" -H "Authorization: Bearer $AIBACKEND_KEY" \
  -F "file=@-;filename=sales.csv" | sed -E 's/^\{"id":"([^"]+)".*/\1/')
JOB=$(curl -s "$AIBACKEND_URL/api/v1/jobs" -H "Authorization: Bearer $AIBACKEND_KEY" -H "Content-Type: application/json" \
  -H "Prefer: wait=30" \
  -d '{ "type": "chat", "attachments": [ { "file": "'"$FILE"'" } ], "artifact": { "name": "report.md", "type": "text/markdown" },
        "input": { "messages": [ { "role": "user", "content": "Write a report about these sales." } ] } }')
echo "$JOB"
# What the job has made is a file like any other.
ARTIFACT=$(echo "$JOB" | sed -E 's/.*"artifacts":\[\{"file":"([^"]+)".*/\1/')
curl -s "$AIBACKEND_URL/api/v1/files/$ARTIFACT/content" -H "Authorization: Bearer $AIBACKEND_KEY"
