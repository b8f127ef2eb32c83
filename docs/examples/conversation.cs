using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

var begin = new { title = "Lamps", instructions = "Answer in one sentence." };
using var made = await api.PostAsJsonAsync("/api/v1/conversations", begin);
made.EnsureSuccessStatusCode();
var talk = (await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetGuid();

// Each job says only what is new; the model is told the rest.
foreach (var question in (string[])["Why does my lamp blink?", "And what do I do about it?"])
{
    var job = new
    {
        type = "chat",
        conversation = new { id = talk },
        input = new { messages = new[] { new { role = "user", content = question } } },
    };
    using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = JsonContent.Create(job) };
    request.Headers.Add("Prefer", "wait=30");
    using var answer = await api.SendAsync(request);
    answer.EnsureSuccessStatusCode();
}

var messages = await api.GetFromJsonAsync<JsonElement>($"/api/v1/conversations/{talk}/messages");
foreach (var message in messages.GetProperty("data").EnumerateArray())
{
    Console.WriteLine($"{message.GetProperty("seq")} {message.GetProperty("role")}: {message.GetProperty("content")}");
}
