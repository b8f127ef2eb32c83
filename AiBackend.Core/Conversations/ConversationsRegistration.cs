using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Conversations;

/// <summary>Registers threads of messages that jobs continue.</summary>
public static class ConversationsRegistration
{
    /// <summary>Adds everything of this feature, for either side.</summary>
    public static void AddConversations(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<ConversationOptions>()
            .BindConfiguration(ConversationOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.TryAddSingleton<ConversationStore>();
        builder.Services.TryAddSingleton<ConversationTurns>();
        builder.Services.TryAddSingleton<ExpireConversations>();
        builder.Services.TryAddSingleton<BranchConversation>();
        builder.Services.TryAddSingleton<ProfileStore>();
        builder.Services.TryAddSingleton<Compactions>();
    }
}
