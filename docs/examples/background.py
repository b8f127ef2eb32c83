import os
import time
import httpx
from openai import APIConnectionError, OpenAI  # pip install openai

client = OpenAI(base_url=f"{os.environ['AIBACKEND_URL']}/v1", api_key=os.environ["AIBACKEND_KEY"])
begun = client.responses.create(model="default", background=True, input="Why is the sky blue?")

last, ended = None, False
while not ended:
    try:
        resume = {} if last is None else {"starting_after": last}
        for event in client.responses.retrieve(begun.id, stream=True, **resume):
            last = event.sequence_number
            ended = ended or event.type in ("response.completed", "response.failed", "response.incomplete")
            if event.type == "response.output_text.delta":
                print(event.delta, end="", flush=True)
    except (APIConnectionError, httpx.TransportError):
        time.sleep(1)  # Then go on behind the last number that was seen.
