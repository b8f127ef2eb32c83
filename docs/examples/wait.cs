using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

var body = new { type = "chat", input = new { messages = new[] { new { role = "user", content = "Why is the sky blue?" } } } };
using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = JsonContent.Create(body) };
request.Headers.Add("Prefer", "wait=30");
using var answer = await api.SendAsync(request);
answer.EnsureSuccessStatusCode();
var job = await answer.Content.ReadFromJsonAsync<JsonElement>();

// 202 instead of 200: it takes longer. Nothing is lost; ask again for as long as you like.
while (job.GetProperty("finished_at").ValueKind is JsonValueKind.Null)
{
    job = await api.GetFromJsonAsync<JsonElement>($"/api/v1/jobs/{job.GetProperty("id")}?wait=30");
}

Console.WriteLine($"{job.GetProperty("status")}: {job.GetProperty("output").GetProperty("text")}");
