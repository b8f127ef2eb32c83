using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

// The source names the document: the same call puts a newer text in its place.
var document = new
{
    source = "lamps.md",
    title = "Lamp manual",
    text = "The blue lamp blinks when its filter is full.",
};
using var put = await api.PutAsJsonAsync("/api/v1/knowledge/manuals/documents", document);
put.EnsureSuccessStatusCode();

var question = new
{
    type = "chat",
    retrieve = new { collection = "manuals", limit = 3 },
    input = new { messages = new[] { new { role = "user", content = "Why does my lamp blink?" } } },
};
using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = JsonContent.Create(question) };
request.Headers.Add("Prefer", "wait=30");
using var answer = await api.SendAsync(request);
answer.EnsureSuccessStatusCode();
var job = await answer.Content.ReadFromJsonAsync<JsonElement>();
Console.WriteLine($"{job.GetProperty("status")}: {job.GetProperty("output").GetProperty("text")}");
