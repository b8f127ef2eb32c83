using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Catalog;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>Says in a job's log why another model than most of its route's is asked.</summary>
internal static class ModelSwitches
{
    public static void Note(ChatProgress.CallStarted call, RunningJob running)
    {
        var model = $"{call.Model} of {call.Provider}";
        var why = call.ChosenFor switch
        {
            RouteSwitch.Deadline => $"The deadline is near, so the faster model {model} was asked.",
            RouteSwitch.Pressure => $"Others wait too long, so the faster model {model} was asked, as this job's route allows.",
            RouteSwitch.ContextLength => $"The input is long, so {model} was asked, which has room for it.",
            RouteSwitch.Capability => $"The model before it cannot do what this call uses, so {model} was asked.",
            _ => null,
        };
        if (why is not null)
        {
            running.AppendNotice("model_switched", why);
        }
    }
}
