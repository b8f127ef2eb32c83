namespace AiBackend.Simulator.Behaviours;

/// <summary>Everything that can be wished of one answer. <see cref="SimControls"/> has the wire name and meaning of each.</summary>
internal sealed record SimBehaviour
{
    public TimeSpan TimeToFirstToken { get; init; }
    public double TimeToFirstTokenSigma { get; init; }
    public TimeSpan TokenInterval { get; init; }
    public double TokenIntervalSigma { get; init; }

    public int? OutputTokens { get; init; }
    public string? Text { get; init; }
    public int? Words { get; init; }
    public bool Stamps { get; init; }
    public bool IgnoreMaxTokens { get; init; }
    public string? FinishReason { get; init; }
    public SimJson Json { get; init; }
    public SimTools Tools { get; init; }
    public string? ToolArguments { get; init; }
    public int ToolCopies { get; init; } = 1;
    public SimUsage Usage { get; init; }
    public int? BilledTokens { get; init; }

    public double ErrorRate { get; init; }
    public int ErrorStatus { get; init; } = StatusCodes.Status500InternalServerError;
    public string? ErrorCode { get; init; }
    public string? ErrorLocation { get; init; }
    public int FailFirst { get; init; }
    public TimeSpan? RetryAfter { get; init; }

    public int? RequestsPerMinute { get; init; }
    public int? TokensPerMinute { get; init; }
    public int? MaxConcurrency { get; init; }

    public int? ContextTokens { get; init; }
    public int? CutAfterTokens { get; init; }
    public int? HangAfterTokens { get; init; }
    public SimHang Hang { get; init; }
    public int BreakEvery { get; init; } = 1;
    public SimPrefill Prefill { get; init; }
    public string? Malformed { get; init; }
}

/// <summary>Where an answer goes silent for good.</summary>
internal enum SimHang
{
    None,
    BeforeHeaders,
    BeforeFirstToken,
}

/// <summary>What is done with the beginning of an answer in the last message.</summary>
internal enum SimPrefill
{
    Ignore,
    Continue,
    Refuse,
}

/// <summary>How honest the token counts are.</summary>
internal enum SimUsage
{
    Honest,
    Missing,
    Null,
    Negative,
    Huge,
    Text,
    EveryChunk,
}

/// <summary>What comes back when the caller asks for JSON.</summary>
internal enum SimJson
{
    Valid,
    WrongType,
    Truncated,
    Prose,
    Fenced,
    WrongOnce,
}

/// <summary>Which of the tools it is given it asks for.</summary>
internal enum SimTools
{
    Auto,
    First,
    All,
    Never,
    Always,
}
