using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

// The key names what is wanted, such as an order's summary: whoever sends it again, however often, gets the same job.
async Task<string?> SubmitAsync()
{
    for (var patience = TimeSpan.FromSeconds(1); patience < TimeSpan.FromMinutes(1); patience *= 2)
    {
        try
        {
            var body = new { type = "chat", input = new { messages = new[] { new { role = "user", content = "Summarise order 4711." } } } };
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = JsonContent.Create(body) };
            request.Headers.Add("Idempotency-Key", "summary-of-order-4711");
            using var answer = await api.SendAsync(request);
            if ((int)answer.StatusCode is not (429 or >= 500))
            {
                answer.EnsureSuccessStatusCode();
                return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString();
            }
        }
        catch (HttpRequestException cut) when (cut.StatusCode is null)
        {
            // Nobody knows whether it arrived; with the key it does not matter.
        }

        await Task.Delay(patience);
    }

    throw new TimeoutException("No answer for a minute.");
}

Console.WriteLine(await SubmitAsync());
Console.WriteLine(await SubmitAsync());
