namespace AiBackend.Bench.Load;

/// <summary>A caller of the endpoint that calls the model and streams its answer: asks once.</summary>
internal sealed class DirectCaller(Uri server, string model) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler()) { BaseAddress = server, Timeout = TimeSpan.FromSeconds(90) };

    /// <returns>The answer's text as far as it came; null when there was none.</returns>
    public async Task<string?> AskAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var response = await _http.GetAsync($"/stream?model={model}", cancellationToken);
            if (!response.IsSuccessStatusCode)
            {
                return null;
            }

            var lines = (await response.Content.ReadAsStringAsync(cancellationToken)).Split("\n\n");
            return string.Concat(lines.Select(line => line.StartsWith("data: ", StringComparison.Ordinal) ? line[6..] : ""));
        }
        catch (Exception lost) when (lost is HttpRequestException or IOException)
        {
            return null;
        }
    }

    public void Dispose() => _http.Dispose();
}
