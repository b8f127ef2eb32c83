import os
from openai import OpenAI  # pip install openai

client = OpenAI(base_url=f"{os.environ['AIBACKEND_URL']}/v1", api_key=os.environ["AIBACKEND_KEY"])

answer = client.chat.completions.create(model="default", messages=[{"role": "user", "content": "Why is the sky blue?"}])
print(answer.choices[0].message.content)

messages = [{"role": "user", "content": "And in one sentence?"}]
for chunk in client.chat.completions.create(model="default", messages=messages, stream=True):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
