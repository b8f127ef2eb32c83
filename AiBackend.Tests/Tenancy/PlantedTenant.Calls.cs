using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Tenancy;

// How it is asked for.
internal sealed partial class PlantedTenant
{
    private async Task<Guid> SubmitAsync(string contract = "null")
    {
        var job = new
        {
            type = "chat",
            feature = words,
            user = words,
            metadata = new { x = words },
            contract = JsonElement.Parse(contract),
            input = new { messages = new[] { new { role = "user", content = words } } },
        };
        return Guid.Parse(await MakeAsync("/api/v1/jobs", job));
    }

    private async Task<string> UploadAsync(string purpose, string text)
    {
        var part = new ByteArrayContent(Encoding.UTF8.GetBytes(text));
        // A name as it stands, which the client would encode or refuse; what ends a line ends the header.
        var name = string.Concat(words.Select(letter => letter is '"' or < ' ' or > '~' ? '_' : letter));
        part.Headers.TryAddWithoutValidation("Content-Disposition", $"form-data; name=\"file\"; filename=\"{name}\"");
        using var form = new MultipartFormDataContent { { new StringContent(purpose), "purpose" }, part };
        using var response = await _http.PostAsync("/v1/files", form, TestRun.Cancel);
        var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, body);
        return JsonElement.Parse(body).GetProperty("id").GetString()!;
    }

    private async Task<string> MakeAsync(string path, object body) =>
        (await SendAsync(HttpMethod.Post, path, body)).GetProperty("id").GetString()!;

    private async Task<JsonElement> SendAsync(HttpMethod method, string path, object? body)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body is null
            ? null
            : new StringContent(JsonSerializer.Serialize(body), new MediaTypeHeaderValue("application/json"));
        using var response = await _http.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, $"{method} {path} answered {response.StatusCode}: {text}");
        return text.Length == 0 ? default : JsonElement.Parse(text);
    }
}
