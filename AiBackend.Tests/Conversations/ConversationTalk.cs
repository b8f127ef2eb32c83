using System.Text.Json;
using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Conversations;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Conversations;

/// <summary>Conversations of the default tenant, and jobs that continue them.</summary>
internal static class ConversationTalk
{
    public static async Task<Guid> BeginAsync(this CoreHost core, NewConversation? request = null) =>
        (
            await new ConversationStore(core.Database).AddAsync(
                ApiKeyStore.DefaultTenant,
                Guid.CreateVersion7(),
                request ?? new NewConversation(),
                "test",
                TestRun.Cancel
            )
        )!.Id;

    public static JobDraft Draft(
        Guid conversation,
        string says,
        string overlap = Overlaps.Enqueue,
        int? maxTokens = null,
        string? key = null
    )
    {
        var chat = new ChatInput { Messages = [new ChatMessageInput { Role = "user", Content = says }] };
        return CoreHost.Draft(key, JsonSerializer.Serialize(chat, ApiContracts.WireJson.Default.ChatInput)) with
        {
            ConversationId = conversation,
            IsRefusedWhenOthersAreOpen = overlap == Overlaps.Reject,
            Terms = new JobTerms
            {
                Conversation = new JobConversation
                {
                    Id = conversation,
                    Overlap = overlap,
                    MaxTokens = maxTokens,
                },
            }.ToColumn(),
            InputVersion = JobSchema.Terms,
        };
    }

    public static async Task<IReadOnlyList<ConversationMessage>> MessagesAsync(this CoreHost core, Guid conversation) =>
        (await new ConversationStore(core.Database).MessagesAsync(ApiKeyStore.DefaultTenant, conversation, 0, 1_000, TestRun.Cancel)).Data;

    /// <summary>As role: text, in order.</summary>
    public static async Task<IReadOnlyList<string>> SaidAsync(this CoreHost core, Guid conversation) =>
        [.. (await core.MessagesAsync(conversation)).Select(message => $"{message.Role}: {message.Content}")];

    /// <summary>What the model was told in a call, as role: text.</summary>
    public static IReadOnlyList<string> Told(JsonElement call) =>
        [
            .. call.GetProperty("messages")
                .EnumerateArray()
                .Select(message => $"{message.GetProperty("role").GetString()}: {message.GetProperty("content").GetString()}"),
        ];
}
