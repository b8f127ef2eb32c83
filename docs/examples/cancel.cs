using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

var body = new { type = "chat", input = new { messages = new[] { new { role = "user", content = "Write a long report." } } } };
using var accepted = await api.PostAsJsonAsync("/api/v1/jobs", body);
accepted.EnsureSuccessStatusCode();
var id = (await accepted.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString();

using var cancelled = await api.PostAsync($"/api/v1/jobs/{id}/cancel", null);
if (cancelled.StatusCode is not HttpStatusCode.Conflict) // 409: it has ended already.
{
    cancelled.EnsureSuccessStatusCode();
}

// What was written before stays readable, and is paid for.
var job = await api.GetFromJsonAsync<JsonElement>($"/api/v1/jobs/{id}?wait=30");
Console.WriteLine($"{job.GetProperty("status")} at {job.GetProperty("finished_at")}");
