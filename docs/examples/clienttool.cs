using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

var tool = """
    { "kind": "client", "description": "Asks the customer, and gives the answer.", "timeout_seconds": 3600,
      "parameters": { "type": "object", "required": [ "question" ], "properties": { "question": { "type": "string" } } } }
    """;
using var put = await api.PutAsync("/api/v1/tools/ask_customer", JsonContent.Create(JsonDocument.Parse(tool)));
put.EnsureSuccessStatusCode();

var body = """
    { "type": "chat",
      "input": { "messages": [ { "role": "user", "content": "Which size does the customer want?" } ],
                 "tools": [ "ask_customer" ], "tool_choice": "required" } }
    """;
using var accepted = await api.PostAsync("/api/v1/jobs", JsonContent.Create(JsonDocument.Parse(body)));
accepted.EnsureSuccessStatusCode();
var id = (await accepted.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString();

// The job waits, for as long as timeout_seconds says, and no worker with it.
while ((await api.GetFromJsonAsync<JsonElement>($"/api/v1/jobs/{id}")).GetProperty("status").GetString() != "waiting_for_tool")
{
    await Task.Delay(500);
}

var calls = await api.GetFromJsonAsync<JsonElement>($"/api/v1/jobs/{id}/tool-calls");
foreach (var call in calls.GetProperty("data").EnumerateArray())
{
    Console.WriteLine($"{call.GetProperty("tool")} {call.GetProperty("arguments")}");
    // A repeat changes nothing. "error" in place of "output" tells the model that there is no result.
    var result = new { tool_call_id = call.GetProperty("tool_call_id").GetString(), output = "Size 42." };
    using var taken = await api.PostAsJsonAsync($"/api/v1/jobs/{id}/tool-results", result);
    taken.EnsureSuccessStatusCode();
}

var job = await api.GetFromJsonAsync<JsonElement>($"/api/v1/jobs/{id}?wait=30");
Console.WriteLine($"{job.GetProperty("status")}: {job.GetProperty("output").GetProperty("text")}");
