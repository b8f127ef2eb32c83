namespace AiBackend.ApiContracts.Routing;

/// <summary>A key that calls of a provider use, without the key.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">The one model it is for; null is every model of the provider that has none of its own.</param>
/// <param name="Hint">Its last four characters.</param>
/// <param name="SetAt">When it was set.</param>
/// <param name="SetBy">Public id of the API key that set it.</param>
public sealed record Credential(string Provider, string? Model, string Hint, DateTimeOffset SetAt, string SetBy);

/// <summary>A key for calls of a provider, in place of the configured one.</summary>
public sealed record CredentialRequest
{
    /// <summary>The provider's configured name.</summary>
    public string? Provider { get; init; }

    /// <summary>The one model it is for; left out, every model of the provider that has none of its own.</summary>
    public string? Model { get; init; }

    /// <summary>The key; 8 to 512 visible ASCII characters. It is stored encrypted and never shown.</summary>
    public string? Value { get; init; }

    /// <summary>Without the key: a record prints its members.</summary>
    public override string ToString() => $"{Provider}/{Model ?? "*"}";
}

/// <summary>Every key that was set here.</summary>
/// <param name="Data">By provider and model.</param>
public sealed record CredentialList(IReadOnlyList<Credential> Data);
