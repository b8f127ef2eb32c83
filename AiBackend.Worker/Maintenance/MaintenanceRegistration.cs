using AiBackend.Core.Audit;
using AiBackend.Core.Batches;
using AiBackend.Core.Conversations;
using AiBackend.Core.Files;
using AiBackend.Core.Knowledge;
using AiBackend.Core.Repeats;
using AiBackend.Worker.Execution;
using AiBackend.Worker.Quarantine;

namespace AiBackend.Worker.Maintenance;

internal static class MaintenanceRegistration
{
    /// <summary>Adds the leader's work.</summary>
    public static void AddMaintenance(this IHostApplicationBuilder builder)
    {
        builder.AddFiles();
        builder.AddBatches();
        builder.AddConversations();
        builder.AddKnowledge();
        builder
            .Services.AddSingleton<Leadership>()
            .AddSingleton<DeadLetterRounds>()
            .AddSingleton<DispatchRounds>()
            .AddSingleton<MoneyRounds>()
            .AddSingleton<WebhookRounds>()
            .AddSingleton<PrivacyRounds>()
            .AddSingleton<WorkflowRounds>()
            .AddSingleton<ConversationRounds>()
            .AddSingleton<KnowledgeRounds>()
            .AddSingleton<ForgetRefusedKeys>()
            .AddSingleton<KeptAnswers>()
            .AddSingleton<AuditAnchors>()
            .AddSingleton<PruneRounds>()
            .AddSingleton<QuarantineKeeper>();
        builder.Services.AddHostedService(services => services.GetRequiredService<QuarantineKeeper>());
        builder.Services.AddHostedService<MaintenanceLoops>();
    }
}
