using AiBackend.Core.Secrets;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Tools;

/// <summary>Encrypts the headers of tools before they are stored, bound to the tool they are for.</summary>
public sealed class ToolSeal
{
    private readonly SecretSeal _seal;

    /// <summary>Derives the key from the secret.</summary>
    public ToolSeal(IOptions<ToolsOptions> options) => _seal = new(options.Value.SealSecret, "tool headers", options.Value.Installation);

    /// <summary>Whether there is a secret to encrypt with.</summary>
    public bool IsPossible => _seal.IsPossible;

    /// <returns>What is stored.</returns>
    public byte[] Seal(Guid tenantId, string tool, string value) => _seal.Seal(Owner(tenantId, tool), value);

    /// <returns>Null when it was sealed with another secret or for another tool.</returns>
    public string? Open(Guid tenantId, string tool, byte[] box) => _seal.Open(Owner(tenantId, tool), box);

    private static string Owner(Guid tenantId, string tool) => $"{tenantId:N}\n{tool}";
}
