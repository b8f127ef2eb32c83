namespace AiBackend.Core.Providers.Wire;

/// <summary>What a chat call may ask for that <see cref="Microsoft.Extensions.AI.ChatOptions"/> has no member for.</summary>
public static class CallOptions
{
    /// <summary>How much a reasoning model thinks, in OpenAI's words.</summary>
    public const string ReasoningEffort = "aibackend.reasoning_effort";
}
