using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;

namespace AiBackend.Core.Controls;

/// <summary>Lets no call through to a provider that is paused, and to one that drains only those of jobs that were there before.</summary>
internal sealed class HeldProvidersGate(ICallGate inner, ControlReads controls) : ICallGate
{
    private static readonly CallEntry Held = new CallEntry.Held();

    public async ValueTask<CallEntry> EnterAsync(
        ChatDeployment deployment,
        CallSize size,
        ChatCaller caller,
        CancellationToken cancellationToken
    )
    {
        var known = await controls.LatestAsync();
        return known.Any(control => Holds(control, deployment.Provider, caller))
            ? Held
            : await inner.EnterAsync(deployment, size, caller, cancellationToken);
    }

    private static bool Holds(Control control, string provider, ChatCaller caller) =>
        control.Target == new ControlTarget(ControlKind.Provider, provider)
        && (control.Mode == ControlMode.Paused || caller.AcceptedAt > control.HeldSince);
}
