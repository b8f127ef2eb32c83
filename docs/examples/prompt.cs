using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));
var name = $"summary-{Guid.NewGuid():N}";

// Version 1, and jobs get it.
var template = """
    { "messages": [ { "role": "system", "content": "Answer in {{words}} words." },
                    { "role": "user", "content": "Summarise: {{text}}" } ],
      "variables": { "text": { "max_length": 20000 }, "words": { "type": "number", "default": 50 } } }
    """;
using var made = await api.PostAsJsonAsync("/api/v1/prompts", new { name, template = JsonDocument.Parse(template) });
made.EnsureSuccessStatusCode();
using var label = await api.PutAsJsonAsync($"/api/v1/prompts/{name}/labels/production", new { version = 1 });
label.EnsureSuccessStatusCode();

var input = new { prompt = new { name, variables = new { text = "Two lamps for 120.50 EUR." } } };
using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = JsonContent.Create(new { type = "chat", input }) };
request.Headers.Add("Prefer", "wait=30");
using var answer = await api.SendAsync(request);
answer.EnsureSuccessStatusCode();
var job = await answer.Content.ReadFromJsonAsync<JsonElement>();
Console.WriteLine($"{job.GetProperty("served_by").GetProperty("prompt")}: {job.GetProperty("output").GetProperty("text")}");
