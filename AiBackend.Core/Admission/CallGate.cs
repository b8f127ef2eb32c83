using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Admission;

/// <summary>Reserves every call of a deployment with limits in Postgres, where all workers see the same numbers.</summary>
internal sealed class CallGate(CallWindows windows, TokenEstimates estimates, IOptions<AdmissionOptions> options, TimeProvider clock)
    : ICallGate
{
    private static readonly OpenGate Open = new();

    public async ValueTask<CallEntry> EnterAsync(
        ChatDeployment deployment,
        CallSize size,
        ChatCaller caller,
        CancellationToken cancellationToken
    )
    {
        if (!deployment.Limits.Any)
        {
            return await Open.EnterAsync(deployment, size, caller, cancellationToken);
        }

        var began = clock.GetTimestamp();
        var (input, output) = estimates.Of(deployment.FullName, size);
        while (true)
        {
            var reservation = new Reservation(deployment.FullName, deployment.Limits, caller, input, output);
            var answer = await windows.ReserveAsync(reservation, cancellationToken);
            if (answer.Slot is { } slot)
            {
                return new CallEntry.Admitted(new Permit(this, size, reservation, slot));
            }

            if (clock.GetElapsedTime(began) + answer.Delay > options.Value.Patience)
            {
                return new CallEntry.Full(answer.BlockedBy, answer.Delay);
            }

            await Task.Delay(answer.Delay, clock, cancellationToken);
            caller = caller with { HasTurn = true };
        }
    }

    private void Settle(CallSize size, Reservation reservation, long slot, JobUsage? usage)
    {
        if (usage is not null)
        {
            estimates.Learn(reservation.Deployment, size, usage);
        }

        windows.Settle(
            new Settlement(
                reservation,
                slot,
                (usage?.InputTokens ?? reservation.Input) - reservation.Input,
                (usage?.OutputTokens ?? reservation.Output) - reservation.Output
            )
        );
    }

    private void Cancel(Reservation reservation, long slot) =>
        windows.Settle(new Settlement(reservation, slot, -reservation.Input, -reservation.Output));

    private sealed class Permit(CallGate gate, CallSize size, Reservation reservation, long slot) : ICallPermit
    {
        public void Settle(JobUsage? usage) => gate.Settle(size, reservation, slot, usage);

        public void Cancel() => gate.Cancel(reservation, slot);
    }
}
