using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

var body = new { type = "chat", input = new { messages = new[] { new { role = "user", content = "Tell me a story." } } } };
using var accepted = await api.PostAsJsonAsync("/api/v1/jobs", body);
accepted.EnsureSuccessStatusCode();
var id = (await accepted.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString();

var (text, last, ended) = ("", "0", false);
while (!ended)
{
    try
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{id}/events");
        request.Headers.Add("Last-Event-ID", last);
        using var events = await api.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        events.EnsureSuccessStatusCode();
        await foreach (var item in SseParser.Create(await events.Content.ReadAsStreamAsync()).EnumerateAsync())
        {
            var data = JsonDocument.Parse(item.Data).RootElement;
            text = item.EventType switch
            {
                "delta" => text + data.GetProperty("text"),
                "snapshot" => data.GetProperty("text").ToString(),
                "reset" => "", // The answer begins anew.
                _ => text,
            };
            (last, ended) = (item.EventId!, item.EventType == "final");
        }
    }
    catch (Exception cut)
        when (cut is IOException or HttpRequestException { StatusCode: null or HttpStatusCode.TooManyRequests or >= (HttpStatusCode)500 })
    {
        await Task.Delay(1000); // Then go on behind the last event that was seen.
    }
}

Console.WriteLine(text);
