using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.Core.Controls;
using AiBackend.Core.Providers;
using AiBackend.Core.Queue;

namespace AiBackend.Api.Controls;

/// <summary>Turns the body of a pause, drain or resume into what is meant, or says why not.</summary>
internal sealed class ControlRules(QueuePools pools, ProviderCatalog catalog)
{
    private const int LongestName = 128;
    private const int LongestReason = 200;

    /// <returns>Why it is refused, or null; then <paramref name="target"/> is set.</returns>
    public static Refusal? TryRead(ReadOnlySpan<byte> body, out ControlTarget target, out string? reason)
    {
        (target, reason) = (default, null);
        if (StrictBody.TryRead(body, WireJson.Default.ControlRequest, null, out var request) is { } unreadable)
        {
            return unreadable;
        }

        var errors = new FieldErrors();
        if (!ControlNames.TryParseKind(request.Kind, out var kind))
        {
            var given = request.Kind is null ? "missing" : Quoted.Of(request.Kind);
            errors.Add("kind", $"is {given}; it must be one of {string.Join(", ", ControlNames.AllKinds)}.");
        }

        if (request.Name is null)
        {
            errors.Add("name", "is missing; name what is meant.");
        }

        errors.CheckText("name", request.Name, LongestName);
        errors.CheckText("reason", request.Reason, LongestReason);
        (target, reason) = (new(kind, request.Name ?? ""), request.Reason);
        return errors.ToRefusal();
    }

    /// <returns>Why nothing of this name can be held back; null when it can, or when only the database knows.</returns>
    public Refusal? RefuseUnknown(ControlTarget target) =>
        target.Kind switch
        {
            ControlKind.Queue when target.Name != QueuePools.Default && pools.Others.All(pool => pool.Name != target.Name) => Unknown(
                target,
                string.Join(", ", pools.Others.Select(pool => pool.Name).Prepend(QueuePools.Default))
            ),
            ControlKind.Model when !catalog.Knows(target.Name) => Unknown(target, string.Join(", ", catalog.KnownModels)),
            ControlKind.Provider when catalog.Providers.All(provider => provider.Name != target.Name) => Unknown(
                target,
                string.Join(", ", catalog.Providers.Select(provider => provider.Name))
            ),
            _ => null,
        };

    /// <summary>Nothing has this name.</summary>
    public static Refusal Unknown(ControlTarget target, string? known = null) =>
        ProblemTypes.ControlNotFound.With(
            $"There is no {target.Kind.ToWire()} {Quoted.Of(target.Name)} here.{(known is null ? "" : $" Known: {known}.")}"
        );
}
