namespace AiBackend.Web.Api;

/// <summary>The key this server calls the Api with while it runs at a desk; outside Development there is none.</summary>
internal sealed class DevelopmentKey(IConfiguration configuration, IHostEnvironment environment, ILogger<DevelopmentKey> logger)
{
    public const string FileSetting = "AIBACKEND_DEV_KEY_FILE";

    private string? _key;
    private string? _told;

    /// <summary>Null until the file exists: it is written by the migrations, which may finish after this process started.</summary>
    public string? Current => environment.IsDevelopment() ? _key ??= Read() : null;

    /// <summary>Forgets the key after the Api refused it: a new database comes with a new one in the same file.</summary>
    public void Forget() => _key = null;

    private string? Read()
    {
        var file = configuration[FileSetting];
        if (string.IsNullOrWhiteSpace(file))
        {
            return null;
        }

        try
        {
            var key = File.ReadAllText(file).Trim();
            return key.Length > 0 ? key : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Every request asks; the same news is told once.
            if (!string.Equals(Interlocked.Exchange(ref _told, failure.Message), failure.Message, StringComparison.Ordinal))
            {
                logger.DevelopmentKeyUnreadable(file, failure.Message);
            }

            return null;
        }
    }
}
