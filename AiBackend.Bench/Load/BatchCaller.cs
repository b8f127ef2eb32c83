using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using static System.FormattableString;

namespace AiBackend.Bench.Load;

/// <summary>Hands over a file of chat completions as OpenAI's clients do, and waits for the file of answers.</summary>
internal sealed class BatchCaller : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly HttpClient _http;

    public BatchCaller(Uri server, string key)
    {
        _http = new() { BaseAddress = server };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    /// <returns>Milliseconds from before the upload until the batch has ended, with an answer to each line.</returns>
    public async Task<double> RunAsync(string model, int lines, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        var file = await UploadAsync(model, lines, cancellationToken);
        var batch = await PostAsync(
            "/v1/batches",
            new StringContent(
                $$"""{"input_file_id":"{{file}}","endpoint":"/v1/chat/completions","completion_window":"24h"}""",
                Encoding.UTF8,
                "application/json"
            ),
            cancellationToken
        );
        var id = batch.GetProperty("id").GetString();
        while (batch.GetProperty("status").GetString() is var status && status != "completed")
        {
            if (status is "failed" or "expired" or "cancelled")
            {
                throw new InvalidOperationException($"The batch is {status}: {batch}");
            }

            await Task.Delay(Pause, cancellationToken);
            batch = JsonElement.Parse(await _http.GetStringAsync($"/v1/batches/{id}", cancellationToken));
        }

        var took = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        var answered = batch.GetProperty("request_counts").GetProperty("completed").GetInt32();
        return answered == lines
            ? took
            : throw new InvalidOperationException(Invariant($"{answered} of {lines} lines were answered: {batch}"));
    }

    public void Dispose() => _http.Dispose();

    private async Task<string> UploadAsync(string model, int lines, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        for (var line = 0; line < lines; line++)
        {
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $$$"""{"custom_id":"line-{{{line}}}","method":"POST","url":"/v1/chat/completions","body":{"model":"{{{model}}}","messages":[{"role":"user","content":"{{{line}}}"}]}}"""
            );
        }

        using var form = new MultipartFormDataContent
        {
            { new StringContent("batch"), "purpose" },
            { new ByteArrayContent(Encoding.UTF8.GetBytes(text.ToString())), "file", "lines.jsonl" },
        };
        return (await PostAsync("/v1/files", form, cancellationToken)).GetProperty("id").GetString()!;
    }

    private async Task<JsonElement> PostAsync(string path, HttpContent body, CancellationToken cancellationToken)
    {
        using var response = await _http.PostAsync(path, body, cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        return response.IsSuccessStatusCode ? JsonElement.Parse(text) : throw new InvalidOperationException($"{path} answered {text}");
    }
}
