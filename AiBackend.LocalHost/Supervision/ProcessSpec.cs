namespace AiBackend.LocalHost.Supervision;

/// <summary>Everything needed to start one process. The environment is complete: nothing is added from this process.</summary>
internal sealed record ProcessSpec(
    string FileName,
    IReadOnlyList<string> Arguments,
    string WorkingDirectory,
    IReadOnlyDictionary<string, string> Environment
);
