using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

var workflow = """
    { "steps": [
        { "name": "each", "type": "map", "over": "{{input.documents}}", "concurrency": 4,
          "step": { "type": "chat", "messages": [ { "role": "user", "content": "What does this invoice ask for? {{item}}" } ],
                    "contract": { "schema": { "type": "object", "required": [ "total" ],
                                              "properties": { "total": { "type": "number" } } } } } } ],
      "output": { "totals": "{{steps.each}}" } }
    """;
using var put = await api.PutAsync("/api/v1/workflows/invoices", JsonContent.Create(JsonDocument.Parse(workflow)));
put.EnsureSuccessStatusCode();

var input = new { input = new { documents = new[] { "ACME Ltd: 120.50 EUR", "Globex: 80 EUR" } } };
using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/workflows/invoices/runs") { Content = JsonContent.Create(input) };
request.Headers.Add("Prefer", "wait=60");
using var answer = await api.SendAsync(request);
answer.EnsureSuccessStatusCode();
var run = await answer.Content.ReadFromJsonAsync<JsonElement>();

Console.WriteLine($"{run.GetProperty("status")}: {run.GetProperty("output").GetProperty("text")}");
var steps = await api.GetFromJsonAsync<JsonElement>($"/api/v1/jobs/{run.GetProperty("id")}/steps");
foreach (var step in steps.GetProperty("data").EnumerateArray())
{
    Console.WriteLine($"- {step.GetProperty("name")}: {step.GetProperty("status")}");
}
