using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

using var form = new MultipartFormDataContent { { new StringContent("month,sold\nMay,17\nJune,23\n"), "file", "sales.csv" } };
using var uploaded = await api.PostAsync("/api/v1/files", form);
uploaded.EnsureSuccessStatusCode();
var file = await uploaded.Content.ReadFromJsonAsync<JsonElement>();

var question = new
{
    type = "chat",
    attachments = new[] { new { file = file.GetProperty("id").GetString() } },
    artifact = new { name = "report.md", type = "text/markdown" },
    input = new { messages = new[] { new { role = "user", content = "Write a report about these sales." } } },
};
using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = JsonContent.Create(question) };
request.Headers.Add("Prefer", "wait=30");
using var answer = await api.SendAsync(request);
answer.EnsureSuccessStatusCode();
var job = await answer.Content.ReadFromJsonAsync<JsonElement>();

// What the job has made is a file like any other.
var artifact = job.GetProperty("artifacts")[0];
var report = await api.GetStringAsync($"/api/v1/files/{artifact.GetProperty("file")}/content");
Console.WriteLine($"{artifact.GetProperty("name")}: {report}");
