using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

var body = """
    { "type": "chat", "max_tool_calls": 5,
      "input": { "messages": [ { "role": "user", "content": "Which day is it?" } ],
                 "tools": [ "current_time" ], "tool_choice": "required" } }
    """;
using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = JsonContent.Create(JsonDocument.Parse(body)) };
request.Headers.Add("Prefer", "wait=30");
using var answer = await api.SendAsync(request);
answer.EnsureSuccessStatusCode();
var job = await answer.Content.ReadFromJsonAsync<JsonElement>();
Console.WriteLine(job.GetProperty("status"));

var calls = await api.GetFromJsonAsync<JsonElement>($"/api/v1/jobs/{job.GetProperty("id")}/tool-calls");
foreach (var call in calls.GetProperty("data").EnumerateArray())
{
    Console.WriteLine($"{call.GetProperty("tool")}: {call.GetProperty("state")}, {call.GetProperty("result")}");
}
