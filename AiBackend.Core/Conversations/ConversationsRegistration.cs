using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Conversations;

/// <summary>Registers threads of messages that jobs continue.</summary>
public static class ConversationsRegistration
{
    /// <summary>Adds <see cref="ConversationStore"/>, <see cref="ConversationTurns"/> and <see cref="ExpireConversations"/>.</summary>
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
    }
}
