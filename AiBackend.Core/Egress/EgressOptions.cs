using Microsoft.Extensions.Options;

namespace AiBackend.Core.Egress;

/// <summary>Where requests to addresses that tenants name may go besides the internet. Section <c>Egress</c>; changes need a restart.</summary>
public sealed class EgressOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Egress";

    /// <summary>Origins, such as <c>https://hooks.corp.example:8443</c>, that any tenant may have requests sent to although a rule forbids it.</summary>
    public IList<string> Allow { get; } = [];

    /// <summary>Names under which this installation itself is reached; nothing is sent there.</summary>
    public IList<string> OwnHosts { get; } = [];
}

/// <summary>Refuses exceptions that would open this machine or the cloud's metadata.</summary>
internal sealed class EgressOptionsValidator(bool isDevelopment) : IValidateOptions<EgressOptions>
{
    public ValidateOptionsResult Validate(string? name, EgressOptions options)
    {
        var faults = options
            .Allow.Where(text => Fault(text) is not null)
            .Select(text => $"Egress:Allow has '{text}': {Fault(text)}")
            .ToList();
        return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
    }

    private string? Fault(string text)
    {
        if (EgressOrigin.TryParse(text) is not { } origin)
        {
            return "it is not an origin. Set scheme, host and port, such as https://hooks.corp.example:8443, without path and user name, or remove it.";
        }

        return origin.LiteralKind switch
        {
            AddressKind.Never =>
                "nothing may ever be sent to this address (cloud metadata, multicast, reserved). Name the receiver's own host, or remove it.",
            AddressKind.Loopback when !isDevelopment =>
                "it would let tenants reach every service of this machine, which is for Development only. Give the receiver a name and an address in your network, or remove it.",
            _ => null,
        };
    }
}
