namespace AiBackend.Core.Providers.Telemetry;

/// <summary>Names of the OpenTelemetry semantic conventions for generative AI, 1.37 and later (status: development).</summary>
internal static class ProviderTelemetryNames
{
    /// <summary>Both the activity source and the meter.</summary>
    public const string Source = "AiBackend.Providers";

    public const string Operation = "gen_ai.operation.name";
    public const string Chat = "chat";
    public const string Embeddings = "embeddings";
    public const string Provider = "gen_ai.provider.name";
    public const string RequestModel = "gen_ai.request.model";
    public const string RequestMaxTokens = "gen_ai.request.max_tokens";
    public const string RequestTemperature = "gen_ai.request.temperature";
    public const string ResponseModel = "gen_ai.response.model";
    public const string FinishReasons = "gen_ai.response.finish_reasons";
    public const string InputTokens = "gen_ai.usage.input_tokens";
    public const string OutputTokens = "gen_ai.usage.output_tokens";
    public const string CachedTokens = "gen_ai.usage.cache_read.input_tokens";
    public const string TokenType = "gen_ai.token.type";
    public const string ServerAddress = "server.address";
    public const string ServerPort = "server.port";
    public const string ErrorType = "error.type";

    /// <summary><see cref="ErrorType"/> of a call whose reader left.</summary>
    public const string? Cancelled = "cancelled";
}
